#include "net/retry.hpp"

#include <algorithm>

namespace quire::net {

std::optional<Retry::Clock::duration> Retry::after_failure(
    Clock::time_point now, std::optional<std::chrono::seconds> asked, unsigned most_tries) {
  if (failures_ == 0) first_failure_ = now;
  ++failures_;
  ++failed_tries_;
  if (failures_ >= options_.max_tries || (most_tries > 0 && failures_ >= most_tries)) {
    return std::nullopt;
  }
  // In seconds: a server may ask for more than there are milliseconds.
  if (asked && asked->count() > options_.longest_asked_wait.count() / 1000) return std::nullopt;

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
