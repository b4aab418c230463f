// Background: one thread of a store, for work that no writer should wait for. It starts with the first request.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "base/mutex.hpp"

namespace quire::vector {

// What there is to do; bits, so that requests that wait are one.
enum class Chore : std::uint32_t {
  none = 0,
  refill_spares = 1,
  checkpoint = 2,
  compact = 4,
  publish_metrics = 8
};
constexpr Chore operator|(Chore a, Chore b) noexcept {
  return static_cast<Chore>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool includes(Chore all, Chore one) noexcept {
  return (static_cast<std::uint32_t>(all) & static_cast<std::uint32_t>(one)) != 0;
}

// Thread-safe.
class Background {
 public:
  // `work` does what it is given; it must not throw. It must not call stop.
  explicit Background(std::function<void(Chore)> work) : work_(std::move(work)) {}
  ~Background() { stop(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Returns at once; false if no thread can be had or it was stopped: then nothing will be done.
  [[nodiscard]] bool request(Chore chores) QUIRE_EXCLUDES(mutex_);
  // Waits for what is being done, drops what is not begun, and takes no more.
  void stop() noexcept QUIRE_EXCLUDES(mutex_);

 private:
  void run() QUIRE_EXCLUDES(mutex_);

  const std::function<void(Chore)> work_;
  base::Mutex mutex_;
  base::Condition wake_;
  Chore due_ QUIRE_GUARDED_BY(mutex_) = Chore::none;
  bool stopped_ QUIRE_GUARDED_BY(mutex_) = false;
  std::thread thread_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::vector
