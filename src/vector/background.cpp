#include "vector/background.hpp"

#include <new>
#include <system_error>
#include <utility>

namespace quire::vector {

bool Background::request(Chores chores) {
  const base::MutexLock lock(mutex_);
  if (stopped_) return false;
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
      return false;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  due_ |= chores;
  wake_.notify_one();
  return true;
}

void Background::run() {
  while (true) {
    Chores chores = 0;
    {
      const base::MutexLock lock(mutex_);
      while (due_ == 0 && !stopped_) wake_.wait(mutex_);
      if (stopped_) return;
      chores = std::exchange(due_, 0);
    }
    work_(chores);
  }
}

void Background::stop() noexcept {
  std::thread thread;
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    thread = std::move(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

}  // namespace quire::vector
