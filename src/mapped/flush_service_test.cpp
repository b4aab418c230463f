#include "mapped/flush_service.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "quire/executor.hpp"

namespace quire::mapped {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Waits for something that must happen; false if it does not for very long.
template <class Happened>
[[nodiscard]] bool comes(Happened happened) {
  const auto limit = Clock::now() + 60s;
  while (!happened()) {
    if (Clock::now() > limit) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

class File final : public Flushable {
 public:
  explicit File(std::function<void(File&)> on_flush = {}) : on_flush_(std::move(on_flush)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() override {
    if (closes_with_ != nullptr) closes_with_->cancel(*this);
  }

  // Its destructor cancels, as that of a mapped file does.
  void cancels_when_destroyed(FlushService& service) { closes_with_ = &service; }

  void flush_because_due() noexcept override {
    EXPECT_FALSE(flushing_.exchange(true)) << "flushed by two tasks at once";
    if (on_flush_) on_flush_(*this);
    flushing_ = false;
    ++flushes_;
  }

  int flushes() const { return flushes_; }
  bool flushing() const { return flushing_; }

 private:
  const std::function<void(File&)> on_flush_;
  FlushService* closes_with_ = nullptr;
  std::atomic<bool> flushing_ = false;
  std::atomic<int> flushes_ = 0;
};

// Keeps its tasks until told to run them, and can hold up the thread that submits.
class HoldingExecutor final : public Executor {
 public:
  void submit(Task task) override {
    std::unique_lock lock(mutex_);
    held_.push_back(std::move(task));
    opened_.wait(lock, [this] { return open_; });
  }

  void shut() { set_open(false); }
  void open() { set_open(true); }

  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }

  bool run_next() {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      if (held_.empty()) return false;
      task = std::move(held_.front());
      held_.pop_front();
    }
    task();
    return true;
  }

  void run_all() {
    while (run_next()) continue;
  }

 private:
  void set_open(bool open) {
    {
      const std::lock_guard lock(mutex_);
      open_ = open;
    }
    opened_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable opened_;
  std::deque<Task> held_;
  bool open_ = true;
};

// Refuses the first tasks.
class RefusingExecutor final : public Executor {
 public:
  explicit RefusingExecutor(int refusals) : refusals_(refusals) {}

  void submit(Task task) override {
    if (refusals_-- > 0) throw std::runtime_error("full");
    pool_->submit(std::move(task));
  }

 private:
  std::atomic<int> refusals_;
  const std::shared_ptr<Executor> pool_ = make_thread_executor(1);
};

std::set<std::string> threads() {
  std::set<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    ids.insert(entry.path().filename().string());
  }
  return ids;
}

std::set<std::string> threads_since(const std::set<std::string>& before) {
  auto ids = threads();
  std::erase_if(ids, [&](const std::string& id) { return before.contains(id); });
  return ids;
}

// A line of /proc/self/task/<thread>/status without its name.
std::string status_of(const std::string& thread, const std::string& name) {
  std::ifstream status("/proc/self/task/" + thread + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

// A service of its own whose flushes run on two threads, or wait for `executor_.run_next()`.
class FlushServiceTest : public testing::Test {
 protected:
  FlushServiceTest() { set_default_executor(make_thread_executor(2)); }
  FlushServiceTest(const FlushServiceTest&) = delete;
  FlushServiceTest& operator=(const FlushServiceTest&) = delete;
  ~FlushServiceTest() override {
    executor_->open();
    service_.reset();
    executor_->run_all();
    set_default_executor(nullptr);
  }

  void hold_tasks() { set_default_executor(executor_); }

  // Keeps the timer thread busy with another file, so that what is scheduled is seen at once, later.
  void stop_the_clock() {
    hold_tasks();
    executor_->shut();
    schedule(clock_stopper_, past(0ms));
    ASSERT_TRUE(comes([this] { return executor_->held() == 1; }));
  }

  // Runs what was due while the clock stood.
  void start_the_clock(std::size_t due) {
    executor_->open();
    ASSERT_TRUE(comes([&] { return executor_->held() == 1 + due; }));
    executor_->run_all();
  }

  void schedule(const std::shared_ptr<File>& file, FlushService::TimePoint due) {
    service_->schedule(file, due);
  }

  // Schedules it for now, and waits until its task is held.
  void schedule_and_hold(const std::shared_ptr<File>& file) {
    hold_tasks();
    const std::size_t before = executor_->held();
    schedule(file, Clock::now());
    ASSERT_TRUE(comes([&] { return executor_->held() == before + 1; }));
  }

  std::shared_ptr<File> named(char name) {
    return std::make_shared<File>([this, name](File&) { order_ += name; });
  }

  static FlushService::TimePoint past(Clock::duration since) { return start() - 1h + since; }
  static FlushService::TimePoint later() { return start() + 1h; }
  static FlushService::TimePoint start() {
    static const auto time = Clock::now();
    return time;
  }

  std::unique_ptr<FlushService> service_ = std::make_unique<FlushService>();
  const std::shared_ptr<HoldingExecutor> executor_ = std::make_shared<HoldingExecutor>();
  const std::shared_ptr<File> clock_stopper_ = std::make_shared<File>();
  std::string order_;  // of the named files, as they are flushed
};

TEST_F(FlushServiceTest, FlushesOnceNotBeforeItIsDue) {
  std::atomic<Clock::rep> when = 0;
  const auto file =
      std::make_shared<File>([&](File&) { when = Clock::now().time_since_epoch().count(); });
  const auto due = Clock::now() + 5ms;
  schedule(file, due);
  ASSERT_TRUE(comes([&] { return file->flushes() > 0; }));
  EXPECT_GE(when, due.time_since_epoch().count());
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(file->flushes(), 1);
}

TEST_F(FlushServiceTest, FlushesInTheOrderOfTime) {
  const auto a = named('a'), b = named('b'), c = named('c'), d = named('d');
  stop_the_clock();
  schedule(c, past(3ms));
  schedule(a, past(1ms));
  schedule(d, past(3ms));
  schedule(b, past(2ms));
  start_the_clock(4);
  EXPECT_EQ(order_, "abcd");
}

TEST_F(FlushServiceTest, AnEarlierTimeWakesTheThread) {
  const auto far = std::make_shared<File>(), near = std::make_shared<File>();
  schedule(far, later());
  std::this_thread::sleep_for(20ms);  // asleep until then
  schedule(near, Clock::now() + 5ms);
  EXPECT_TRUE(comes([&] { return near->flushes() == 1; }));
  EXPECT_EQ(far->flushes(), 0);
}

TEST_F(FlushServiceTest, TheEarlierTimeCounts) {
  const auto a = named('a'), b = named('b'), c = named('c');
  stop_the_clock();
  schedule(a, past(1ms));
  schedule(b, past(2ms));
  schedule(c, past(3ms));
  schedule(a, past(4ms));
  schedule(c, past(0ms));
  start_the_clock(3);
  EXPECT_EQ(order_, "cab");
}

TEST_F(FlushServiceTest, SchedulingOneThatIsSubmittedNeitherDelaysNorRepeatsIt) {
  const auto file = std::make_shared<File>();
  schedule_and_hold(file);
  schedule(file, later());
  schedule(file, past(0ms));
  executor_->run_next();
  EXPECT_EQ(file->flushes(), 1);
  schedule_and_hold(clock_stopper_);  // due after it
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 1);
}

TEST_F(FlushServiceTest, OneThatIsScheduledWhileItRunsIsFlushedAgainAfterwards) {
  std::latch begun(1), may_end(1);
  const auto file = std::make_shared<File>([&](File& self) {
    if (self.flushes() > 0) return;
    begun.count_down();
    may_end.wait();
  });
  schedule(file, Clock::now());
  begun.wait();
  schedule(file, later());
  schedule(file, Clock::now());
  std::this_thread::sleep_for(20ms);  // a second task would now run beside the first
  EXPECT_EQ(file->flushes(), 0);
  may_end.count_down();
  EXPECT_TRUE(comes([&] { return file->flushes() == 2; }));
}

TEST_F(FlushServiceTest, AFlushMaySchedule) {
  const std::shared_ptr<File> file = std::make_shared<File>([&](File& self) {
    if (self.flushes() < 4) schedule(file, Clock::now());
  });
  schedule(file, Clock::now());
  EXPECT_TRUE(comes([&] { return file->flushes() == 5; }));
  service_->cancel(*file);
  EXPECT_EQ(file.use_count(), 1);
}

TEST_F(FlushServiceTest, CancelBeforeItIsDue) {
  const auto a = named('a'), b = named('b');
  stop_the_clock();
  schedule(a, past(1ms));
  schedule(b, past(2ms));
  service_->cancel(*a);
  start_the_clock(1);
  EXPECT_EQ(order_, "b");
}

TEST_F(FlushServiceTest, CancelWhatWasNeverScheduled) {
  const auto file = std::make_shared<File>();
  service_->cancel(*file);
  EXPECT_EQ(file->flushes(), 0);
}

TEST_F(FlushServiceTest, CancelWhileItsTaskIsQueued) {
  const auto file = std::make_shared<File>();
  schedule_and_hold(file);
  service_->cancel(*file);
  EXPECT_EQ(file.use_count(), 1);
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 0);
}

TEST_F(FlushServiceTest, ScheduledAnewTheTaskFromBeforeStaysVoid) {
  const auto file = std::make_shared<File>();
  schedule_and_hold(file);
  service_->cancel(*file);
  schedule(file, later());
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 0) << "the old task";
  schedule_and_hold(file);
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 1);
}

TEST_F(FlushServiceTest, AQueuedTaskDoesNotKeepTheFileAlive) {
  auto file = std::make_shared<File>();
  schedule_and_hold(file);
  EXPECT_EQ(file.use_count(), 1);
  file.reset();
  executor_->run_all();
}

// What a deleter holds ends with the last weak_ptr.
TEST_F(FlushServiceTest, AfterCancelNothingRefersToTheFileNotEvenWeakly) {
  const auto token = std::make_shared<int>();
  std::shared_ptr<File> file(new File, [token](File* raw) { delete raw; });
  schedule_and_hold(file);
  service_->cancel(*file);
  file.reset();
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(FlushServiceTest, CancelWaitsForAFlushThatRuns) {
  std::latch begun(1), may_end(1);
  const auto file = std::make_shared<File>([&](File&) {
    begun.count_down();
    may_end.wait();
  });
  schedule(file, Clock::now());
  begun.wait();
  schedule(file, Clock::now());
  std::jthread releaser([&] {
    std::this_thread::sleep_for(30ms);  // time for a cancel that does not wait to be seen
    may_end.count_down();
  });
  service_->cancel(*file);
  EXPECT_EQ(file->flushes(), 1);
  EXPECT_EQ(file.use_count(), 1);
}

TEST_F(FlushServiceTest, CancelFromInsideDoesNotWaitForItself) {
  const std::shared_ptr<File> file = std::make_shared<File>([&](File& self) {
    schedule(file, Clock::now());
    service_->cancel(self);
  });
  schedule_and_hold(file);
  executor_->run_all();
  schedule_and_hold(clock_stopper_);
  EXPECT_EQ(executor_->held(), 1U) << "the file was scheduled again";
  EXPECT_EQ(file->flushes(), 1);
}

TEST_F(FlushServiceTest, AfterCancelFromInsideItMayBeScheduledAgain) {
  const std::shared_ptr<File> file = std::make_shared<File>([&](File& self) {
    service_->cancel(self);
    if (self.flushes() == 0) schedule(file, Clock::now());
  });
  schedule(file, Clock::now());
  EXPECT_TRUE(comes([&] { return file->flushes() == 2; }));
}

TEST_F(FlushServiceTest, AFileDestroyedBeforeItIsDueIsNotFlushed) {
  std::atomic<int> flushes = 0;
  auto file = std::make_shared<File>([&](File&) { ++flushes; });
  const std::weak_ptr<File> watch = file;
  stop_the_clock();
  schedule(file, past(1ms));
  file.reset();
  EXPECT_TRUE(watch.expired());
  start_the_clock(1);
  EXPECT_EQ(flushes, 0);
}

// The service's weak_ptr is the last that keeps the deleter, and with it a file that cancels.
TEST_F(FlushServiceTest, WhatADeadFileKeptEndsOutsideTheLock) {
  const auto make_keeper = [&] {
    const auto kept = std::make_shared<File>();
    kept->cancels_when_destroyed(*service_);
    return std::shared_ptr<File>(new File, [kept](File* file) { delete file; });
  };
  schedule_and_hold(make_keeper());
  executor_->run_all();  // hangs if it ends under the lock
  schedule(make_keeper(), later());
  service_.reset();  // so does this
}

TEST_F(FlushServiceTest, TheLastOwnerMayGoWhileTheFlushRuns) {
  std::latch begun(1), may_end(1);
  auto file = std::make_shared<File>([&](File&) {
    begun.count_down();
    may_end.wait();
  });
  file->cancels_when_destroyed(*service_);
  const std::weak_ptr<File> watch = file;
  schedule(file, Clock::now());
  begun.wait();
  schedule(file, Clock::now());
  file.reset();
  EXPECT_FALSE(watch.expired());
  may_end.count_down();
  EXPECT_TRUE(comes([&] { return watch.expired(); }));
}

// Two files in one place, one after the other. Their owners do not free it.
class FlushServicePlaceTest : public FlushServiceTest {
 protected:
  std::shared_ptr<File> make_here() {
    return {new (place_.data()) File, [](File* file) { file->~File(); }};
  }

  alignas(File) std::array<std::byte, sizeof(File)> place_;
};

TEST_F(FlushServicePlaceTest, AFileDoesNotTakeOverTheTimeOfADeadOne) {
  auto dead = make_here();
  stop_the_clock();
  schedule(dead, past(1ms));
  dead.reset();
  const auto file = make_here();
  schedule(file, later());
  schedule(named('a'), past(2ms));
  start_the_clock(1);
  EXPECT_EQ(file->flushes(), 0);
}

TEST_F(FlushServicePlaceTest, AFileIsNotFlushedByTheTaskOfADeadOne) {
  auto dead = make_here();
  schedule_and_hold(dead);
  dead.reset();
  const auto file = make_here();
  schedule(file, later());
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 0);
  schedule_and_hold(file);
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 1);
}

TEST_F(FlushServiceTest, ASlowFlushDelaysNoOther) {
  std::latch begun(1), may_end(1);
  const auto slow = std::make_shared<File>([&](File&) {
    begun.count_down();
    may_end.wait();
  });
  const auto fast = std::make_shared<File>();
  schedule(slow, Clock::now());
  begun.wait();
  schedule(fast, Clock::now());
  EXPECT_TRUE(comes([&] { return fast->flushes() == 1; }));
  EXPECT_EQ(slow->flushes(), 0);
  may_end.count_down();
  service_->cancel(*slow);
}

TEST_F(FlushServiceTest, OneThreadServesAThousandFiles) {
  const auto before = threads();
  std::vector<std::shared_ptr<File>> files(1000);
  for (auto& file : files) schedule(file = std::make_shared<File>(), Clock::now() + 20ms);
  EXPECT_EQ(threads_since(before).size(), 1U);
  EXPECT_TRUE(comes([&] {
    return std::ranges::all_of(files, [](const auto& file) { return file->flushes() == 1; });
  }));
}

TEST_F(FlushServiceTest, HasNoThreadBeforeTheFirstFile) {
  const auto before = threads();
  const FlushService service;
  EXPECT_EQ(threads_since(before).size(), 0U);
}

TEST_F(FlushServiceTest, DoesNotWakeWhileNothingIsScheduled) {
  const auto before = threads();
  const auto file = std::make_shared<File>();
  schedule(file, Clock::now() + 5ms);
  const auto timer = threads_since(before);
  ASSERT_EQ(timer.size(), 1U);
  ASSERT_TRUE(comes([&] { return file->flushes() == 1; }));
  std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(comes([&] { return status_of(*timer.begin(), "State").starts_with("S"); }));
  const auto wakeups = service_->wakeups();
  const auto switches = status_of(*timer.begin(), "voluntary_ctxt_switches");
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(service_->wakeups(), wakeups);
  EXPECT_EQ(status_of(*timer.begin(), "voluntary_ctxt_switches"), switches);
}

TEST_F(FlushServiceTest, LaterTimesAndCancelsDoNotWakeTheThread) {
  const auto first = std::make_shared<File>(), second = std::make_shared<File>();
  schedule(first, later());
  std::this_thread::sleep_for(20ms);  // asleep until then
  const auto wakeups = service_->wakeups();
  for (int i = 0; i < 100; ++i) {
    schedule(second, later() + 1s);
    service_->cancel(*second);
  }
  service_->cancel(*first);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(service_->wakeups(), wakeups);
}

TEST_F(FlushServiceTest, UsesTheExecutorOfTheMoment) {
  const auto file = std::make_shared<File>();
  schedule(file, Clock::now());
  ASSERT_TRUE(comes([&] { return file->flushes() == 1; }));
  schedule_and_hold(file);
  EXPECT_EQ(file->flushes(), 1);
  executor_->run_all();
  EXPECT_EQ(file->flushes(), 2);
}

TEST_F(FlushServiceTest, AsksAnExecutorThatRefusesAgain) {
  set_default_executor(std::make_shared<RefusingExecutor>(2));
  const auto file = std::make_shared<File>();
  schedule(file, Clock::now());
  EXPECT_TRUE(comes([&] { return file->flushes() == 1; }));
}

TEST_F(FlushServiceTest, ATaskMayOutliveTheService) {
  const auto queued = std::make_shared<File>(), waiting = std::make_shared<File>();
  schedule_and_hold(queued);
  schedule(waiting, later());
  service_.reset();
  executor_->run_all();
  EXPECT_EQ(queued->flushes() + waiting->flushes(), 0);
}

TEST_F(FlushServiceTest, TheServiceEndsAfterTheFlushThatRuns) {
  std::latch begun(1);
  FlushService& service = *service_;
  const std::shared_ptr<File> file = std::make_shared<File>([&](File&) {
    begun.count_down();
    std::this_thread::sleep_for(20ms);
    service.schedule(file, Clock::now());  // comes to nothing
  });
  schedule(file, Clock::now());
  begun.wait();
  service_.reset();
  EXPECT_EQ(file->flushes(), 1);
  EXPECT_EQ(file.use_count(), 1);
}

TEST_F(FlushServiceTest, ThereIsOneOfTheProcess) {
  const auto file = std::make_shared<File>();
  FlushService::of_process().schedule(file, Clock::now());
  EXPECT_TRUE(comes([&] { return file->flushes() == 1; }));
  EXPECT_EQ(&FlushService::of_process(), &FlushService::of_process());
}

TEST_F(FlushServiceTest, AChildProcessFlushesNothingAndDoesNotHang) {
  schedule(clock_stopper_, later());
  std::this_thread::sleep_for(20ms);  // the timer thread sleeps, without the lock
  const pid_t child = ::fork();
  if (child == 0) {
    const auto file = std::make_shared<File>();
    schedule(file, Clock::now());
    std::this_thread::sleep_for(50ms);
    service_->cancel(*file);
    ::_exit(file->flushes() == 0 && file.use_count() == 1 ? 0 : 1);
  }
  int status = -1;
  EXPECT_TRUE(comes([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_EQ(status, 0);
}

TEST_F(FlushServiceTest, ManyThreadsScheduleAndCancelAtOnce) {
  std::vector<std::shared_ptr<File>> shared(4);
  for (auto& file : shared) file = std::make_shared<File>();
  const auto work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    for (int i = 0; i < 2000; ++i) {
      const auto& file = shared[random() % shared.size()];
      const auto own = std::make_shared<File>();
      schedule(own, Clock::now() + std::chrono::microseconds(random() % 200));
      schedule(file, Clock::now() + std::chrono::microseconds(random() % 200));
      if (random() % 3 == 0) service_->cancel(*file);
      if (random() % 4 == 0) std::this_thread::yield();
      service_->cancel(*own);
      EXPECT_FALSE(own->flushing());
      EXPECT_EQ(own.use_count(), 1);
    }
  };
  {
    std::vector<std::jthread> workers;
    workers.reserve(4);
    for (unsigned seed = 1; seed <= 4; ++seed) workers.emplace_back(work, seed);
  }
  for (const auto& file : shared) schedule(file, Clock::now());
  EXPECT_TRUE(comes([&] {
    return std::ranges::all_of(shared, [](const auto& file) { return file->flushes() > 0; });
  }));
}

TEST_F(FlushServiceTest, ManyFilesEndWhileTheyAreFlushed) {
  std::atomic<int> flushes = 0;
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) {
      auto file = std::make_shared<File>([&](File&) { ++flushes; });
      file->cancels_when_destroyed(*service_);
      schedule(file, Clock::now());
      if (i % 2 == 0) std::this_thread::yield();
    }
  };
  {
    std::vector<std::jthread> workers;
    workers.reserve(3);
    for (int i = 0; i < 3; ++i) workers.emplace_back(work);
  }
  service_.reset();  // after the last flush
  EXPECT_LE(flushes, 3000);
}

}  // namespace
}  // namespace quire::mapped
