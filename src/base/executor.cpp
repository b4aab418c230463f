#include "quire/executor.hpp"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.hpp"

namespace quire {
inline namespace v0 {

namespace {

class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(std::size_t threads) {
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }

  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  ~ThreadExecutor() override {
    {
      const base::MutexLock lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void submit(Task task) override {
    {
      const base::MutexLock lock(mutex_);
      queue_.push_back(std::move(task));
    }
    ready_.notify_one();
  }

 private:
  void run() {
    while (true) {
      Task task;
      {
        const base::MutexLock lock(mutex_);
        while (queue_.empty() && !stopping_) ready_.wait(mutex_);
        if (queue_.empty()) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      task();
    }
  }

  base::Mutex mutex_;
  base::Condition ready_;
  std::deque<Task> queue_ QUIRE_GUARDED_BY(mutex_);
  bool stopping_ QUIRE_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

struct DefaultExecutor {
  base::Mutex mutex;
  std::shared_ptr<Executor> built_in QUIRE_GUARDED_BY(mutex);
  std::shared_ptr<Executor> chosen QUIRE_GUARDED_BY(mutex);
};

// Never destroyed: work may still be submitted while static objects go.
DefaultExecutor& default_state() {
  static auto* state = new DefaultExecutor;
  return *state;
}

}  // namespace

std::shared_ptr<Executor> make_thread_executor(std::size_t threads) {
  return std::make_shared<ThreadExecutor>(std::max<std::size_t>(threads, 1));
}

std::shared_ptr<Executor> default_executor() {
  DefaultExecutor& state = default_state();
  const base::MutexLock lock(state.mutex);
  if (state.chosen) return state.chosen;
  if (!state.built_in) state.built_in = make_thread_executor(2);
  return state.built_in;
}

void set_default_executor(std::shared_ptr<Executor> executor) {
  DefaultExecutor& state = default_state();
  const base::MutexLock lock(state.mutex);
  state.chosen.swap(executor);
}

}  // namespace v0
}  // namespace quire
