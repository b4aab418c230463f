// What ByteSource does for whoever writes a source, and the adapters of its asynchronous reads.
#include "quire/byte_source.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <functional>
#include <future>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "quire/byte_source_await.hpp"
#include "quire/byte_source_future.hpp"
#include "quire/executor.hpp"
#include "quire/local_source.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {
namespace {

// A source of 100 bytes that writes down what it is asked.
class Recorder final : public ByteSource {
 public:
  Recorder() : ByteSource("recorder", 100, {}) {}

  mutable std::vector<ByteRange> asked;
  mutable std::vector<ByteRange> hinted;
  std::function<void()> at_read = [] {};

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    asked.push_back(range);
    at_read();
    return Bytes::own(std::vector<std::byte>(range.length));
  }
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& /*options*/) const override {
    asked.push_back({offset, out.size()});
    at_read();
    return {};
  }
  void do_hint(ByteRange range, AccessHint /*access*/) const override { hinted.push_back(range); }
};

using Ranges = std::vector<ByteRange>;

class ByteSourceTest : public testing::Test {
 protected:
  const std::shared_ptr<Recorder> source_ = std::make_shared<Recorder>();
  const std::shared_ptr<const ByteSource> bytes_ =
      memory_source(Bytes::copy(std::as_bytes(std::span(kText))));
  static constexpr char kText[] = "some bytes";
};

TEST_F(ByteSourceTest, AsksOnlyForWhatIsThere) {
  EXPECT_EQ(code_of(source_->read(0, 101)), "out_of_range");
  EXPECT_EQ(code_of(source_->read(100, 0)), "ok");
  EXPECT_EQ(code_of(source_->read_into(100, {})), "ok");
  const std::array ranges{ByteRange{5, 0}, ByteRange{1, 2}, ByteRange{100, 0}, ByteRange{3, 4}};
  EXPECT_EQ(source_->read_many(ranges)->size(), 4);
  EXPECT_EQ(source_->asked, (Ranges{{1, 2}, {3, 4}}));
}

TEST_F(ByteSourceTest, ABadRangeInABatchAsksForNothing) {
  const std::array ranges{ByteRange{1, 2}, ByteRange{99, 2}};
  EXPECT_EQ(source_->read_many(ranges).error().range(), ranges[1]);
  EXPECT_EQ(source_->asked, Ranges{});
}

TEST_F(ByteSourceTest, ABatchLooksAtTheTimeBetweenReads) {
  std::stop_source stop;
  source_->at_read = [&] { stop.request_stop(); };
  const std::array ranges{ByteRange{1, 2}, ByteRange{3, 4}};
  EXPECT_EQ(code_of(source_->read_many(ranges, {.stop = stop.get_token()})), "cancelled");
  EXPECT_EQ(source_->asked, (Ranges{{1, 2}}));
}

TEST_F(ByteSourceTest, AHintIsCutAtTheEnd) {
  source_->hint({90, 20}, AccessHint::random);
  source_->hint({90, UINT64_MAX}, AccessHint::random);
  source_->hint({100, 1}, AccessHint::random);
  source_->hint({5, 0}, AccessHint::random);
  EXPECT_EQ(source_->hinted, (Ranges{{90, 10}, {90, 10}}));
}

// An exception on the executor would end the process.
TEST_F(ByteSourceTest, AsyncNoMemoryIsAnError) {
  source_->at_read = [] { throw std::bad_alloc(); };
  EXPECT_THROW(ignore_error(source_->read(0, 1)), std::bad_alloc);
  EXPECT_EQ(code_of(read_future(*source_, 0, 1).get()), "capacity");
  std::promise<std::string> done;
  std::byte out{};
  source_->read_into_async(0, {&out, 1}, [&](Result<void> r) { done.set_value(code_of(r)); });
  EXPECT_EQ(done.get_future().get(), "capacity");
}

// Runs nothing by itself.
class Pile final : public Executor {
 public:
  void submit(Task task) override { tasks.push_back(std::move(task)); }
  std::vector<Task> tasks;
};

TEST_F(ByteSourceTest, AsyncRunsOnTheExecutorOfTheUser) {
  const auto pile = std::make_shared<Pile>();
  set_default_executor(pile);
  std::vector<std::string> results;
  for (const std::uint64_t length : {1U, 0U, 101U}) {  // good, empty, bad
    source_->read_async(0, length, [&](const auto& result) { results.push_back(code_of(result)); });
  }
  set_default_executor(nullptr);
  EXPECT_EQ(results.size(), 0) << "ran inside the call";
  EXPECT_EQ(source_->asked, Ranges{});
  for (auto& task : pile->tasks) task();
  EXPECT_EQ(results, (std::vector<std::string>{"ok", "ok", "out_of_range"}));
}

TEST_F(ByteSourceTest, AFutureGivesWhatReadGives) {
  EXPECT_EQ(outcome(read_future(*bytes_, 5, 5).get()), "bytes");
  EXPECT_EQ(outcome(read_future(*bytes_, 5, 500).get()), "out_of_range");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(outcome(read_future(*bytes_, 5, 5, {.stop = stop.get_token()}).get()), "cancelled");
}

// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

struct Resumed {
  std::vector<std::string> outcomes;
  std::thread::id where;
};

Detached read_twice(std::shared_ptr<const ByteSource> source, ReadOptions options,
                    std::promise<Resumed>& done) {
  Resumed resumed;
  resumed.outcomes.push_back(outcome(co_await read_awaitable(*source, 5, 5, options)));
  resumed.outcomes.push_back(outcome(co_await read_awaitable(*source, 5, 500, options)));
  resumed.where = std::this_thread::get_id();
  done.set_value(std::move(resumed));
}

TEST_F(ByteSourceTest, AnAwaitedReadResumesOnTheExecutor) {
  std::promise<Resumed> done;
  read_twice(bytes_, {}, done);
  const Resumed resumed = done.get_future().get();
  EXPECT_EQ(resumed.outcomes, (std::vector<std::string>{"bytes", "out_of_range"}));
  EXPECT_NE(resumed.where, std::this_thread::get_id());
}

TEST_F(ByteSourceTest, AnAwaitedReadCanBeStopped) {
  std::stop_source stop;
  stop.request_stop();
  std::promise<Resumed> done;
  read_twice(bytes_, {.stop = stop.get_token()}, done);
  const Resumed resumed = done.get_future().get();
  EXPECT_EQ(resumed.outcomes, (std::vector<std::string>{"cancelled", "out_of_range"}));
}

TEST(IdentityStrengths, HaveNames) {
  EXPECT_EQ(to_string(IdentityStrength::size_only), "size_only");
  EXPECT_EQ(to_string(IdentityStrength::compared), "compared");
  EXPECT_EQ(to_string(IdentityStrength::strong), "strong");
}

}  // namespace
}  // namespace quire::source
