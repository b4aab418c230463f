// When to try again what failed for a while, and when to stop.
//
// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): the
// n-th wait is anything up to first * 2^n, so that clients which failed together do not come back together.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

namespace quire::net {

struct RetryOptions {
  unsigned max_tries = 10;                      // in a row without progress; 1 never tries again
  std::chrono::milliseconds max_time{180'000};  // from the first failure in a row on
  std::chrono::milliseconds first_wait{100};
  std::chrono::milliseconds longest_wait{15'000};
  // What a server asks for is obeyed up to this; one that asks for more is not tried again.
  std::chrono::milliseconds longest_asked_wait{30'000};
};

// Of one piece of work. Single-thread.
class Retry {
 public:
  using Clock = std::chrono::steady_clock;

  Retry(const RetryOptions& options, std::uint64_t seed)
      : options_(options),
        random_(static_cast<std::minstd_rand::result_type>(seed * 0x9E3779B97F4A7C15U >> 33U)) {}

  // A try failed at `now`. How long to wait before the next; nothing if there shall be none. `asked` is what the
  // server said in Retry-After; `most_tries` in a row, if not 0, are worth it where that is fewer than the options allow.
  [[nodiscard]] std::optional<Clock::duration> after_failure(
      Clock::time_point now, std::optional<std::chrono::seconds> asked = std::nullopt,
      unsigned most_tries = 0);
  // Something came: the next failure is the first of its row.
  void progressed() noexcept { failures_ = 0; }

  // All tries that failed, for messages.
  unsigned failed_tries() const noexcept { return failed_tries_; }

 private:
  RetryOptions options_;
  std::minstd_rand random_;  // small: there may be many of these
  unsigned failures_ = 0;    // in a row
  unsigned failed_tries_ = 0;
  Clock::time_point first_failure_;
};

// True for statuses that another try may change: 408, 429, and 5xx but 501 and 505, which say that the server cannot.
[[nodiscard]] constexpr bool is_passing(int status) noexcept {
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

}  // namespace quire::net
