#include "remote/s3_credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace quire::remote {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

// What a place says, and how often it was asked. It can be held back in its answer.
struct Script {
  std::chrono::seconds now{1'000'000};  // the clock's
  std::chrono::seconds lifetime{3600};  // 0: for ever
  std::optional<ErrorCode> error;
  bool has_none = false;
  bool gives_the_same = false;
  int asked = 0;
  int at_once = 0;
  int most_at_once = 0;
  bool is_held = false;
  base::Mutex mutex;
  base::Condition changed;

  std::chrono::sys_seconds time() {
    const base::MutexLock lock(mutex);
    return std::chrono::sys_seconds(now);
  }
  template <class Change>
  void change(const Change& what) {
    const base::MutexLock lock(mutex);
    what(*this);
    changed.notify_all();
  }
  void pass(std::chrono::seconds time) {
    change([&](Script& script) { script.now += time; });
  }
  void hold(bool held) {
    change([&](Script& script) { script.is_held = held; });
  }
  void wait_until_asked(int times) {
    const base::MutexLock lock(mutex);
    while (asked < times) changed.wait(mutex);
  }
  int times_asked() {
    const base::MutexLock lock(mutex);
    return asked;
  }
};

class ScriptedPlace final : public CredentialsProvider {
 public:
  explicit ScriptedPlace(Script& script) : script_(script) {}
  std::string name() const override { return "the script"; }
  Result<Found> get(const ReadOptions& options) override {
    const base::MutexLock lock(script_.mutex);
    ++script_.asked;
    ++script_.at_once;
    script_.most_at_once = std::max(script_.most_at_once, script_.at_once);
    script_.changed.notify_all();
    while (script_.is_held) {
      if (options.stop.stop_requested()) {
        --script_.at_once;
        return std::unexpected(Error(ErrorCode::cancelled, "read"));
      }
      script_.changed.wait_until(script_.mutex, std::chrono::steady_clock::now() + 5ms);
    }
    --script_.at_once;
    if (script_.error) return std::unexpected(Error(*script_.error, "read"));
    if (script_.has_none) return Found{.lack = "nothing there"};
    const std::string number = std::to_string(script_.gives_the_same ? 1 : script_.asked);
    S3Credentials credentials{
        .key = {.access_key = "KEY" + number, .secret_key = "hidden", .session_token = {}}};
    if (script_.lifetime > 0s) {
      credentials.expires = std::chrono::sys_seconds(script_.now + script_.lifetime);
    }
    return Found{.credentials = std::move(credentials)};
  }

 private:
  Script& script_;
};

class S3CredentialsTest : public testing::Test {
 protected:
  S3CredentialsTest() {
    for (Script* script : {&script_, &second_}) {
      places_.push_back(std::make_unique<ScriptedPlace>(*script));
    }
    credentials_ =
        std::make_unique<Credentials>(std::move(places_), [this] { return script_.time(); });
  }

  std::string key(const ReadOptions& options = {}) {
    const auto key = credentials_->key(options);
    if (key) return key->access_key;
    EXPECT_THAT(key.error().message(), Not(HasSubstr("hidden")));
    return std::string(to_string(key.error().code()));
  }
  net::SigningKey named(const std::string& access_key) const {
    return {.access_key = access_key, .secret_key = "hidden", .session_token = {}};
  }
  // What so many threads get, who ask together.
  std::vector<std::string> keys_of_threads(std::size_t count) {
    std::vector<std::string> keys(count);
    std::latch start(static_cast<std::ptrdiff_t>(count));
    std::vector<std::jthread> threads;
    for (std::string& mine : keys) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        mine = key();
      });
    }
    threads.clear();
    return keys;
  }

  Script script_;
  Script second_;
  std::unique_ptr<Credentials> credentials_;

 private:
  std::vector<std::unique_ptr<CredentialsProvider>> places_;
};

TEST_F(S3CredentialsTest, AsksOnceForAKeyThatLives) {
  EXPECT_EQ(key(), "KEY1");
  script_.pass(3299s);
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(script_.times_asked(), 1);
}

TEST_F(S3CredentialsTest, AsksOnceForAKeyForEver) {
  script_.lifetime = 0s;
  EXPECT_EQ(key(), "KEY1");
  script_.pass(std::chrono::hours(24 * 365 * 100));
  EXPECT_EQ(key(), "KEY1");
}

TEST_F(S3CredentialsTest, AsksForAnotherBeforeItRunsOut) {
  EXPECT_EQ(key(), "KEY1");
  script_.pass(3300s);
  EXPECT_EQ(key(), "KEY2");
  EXPECT_EQ(key(), "KEY2");
}

TEST_F(S3CredentialsTest, ManyThreadsAskOnce) {
  EXPECT_THAT(keys_of_threads(16), Each("KEY1"));
  script_.pass(4000s);
  EXPECT_THAT(keys_of_threads(16), Each("KEY2"));
  EXPECT_EQ(script_.times_asked(), 2);
}

TEST_F(S3CredentialsTest, OthersGoOnWithTheOldKeyWhileOneAsks) {
  EXPECT_EQ(key(), "KEY1");
  script_.pass(3400s);
  script_.hold(true);
  std::string renewed;
  std::jthread renewer([&] { renewed = key(); });
  script_.wait_until_asked(2);
  EXPECT_THAT(keys_of_threads(4), Each("KEY1"));
  script_.hold(false);
  renewer.join();
  EXPECT_EQ(renewed, "KEY2");
  EXPECT_EQ(key(), "KEY2");
}

TEST_F(S3CredentialsTest, AllWaitWhereItHasRunOut) {
  EXPECT_EQ(key(), "KEY1");
  script_.pass(3600s);
  script_.hold(true);
  std::vector<std::string> keys;
  std::jthread all([&] { keys = keys_of_threads(8); });
  script_.wait_until_asked(2);
  std::this_thread::sleep_for(20ms);  // for the others to come
  script_.hold(false);
  all.join();
  EXPECT_THAT(keys, Each("KEY2"));
  EXPECT_EQ(script_.times_asked(), 2);
}

TEST_F(S3CredentialsTest, EachWaitsAsLongAsItLikes) {
  script_.hold(true);
  std::jthread searcher([&] { EXPECT_EQ(key(), "KEY1"); });
  script_.wait_until_asked(1);
  EXPECT_EQ(key({.deadline = std::chrono::steady_clock::now() + 20ms}), "timeout");
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(20ms);
    stop.request_stop();
  });
  EXPECT_EQ(key({.stop = stop.get_token()}), "cancelled");
  script_.hold(false);
}

TEST_F(S3CredentialsTest, AnotherAsksWhereTheFirstGivesUp) {
  script_.hold(true);
  std::stop_source stop;
  std::jthread searcher([&] { EXPECT_EQ(key({.stop = stop.get_token()}), "cancelled"); });
  script_.wait_until_asked(1);
  std::jthread next([&] { EXPECT_EQ(key(), "KEY2"); });
  std::this_thread::sleep_for(20ms);
  stop.request_stop();
  script_.wait_until_asked(2);
  script_.hold(false);
}

TEST_F(S3CredentialsTest, AFailureIsForAllWhoWait) {
  script_.error = ErrorCode::network;
  script_.hold(true);
  std::vector<std::string> keys;
  std::jthread all([&] { keys = keys_of_threads(8); });
  script_.wait_until_asked(1);
  std::this_thread::sleep_for(50ms);  // for the others to come
  script_.hold(false);
  all.join();
  EXPECT_THAT(keys, Each("network"));
  EXPECT_EQ(script_.most_at_once, 1);
  script_.change([](Script& script) { script.error.reset(); });
  EXPECT_THAT(key(), HasSubstr("KEY"));
}

TEST_F(S3CredentialsTest, KeepsAKeyThatLivesWhereItCannotBeRenewed) {
  EXPECT_EQ(key(), "KEY1");
  script_.error = ErrorCode::network;
  script_.pass(3400s);
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(script_.times_asked(), 2);  // and not again at once
  script_.pass(30s);
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(script_.times_asked(), 3);
  script_.pass(200s);
  EXPECT_EQ(key(), "network");
  script_.error.reset();
  EXPECT_EQ(key(), "KEY5");
}

TEST_F(S3CredentialsTest, DoesNotAskAllTheTimeForKeysThatLiveShortly) {
  script_.lifetime = 60s;
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(key(), "KEY1");
  script_.pass(30s);
  EXPECT_EQ(key(), "KEY2");
}

TEST_F(S3CredentialsTest, LooksElsewhereWhereThereAreNone) {
  script_.has_none = true;
  EXPECT_EQ(key(), "KEY1");
  EXPECT_EQ(second_.times_asked(), 1);
  // Who asks stays who asked: not even now that the first place has some.
  script_.has_none = false;
  second_.has_none = true;
  script_.pass(3400s);
  EXPECT_EQ(key(), "KEY1");
  script_.pass(200s);
  EXPECT_EQ(key(), "unauthenticated");
  EXPECT_EQ(script_.times_asked(), 1);
}

TEST_F(S3CredentialsTest, DoesNotLookElsewhereAfterAnError) {
  script_.error = ErrorCode::unsupported;
  EXPECT_EQ(key(), "unsupported");
  EXPECT_EQ(second_.times_asked(), 0);
}

TEST_F(S3CredentialsTest, SaysWhatEachPlaceLacked) {
  script_.has_none = second_.has_none = true;
  const auto key = credentials_->key({});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().detail(),
            "no credentials were found: the script: nothing there; the script: nothing there");
}

TEST_F(S3CredentialsTest, AsksForAnotherWhereTheServerRefusesIt) {
  EXPECT_EQ(key(), "KEY1");
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));  // another caller was told so too
  EXPECT_EQ(key(), "KEY2");
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));  // there is another already
  EXPECT_EQ(key(), "KEY2");
  EXPECT_EQ(script_.times_asked(), 2);
}

TEST_F(S3CredentialsTest, DoesNotGoRoundInCirclesWithARefusedKey) {
  script_.gives_the_same = true;
  EXPECT_EQ(key(), "KEY1");
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));
  EXPECT_EQ(key(), "KEY1");
  EXPECT_FALSE(credentials_->refresh_after(named("KEY1")));
  script_.pass(30s);
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));
}

TEST_F(S3CredentialsTest, DoesNotServeARefusedKeyWhereThereIsNoOther) {
  EXPECT_EQ(key(), "KEY1");
  EXPECT_TRUE(credentials_->refresh_after(named("KEY1")));
  script_.error = ErrorCode::network;
  EXPECT_EQ(key(), "network");
}

TEST_F(S3CredentialsTest, ManyThreadsAndAClockThatRuns) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        const auto got = credentials_->key({});
        ASSERT_TRUE(got) << got.error().message();
        if (round % 500 == 0) (void)credentials_->refresh_after(*got);
        script_.pass(1s);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(script_.most_at_once, 1);
  EXPECT_GE(script_.asked, 16'000 / 3600);
}

}  // namespace
}  // namespace quire::remote
