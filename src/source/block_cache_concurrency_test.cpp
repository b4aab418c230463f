// Many threads before one cache.
#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <thread>
#include <vector>

#include "source/block_cache_fixture.hpp"

namespace quire::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class BlockCacheConcurrencyTest : public BlockCacheFixture {
 protected:
  std::future<Result<Bytes>> ask(std::uint64_t offset, std::uint64_t length,
                                 const ReadOptions& options = {}) {
    return std::async(std::launch::async, [this, offset, length, options] {
      return cached_->read(offset, length, options);
    });
  }
  std::vector<std::future<Result<Bytes>>> ask_many(int count) {
    std::vector<std::future<Result<Bytes>>> asked;
    for (int i = 0; i < count; ++i) asked.push_back(ask(0, 10));
    return asked;
  }
};

TEST_F(BlockCacheConcurrencyTest, SixteenThreadsWantingOneBlockFetchItOnce) {
  slow_->hold();
  auto asked = ask_many(16);
  wait_for_waits(15);
  slow_->go();
  for (auto& one : asked) EXPECT_TRUE(slow_->matches(0, one.get()->span()));
  EXPECT_EQ(slow_->reads(), 1U);
  EXPECT_EQ(cache_->stats().waits, 15U);
}

TEST_F(BlockCacheConcurrencyTest, AllWhoWaitGetTheError) {
  slow_->hold();
  slow_->fail_next(ErrorCode::network);
  auto asked = ask_many(8);
  wait_for_waits(7);
  slow_->go();
  for (auto& one : asked) EXPECT_EQ(code_of(one.get()), ErrorCode::network);
  EXPECT_EQ(slow_->reads(), 1U);
  EXPECT_TRUE(right(0, 10));
}

TEST_F(BlockCacheConcurrencyTest, WhoWaitsForAPartOfALongReadGetsItsError) {
  slow_->hold();
  slow_->fail_next(ErrorCode::network);
  auto whole = ask(0, 4 * kBlock);
  slow_->wait_until_asked(1);
  auto part = ask(2 * kBlock, 10);
  wait_for_waits(1);
  slow_->go();
  EXPECT_EQ(code_of(whole.get()), ErrorCode::network);
  EXPECT_EQ(code_of(part.get()), ErrorCode::network);
  EXPECT_EQ(slow_->reads(), 1U);
}

TEST_F(BlockCacheConcurrencyTest, AnErrorIsNotGivenToThoseWhoWaitForAnotherBlock) {
  slow_->hold();
  slow_->spoil(50 * kBlock);
  auto both = std::async(std::launch::async, [this] {
    return cached_->read_many(std::vector<ByteRange>{{0, 10}, {50 * kBlock, 10}});
  });
  slow_->wait_until_asked(1);
  auto good = ask(0, 10);
  auto bad = ask(50 * kBlock, 10);
  wait_for_waits(2);
  slow_->go();
  EXPECT_EQ(code_of(both.get()), ErrorCode::io);
  EXPECT_TRUE(good.get());
  EXPECT_EQ(code_of(bad.get()), ErrorCode::io);
}

TEST_F(BlockCacheConcurrencyTest, IfTheOneWhoFetchesIsStoppedAnotherFetches) {
  slow_->hold();
  std::stop_source stop;
  auto first = ask(0, 10, {.stop = stop.get_token()});
  slow_->wait_until_asked(1);
  auto second = ask(0, 10);
  wait_for_waits(1);
  stop.request_stop();
  EXPECT_EQ(code_of(first.get()), ErrorCode::cancelled);
  slow_->wait_until_asked(2);
  slow_->go();
  EXPECT_TRUE(second.get());
}

TEST_F(BlockCacheConcurrencyTest, AStopOrDeadlineEndsOnlyTheWaitOfItsCaller) {
  slow_->hold();
  auto first = ask(0, 10);
  slow_->wait_until_asked(1);
  std::stop_source stop;
  auto stopped = ask(0, 10, {.stop = stop.get_token()});
  auto late = ask(0, 3 * kBlock, {.deadline = steady_clock::now() + milliseconds(30)});
  stop.request_stop();
  const auto error = stopped.get().error();
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_EQ(error.path(), "scripted");
  EXPECT_EQ(code_of(late.get()), ErrorCode::timeout);
  slow_->go();
  EXPECT_TRUE(first.get());
}

TEST_F(BlockCacheConcurrencyTest, WhoWaitsForWhatFailsAheadFetchesItHimself) {
  const auto executor = std::make_shared<ManualExecutor>();
  set_default_executor(executor);
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  set_default_executor(nullptr);
  slow_->hold();
  slow_->fail_next(ErrorCode::network);
  std::jthread ahead([&] { executor->run(); });
  slow_->wait_until_asked(2);
  auto reader = ask(kBlock + 1, 10);
  wait_for_waits(1);
  slow_->go();
  EXPECT_TRUE(reader.get());
}

// Each claims what the other waits for: who waited before he fetched would hang.
TEST_F(BlockCacheConcurrencyTest, ReadsThatCrossDoNotWaitForEachOther) {
  attach(0, 4 * kBlock);
  std::atomic<std::uint64_t> wrong = 0;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      std::minstd_rand random(i + 1);
      for (int round = 0; round < 300; ++round) {
        std::vector<ByteRange> ranges;
        for (int k = 0; k < 6; ++k) ranges.push_back({random() % 12 * kBlock, 1 + random() % 3000});
        const auto many = cached_->read_many(ranges);
        for (std::size_t k = 0; k < ranges.size(); ++k) {
          wrong += many && slow_->matches(ranges[k].offset, (*many)[k].span()) ? 0 : 1;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0U);
}

// Random work of all kinds, against what the sources would have said themselves.
TEST_F(BlockCacheConcurrencyTest, EveryAnswerIsRightUnderStopsFailuresAndReadingAhead) {
  const auto other = std::make_shared<ScriptedSource>(kSize, 1);
  const auto other_cached = cache_->attach(other);
  std::atomic<std::uint64_t> wrong = 0;
  std::atomic<std::uint64_t> served = 0;
  const auto judge = [&](const ScriptedSource& truth, std::uint64_t offset, const auto& bytes) {
    if (bytes) {
      ++served;
      wrong += truth.matches(offset, bytes->span()) ? 0 : 1;
    } else {
      const ErrorCode code = bytes.error().code();
      wrong += code == ErrorCode::io || code == ErrorCode::cancelled || code == ErrorCode::timeout
                   ? 0
                   : 1;
    }
  };
  const auto work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    std::uint64_t at = 0;
    for (int round = 0; round < 1500; ++round) {
      const bool first = random() % 2 == 0;
      const ScriptedSource& truth = first ? *slow_ : *other;
      const ByteSource& source = first ? *cached_ : *other_cached;
      const std::uint64_t kind = random() % 8;
      std::stop_source stop;
      ReadOptions options{.stop = stop.get_token()};
      if (kind == 0)
        options.deadline = steady_clock::now() + std::chrono::microseconds(random() % 50);
      if (kind == 1) truth.fail_next(ErrorCode::io);
      std::jthread stopper;
      if (kind == 3) stopper = std::jthread([&stop] { stop.request_stop(); });
      if (kind == 2) at = random() % (kSize / 2);
      at = kind < 3 || at + 5000 > kSize ? random() % (kSize - 5000) : at;
      const std::uint64_t length = 1 + random() % 5000;
      judge(truth, at, source.read(at, length, options));
      if (kind > 4) at += length;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 6; ++i) threads.emplace_back(work, i + 1);
    for (int i = 0; i < 50; ++i) {
      const auto brief = cache_->attach(slow_);  // comes and goes meanwhile
      for (std::uint64_t offset = 0; offset < 20'000; offset += 700) {
        judge(*slow_, offset, brief->read(offset, 700));
      }
      EXPECT_LE(cache_->stats().bytes_held, kBlocks * kBlock);
    }
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(served, 5000U);
}

TEST_F(BlockCacheConcurrencyTest, ManySequentialReadersReadAhead) {
  std::atomic<std::uint64_t> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (std::uint64_t at = i * 200 * kBlock; at < (i + 1) * 200 * kBlock; at += 256) {
          const auto bytes = cached_->read(at, 256);
          wrong += bytes && slow_->matches(at, bytes->span()) ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(cache_->stats().read_ahead, 0U);
}

}  // namespace
}  // namespace quire::source
