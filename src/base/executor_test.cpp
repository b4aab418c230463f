#include "quire/executor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace quire {
namespace {

// Runs nothing: keeps what it was given.
class KeepingExecutor final : public Executor {
 public:
  void submit(Task task) override { kept_.push_back(std::move(task)); }
  std::size_t kept() const { return kept_.size(); }

 private:
  std::vector<Task> kept_;
};

TEST(ThreadExecutor, RunsEachTaskOnce) {
  constexpr int kTasks = 2000;
  std::atomic<int> runs = 0;
  auto executor = make_thread_executor(4);
  for (int i = 0; i < kTasks; ++i) executor->submit([&runs] { ++runs; });
  executor.reset();  // joins
  EXPECT_EQ(runs, kTasks);
}

TEST(ThreadExecutor, RunsOnAnotherThread) {
  std::thread::id where;
  auto executor = make_thread_executor(1);
  executor->submit([&where] { where = std::this_thread::get_id(); });
  executor.reset();
  EXPECT_NE(where, std::thread::id());
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(ThreadExecutor, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  auto executor = make_thread_executor(1);
  for (int i = 0; i < 500; ++i) executor->submit([&order, i] { order.push_back(i); });
  executor.reset();
  std::vector<int> expected(500);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

// Each of the three waits for the other two: fewer threads would hang.
TEST(ThreadExecutor, HasAsManyThreadsAsAskedFor) {
  std::latch together(3);
  auto executor = make_thread_executor(3);
  for (int i = 0; i < 3; ++i) executor->submit([&together] { together.arrive_and_wait(); });
  executor.reset();
  EXPECT_TRUE(together.try_wait());
}

TEST(ThreadExecutor, ZeroThreadsAreOne) {
  std::latch done(1);
  auto executor = make_thread_executor(0);
  executor->submit([&done] { done.count_down(); });
  done.wait();
}

TEST(ThreadExecutor, ATaskMaySubmitAnother) {
  std::latch done(2);
  auto executor = make_thread_executor(1);
  executor->submit([&] {
    executor->submit([&done] { done.count_down(); });
    done.count_down();
  });
  done.wait();
}

TEST(ThreadExecutor, TakesTasksThatOnlyMove) {
  auto value = std::make_unique<int>(7);
  std::atomic<int> seen = 0;
  auto executor = make_thread_executor(1);
  executor->submit([&seen, owned = std::move(value)] { seen = *owned; });
  executor.reset();
  EXPECT_EQ(seen, 7);
}

TEST(ThreadExecutor, ManyThreadsMaySubmit) {
  std::atomic<int> runs = 0;
  auto executor = make_thread_executor(2);
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) executor->submit([&runs] { ++runs; });
      });
    }
  }
  executor.reset();
  EXPECT_EQ(runs, 2000);
}

class DefaultExecutor : public testing::Test {
 protected:
  void TearDown() override { set_default_executor(nullptr); }
};

TEST_F(DefaultExecutor, IsOneForTheProcess) { EXPECT_EQ(default_executor(), default_executor()); }

// Two tasks that wait for each other: one thread would hang.
TEST_F(DefaultExecutor, HasTwoThreads) {
  std::latch together(2);
  std::latch done(2);
  for (int i = 0; i < 2; ++i) {
    default_executor()->submit([&] {
      together.arrive_and_wait();
      done.count_down();
    });
  }
  done.wait();
}

TEST_F(DefaultExecutor, CanBeReplacedAndPutBack) {
  const auto built_in = default_executor();
  const auto mine = std::make_shared<KeepingExecutor>();
  set_default_executor(mine);
  default_executor()->submit([] {});
  EXPECT_EQ(mine->kept(), 1U);
  set_default_executor(nullptr);
  EXPECT_EQ(default_executor(), built_in);
}

TEST_F(DefaultExecutor, MayBeReplacedWhileOthersUseIt) {
  std::atomic<int> runs = 0;
  {
    std::jthread user([&runs] {
      for (int i = 0; i < 1000; ++i) default_executor()->submit([&runs] { ++runs; });
    });
    for (int i = 0; i < 50; ++i) set_default_executor(make_thread_executor(1));
  }
  set_default_executor(nullptr);
  // Those replaced have joined; the built-in one may still be at work.
  while (runs != 1000) std::this_thread::yield();
}

}  // namespace
}  // namespace quire
