// What as_future and as_awaitable make of any function that calls a completion.
#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "quire/async_await.hpp"
#include "quire/async_future.hpp"
#include "quire/executor.hpp"

namespace quire {
namespace {

template <class T>
std::string outcome(const Result<T>& result) {
  if (!result) return std::string(to_string(result.error().code()));
  if constexpr (std::is_void_v<T>) {
    return "ok";
  } else {
    return std::to_string(*result);
  }
}

Result<int> io_error() { return std::unexpected(Error(ErrorCode::io, "test")); }

// Begins operations that end when the test says so.
class Operations {
 public:
  void operator()(Completion<int> done) { waiting_.push_back(std::move(done)); }
  std::size_t begun() const { return begun_before_ + waiting_.size(); }
  // Ends the oldest.
  void end(Result<int> result) {
    Completion<int> done = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    ++begun_before_;
    done(std::move(result));
  }
  void drop_all() { waiting_.clear(); }

 private:
  std::vector<Completion<int>> waiting_;
  std::size_t begun_before_ = 0;
};

// Tells whether it, and with it who holds it, was destroyed.
class Canary {
 public:
  bool is_dead() const { return song_.expired(); }
  std::shared_ptr<int> song() { return std::exchange(held_, nullptr); }

 private:
  std::shared_ptr<int> held_ = std::make_shared<int>(7);
  std::weak_ptr<int> song_ = held_;
};

TEST(AsFuture, GivesTheResultThatComesLater) {
  Operations operations;
  auto first = as_future<int>(std::ref(operations));
  auto second = as_future<int>(std::ref(operations));
  EXPECT_EQ(operations.begun(), 2U);
  operations.end(5);
  operations.end(io_error());
  EXPECT_EQ(outcome(first.get()), "5");
  EXPECT_EQ(outcome(second.get()), "io");
}

TEST(AsFuture, GivesTheResultThatCameInsideStart) {
  EXPECT_EQ(outcome(as_future([](Completion<int> done) { done(5); }).get()), "5");
  EXPECT_EQ(outcome(as_future([](Completion<> done) { done({}); }).get()), "ok");
}

TEST(AsFuture, GivesTheResultOfAnotherThread) {
  std::jthread worker;
  auto future = as_future([&](Completion<int> done) {
    worker = std::jthread([done = std::move(done)]() mutable { done(5); });
  });
  EXPECT_EQ(outcome(future.get()), "5");
}

TEST(AsFuture, PassesOnWhatStartThrows) {
  const auto start = [](Completion<int>) { throw std::bad_alloc(); };
  EXPECT_THROW(static_cast<void>(as_future(start)), std::bad_alloc);
}

TEST(AsFuture, AnOperationThatIsDroppedBreaksThePromise) {
  Operations operations;
  auto future = as_future<int>(std::ref(operations));
  operations.drop_all();
  EXPECT_THROW(ignore_error(future.get()), std::future_error);
}

TEST(AsyncAdapters, FindTheTypeOfTheResult) {
  const auto constant = [](Completion<int>) {};
  auto mutating = [](Completion<std::string>) mutable noexcept {};
  const auto nothing = [](Completion<>) { return 7; };
  const auto generic = [](auto done) { done(std::make_unique<int>(7)); };
  static_assert(std::is_same_v<decltype(as_future(constant)), std::future<Result<int>>>);
  static_assert(std::is_same_v<decltype(as_future(mutating)), std::future<Result<std::string>>>);
  static_assert(std::is_same_v<decltype(as_future(nothing)), std::future<Result<void>>>);
  static_assert(std::is_same_v<decltype(as_awaitable(nothing)),
                               Awaitable<void, std::remove_const_t<decltype(nothing)>>>);
  auto moved_only = as_future<std::unique_ptr<int>>(generic).get();
  EXPECT_EQ(**moved_only, 7);
}

// Awaiting takes the operation, so that it cannot be awaited twice.
template <class A>
concept AwaitableByName = requires(A& operation) { operation.operator co_await(); };
template <class A>
concept AwaitableByMove = requires(A& operation) { std::move(operation).operator co_await(); };
using OfOperations = Awaitable<int, std::reference_wrapper<Operations>>;
static_assert(!AwaitableByName<OfOperations> && AwaitableByMove<OfOperations>);

// A coroutine that nobody waits for. It counts the frames that live.
struct Detached {
  struct promise_type {
    static inline std::atomic<int> frames = 0;

    promise_type() { ++frames; }
    ~promise_type() { --frames; }
    promise_type(const promise_type&) = delete;
    promise_type& operator=(const promise_type&) = delete;

    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

class AsAwaitable : public testing::Test {
 protected:
  ~AsAwaitable() override { EXPECT_EQ(frames(), 0) << "coroutines were left behind"; }
  AsAwaitable() = default;
  AsAwaitable(const AsAwaitable&) = delete;
  AsAwaitable& operator=(const AsAwaitable&) = delete;

  static int frames() { return Detached::promise_type::frames; }

  // Awaits one operation and writes down its outcome.
  template <class Operation>
  Detached await(Operation operation) {
    try {
      outcomes_.push_back(outcome(co_await std::move(operation)));
    } catch (const std::bad_alloc&) {
      outcomes_.emplace_back("bad_alloc");
    }
    resumed_on_ = std::this_thread::get_id();
  }

  Operations operations_;
  std::vector<std::string> outcomes_;
  std::thread::id resumed_on_;
};

using Outcomes = std::vector<std::string>;

TEST_F(AsAwaitable, BeginsWhenItIsAwaited) {
  auto operation = as_awaitable<int>(std::ref(operations_));
  EXPECT_EQ(operations_.begun(), 0U);
  await(std::move(operation));
  EXPECT_EQ(operations_.begun(), 1U);
  EXPECT_EQ(outcomes_, Outcomes{});
  operations_.end(5);
  EXPECT_EQ(outcomes_, Outcomes{"5"});
}

TEST_F(AsAwaitable, GivesErrors) {
  await(as_awaitable<int>(std::ref(operations_)));
  operations_.end(io_error());
  await(as_awaitable([](Completion<> done) { done({}); }));
  EXPECT_EQ(outcomes_, (Outcomes{"io", "ok"}));
}

TEST_F(AsAwaitable, GoesOnWhereItIsCompleted) {
  await(as_awaitable<int>(std::ref(operations_)));
  std::thread::id completed_on;
  std::jthread([&] {
    completed_on = std::this_thread::get_id();
    operations_.end(5);
  }).join();
  EXPECT_EQ(outcomes_, Outcomes{"5"});
  EXPECT_EQ(resumed_on_, completed_on);
}

// The coroutine ends, and its frame with it, while `start` still runs.
TEST_F(AsAwaitable, StartOutlivesTheCoroutine) {
  Canary canary;
  int frames_after = -1;
  bool dead_after = true;
  await(as_awaitable([&, song = canary.song()](Completion<int> done) {
    done(*song);
    frames_after = frames();
    dead_after = canary.is_dead();
  }));
  EXPECT_EQ(outcomes_, Outcomes{"7"});
  EXPECT_EQ(frames_after, 0);
  EXPECT_FALSE(dead_after) << "start was destroyed while it ran";
  EXPECT_TRUE(canary.is_dead());
}

TEST_F(AsAwaitable, MayGoOnElsewhereBeforeStartReturns) {
  std::thread::id worker;
  await(as_awaitable([&](Completion<int> done) {
    std::jthread thread([done = std::move(done)]() mutable { done(5); });
    worker = thread.get_id();
    thread.join();
    EXPECT_EQ(frames(), 0);
  }));
  EXPECT_EQ(outcomes_, Outcomes{"5"});
  EXPECT_EQ(resumed_on_, worker);
}

TEST_F(AsAwaitable, ThrowsWhatStartThrows) {
  await(as_awaitable([](Completion<int>) { throw std::bad_alloc(); }));
  EXPECT_EQ(outcomes_, Outcomes{"bad_alloc"});
}

TEST_F(AsAwaitable, NeverAwaitedItNeverBegins) {
  Canary canary;
  bool begun = false;
  {
    const auto dropped = as_awaitable([&, song = canary.song()](Completion<int>) { begun = true; });
  }
  EXPECT_FALSE(begun);
  EXPECT_TRUE(canary.is_dead());
}

// A coroutine that starts when it is resumed, and that its owner may destroy.
class Lazy {
 public:
  struct promise_type {
    Lazy get_return_object() {
      return Lazy(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };

  explicit Lazy(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  ~Lazy() { frame_.destroy(); }
  Lazy(const Lazy&) = delete;
  Lazy& operator=(const Lazy&) = delete;
  void resume() { frame_.resume(); }

 private:
  std::coroutine_handle<promise_type> frame_;
};

template <class Operation>
Lazy await_lazily(Operation operation, std::optional<int>& seen) {
  const Result<int> result = co_await std::move(operation);
  seen = result.value();
}

TEST_F(AsAwaitable, ACoroutineDestroyedBeforeItAwaitsLeavesNothing) {
  Canary canary;
  std::optional<int> seen;
  {
    const auto start = [song = canary.song()](Completion<int> done) { done(*song); };
    const Lazy never_run = await_lazily(as_awaitable(start), seen);
  }
  EXPECT_EQ(seen, std::nullopt);
  EXPECT_TRUE(canary.is_dead());
}

TEST_F(AsAwaitable, ACoroutineDestroyedAfterItAwaitedLeavesNothing) {
  Canary canary;
  std::optional<int> seen;
  {
    auto start = [song = canary.song()](Completion<int> done) { done(*song); };
    Lazy run = await_lazily(as_awaitable(std::move(start)), seen);
    run.resume();
    EXPECT_TRUE(canary.is_dead()) << "what start held goes when it returns";
  }
  EXPECT_EQ(seen, 7);
}

// Hops from thread to thread, each hop a value.
Detached add_up(Executor& executor, int hops, std::atomic<int>& sum, std::latch& ended) {
  for (int hop = 0; hop < hops; ++hop) {
    auto submit = [&executor, hop](Completion<int> done) {
      executor.submit([hop, done = std::move(done)]() mutable { done(hop); });
    };
    const Result<int> value = co_await as_awaitable(std::move(submit));
    sum += value.value();
  }
  ended.count_down();
}

TEST_F(AsAwaitable, ManyCoroutinesOnManyThreads) {
  constexpr int kCoroutines = 50;
  std::atomic<int> sum = 0;
  std::latch ended(kCoroutines);
  auto executor = make_thread_executor(4);
  for (int i = 0; i < kCoroutines; ++i) add_up(*executor, 40, sum, ended);
  ended.wait();
  executor.reset();  // joins: the frames are gone
  EXPECT_EQ(sum, kCoroutines * (39 * 40 / 2));
}

}  // namespace
}  // namespace quire
