// Background: one thread of a store, for work that no writer should wait for. It starts with the first request.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "base/mutex.hpp"

namespace quire::vector {

// What there is to do; bits, so that requests that wait are one.
using Chores = std::uint32_t;
inline constexpr Chores kRefillSpares = 1;
inline constexpr Chores kCheckpoint = 2;
inline constexpr Chores kCompact = 4;
inline constexpr Chores kPublishMetrics = 8;

// Thread-safe.
class Background {
 public:
  // `work` does what it is given; it must not throw. It must not call stop.
  explicit Background(std::function<void(Chores)> work) : work_(std::move(work)) {}
  ~Background() { stop(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Returns at once; false if no thread can be had or it was stopped: then nothing will be done.
  [[nodiscard]] bool request(Chores chores) QUIRE_EXCLUDES(mutex_);
  // Waits for what is being done, drops what is not begun, and takes no more.
  void stop() noexcept QUIRE_EXCLUDES(mutex_);

 private:
  void run() QUIRE_EXCLUDES(mutex_);

  const std::function<void(Chores)> work_;
  base::Mutex mutex_;
  base::Condition wake_;
  Chores due_ QUIRE_GUARDED_BY(mutex_) = 0;
  bool stopped_ QUIRE_GUARDED_BY(mutex_) = false;
  std::thread thread_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::vector
