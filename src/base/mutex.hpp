// Mutex and MutexLock: std::mutex with the annotations that Clang's -Wthread-safety needs
// (libstdc++'s has none).
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/annotations.hpp"

namespace quire::base {

// Thread-safe.
class QUIRE_CAPABILITY("mutex") Mutex {
 public:
  void lock() QUIRE_ACQUIRE() { mutex_.lock(); }
  void unlock() QUIRE_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds a Mutex for a scope.
class QUIRE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) QUIRE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() QUIRE_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with a Mutex held. Thread-safe.
class Condition {
 public:
  // Releases `mutex`, waits for a notification (or nothing), takes `mutex` again.
  void wait(Mutex& mutex) QUIRE_REQUIRES(mutex) { condition_.wait(mutex); }
  // The same until `time` at the latest. False if the time came first.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point time) QUIRE_REQUIRES(mutex) {
    return condition_.wait_until(mutex, time) == std::cv_status::no_timeout;
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace quire::base
