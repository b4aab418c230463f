#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <limits>

#include "os/futex.hpp"

namespace quire::os {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

namespace {

constexpr std::chrono::milliseconds kWithoutWaitv{20};

// As in <linux/futex.h> from 5.16 on, which the machine that compiles may not have.
constexpr long kFutexWaitv = 449;  // the same on all machines but Alpha
constexpr std::uint32_t kSize32 = 2;
struct WaitvEntry {
  std::uint64_t expected;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};

timespec to_timespec(Clock::time_point when) noexcept {
  // The kernel refuses times before its clock began.
  const auto since = std::max(when.time_since_epoch(), Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  timespec time{};
  time.tv_sec = static_cast<std::time_t>(seconds.count());
  time.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - seconds).count());
  return time;
}

// Not FUTEX_WAIT, whose time is a length, and starts again after each signal.
// No FUTEX_PRIVATE_FLAG: the word is shared with other processes.
long wait_for_one(const std::uint32_t* word, std::uint32_t expected,
                  const timespec* until) noexcept {
  return ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, until, nullptr,
                   FUTEX_BITSET_MATCH_ANY);
}

long wait_for_two(const std::uint32_t* word, std::uint32_t expected, const std::uint32_t* interrupt,
                  const timespec* until) noexcept {
  const std::array<WaitvEntry, 2> entries{{
      {expected, reinterpret_cast<std::uintptr_t>(word), kSize32, 0},
      {0, reinterpret_cast<std::uintptr_t>(interrupt), kSize32 | FUTEX_PRIVATE_FLAG, 0},
  }};
  return ::syscall(kFutexWaitv, entries.data(), entries.size(), 0, until, CLOCK_MONOTONIC);
}

WaitEnd end_of(long result) noexcept {
  if (result >= 0) return WaitEnd::look_again;
  switch (errno) {
    case EAGAIN:  // the word is not as expected
    case EINTR:
      return WaitEnd::look_again;
    case ETIMEDOUT:
      return WaitEnd::timed_out;
    default:
      return WaitEnd::refused;
  }
}

}  // namespace

const std::uint32_t* WaitInterrupt::word() const noexcept {
  static_assert(sizeof(word_) == sizeof(std::uint32_t));
  return reinterpret_cast<const std::uint32_t*>(&word_);
}

void WaitInterrupt::raise() noexcept {
  word_.store(1);
  static_cast<void>(::syscall(SYS_futex, word(), FUTEX_WAKE_PRIVATE,
                              std::numeric_limits<int>::max(), nullptr, nullptr, 0));
}

WaitEnd wait_on_word(const std::uint32_t* word, std::uint32_t expected,
                     std::optional<Clock::time_point> deadline,
                     const WaitInterrupt* interrupt) noexcept {
  const timespec until = to_timespec(deadline.value_or(Clock::time_point::max()));
  const timespec* const end = deadline ? &until : nullptr;
  if (interrupt == nullptr) return end_of(wait_for_one(word, expected, end));

  const long result = wait_for_two(word, expected, interrupt->word(), end);
  // Some containers forbid the calls that they do not know, instead of saying that they are not
  // there.
  const bool unknown = result < 0 && (errno == ENOSYS || errno == EPERM);
  if (!unknown) return end_of(result);

  const Clock::time_point soon = Clock::now() + kWithoutWaitv;
  if (deadline && *deadline <= soon) return end_of(wait_for_one(word, expected, end));
  const timespec until_soon = to_timespec(soon);
  const WaitEnd slept = end_of(wait_for_one(word, expected, &until_soon));
  return slept == WaitEnd::timed_out ? WaitEnd::look_again : slept;
}

void wake_word(const std::uint32_t* word, int count) noexcept {
  static_cast<void>(::syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0));
}

}  // namespace quire::os
