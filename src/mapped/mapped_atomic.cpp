#include "quire/mapped_atomic.hpp"

#include <algorithm>
#include <limits>
#include <thread>

#include "os/futex.hpp"

namespace quire::mapped {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kWithoutFutex{10};

std::uint32_t load(const std::uint32_t* word) noexcept { return Atomic(word).load(); }

// Where the kernel does not sleep on a word although it can be read.
void pause(const std::optional<Clock::time_point>& deadline) noexcept {
  const Clock::time_point soon = Clock::now() + kWithoutFutex;
  std::this_thread::sleep_until(deadline ? std::min(*deadline, soon) : soon);
}

}  // namespace

bool wait_while(const std::uint32_t* word, std::uint32_t value,
                const std::optional<Clock::time_point>& deadline,
                const std::stop_token& stop) noexcept {
  if (load(word) != value) return true;
  os::WaitInterrupt interrupt;
  const std::stop_callback on_stop(stop, [&interrupt]() noexcept { interrupt.raise(); });
  const os::WaitInterrupt* const may_end = stop.stop_possible() ? &interrupt : nullptr;

  while (true) {
    // A word that was cut off raises SIGBUS here, and not in the kernel.
    if (load(word) != value) return true;
    if (interrupt.raised()) return false;
    switch (os::wait_on_word(word, value, deadline, may_end)) {
      case os::WaitEnd::look_again:
        break;
      case os::WaitEnd::timed_out:
        return load(word) != value;
      case os::WaitEnd::refused:
        if (deadline && Clock::now() >= *deadline) return load(word) != value;
        pause(deadline);
        break;
    }
  }
}

void wake_one(const std::uint32_t* word) noexcept { os::wake_word(word, 1); }

void wake_all(const std::uint32_t* word) noexcept {
  os::wake_word(word, std::numeric_limits<int>::max());
}

}  // namespace quire::mapped
