#include "net/retry.hpp"

#include <algorithm>

namespace quire::net {

std::optional<Retry::Clock::duration> Retry::after_failure(
    Clock::time_point now, std::optional<std::chrono::seconds> asked) {
  if (failures_ == 0) first_failure_ = now;
  ++failures_;
  ++failed_tries_;
  if (failures_ >= options_.max_tries) return std::nullopt;
  if (asked && *asked > options_.longest_asked_wait) return std::nullopt;

  const auto longest = std::min<std::chrono::milliseconds>(
      options_.longest_wait,
      options_.first_wait * (std::int64_t{1} << std::min(failures_ - 1, 20U)));
  std::chrono::milliseconds wait(
      std::uniform_int_distribution<std::int64_t>(0, longest.count())(random_));
  if (asked) wait += *asked;
  if (now + wait - first_failure_ > options_.max_time) return std::nullopt;
  return wait;
}

}  // namespace quire::net
