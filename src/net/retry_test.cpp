#include "net/retry.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace quire::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Retry::Clock::time_point kBegin{};

TEST(RetryTest, StopsAfterSoManyTries) {
  Retry retry({.max_tries = 3}, 1);
  EXPECT_TRUE(retry.after_failure(kBegin));
  EXPECT_TRUE(retry.after_failure(kBegin));
  EXPECT_FALSE(retry.after_failure(kBegin));
  EXPECT_EQ(retry.failed_tries(), 3U);
  EXPECT_FALSE(Retry({.max_tries = 1}, 1).after_failure(kBegin));
}

TEST(RetryTest, TriesLessWhereItIsNotWorthMore) {
  Retry retry({.max_tries = 10}, 1);
  EXPECT_TRUE(retry.after_failure(kBegin, std::nullopt, 2));
  EXPECT_FALSE(retry.after_failure(kBegin, std::nullopt, 2));
}

TEST(RetryTest, CountsAnewAfterProgress) {
  Retry retry({.max_tries = 3}, 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(retry.after_failure(kBegin));
    EXPECT_TRUE(retry.after_failure(kBegin));
    retry.progressed();
  }
  EXPECT_EQ(retry.failed_tries(), 40U);
}

TEST(RetryTest, StopsAfterSoLong) {
  Retry retry({.max_tries = 100, .max_time = seconds(10)}, 1);
  EXPECT_TRUE(retry.after_failure(kBegin));
  EXPECT_TRUE(retry.after_failure(kBegin + seconds(9)));
  EXPECT_FALSE(retry.after_failure(kBegin + seconds(11)));
  retry.progressed();
  EXPECT_TRUE(retry.after_failure(kBegin + seconds(12)));
}

// Of many waits the longest comes near its limit, the shortest near 0, and the limit doubles up to the longest.
TEST(RetryTest, WaitsAnythingUpToADoublingLimit) {
  for (const unsigned failures : {1U, 2U, 5U, 40U}) {
    milliseconds shortest = seconds(1000);
    milliseconds longest{0};
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      Retry retry({.max_tries = 100, .first_wait = milliseconds(100), .longest_wait = seconds(10)},
                  seed);
      Retry::Clock::duration wait{};
      for (unsigned i = 0; i < failures; ++i) wait = *retry.after_failure(kBegin);
      shortest = std::min(shortest, std::chrono::duration_cast<milliseconds>(wait));
      longest = std::max(longest, std::chrono::duration_cast<milliseconds>(wait));
    }
    const milliseconds limit = std::min<milliseconds>(
        seconds(10), milliseconds(100) * (std::int64_t{1} << std::min(failures - 1, 20U)));
    EXPECT_LE(longest, limit) << failures;
    EXPECT_GE(longest, limit * 9 / 10) << failures;
    EXPECT_LE(shortest, limit / 10) << failures;
  }
}

TEST(RetryTest, ObeysTheServerUpToALimit) {
  const RetryOptions options{.first_wait = milliseconds(100), .longest_asked_wait = seconds(30)};
  const auto wait = Retry(options, 1).after_failure(kBegin, seconds(7));
  ASSERT_TRUE(wait);
  EXPECT_GE(*wait, seconds(7));
  EXPECT_LE(*wait, seconds(7) + milliseconds(100));
  EXPECT_FALSE(Retry(options, 1).after_failure(kBegin, seconds(31)));
  EXPECT_FALSE(Retry(options, 1).after_failure(kBegin, seconds::max()));
}

TEST(RetryTest, KnowsWhatPasses) {
  for (const int status : {408, 429, 500, 502, 503, 504, 599})
    EXPECT_TRUE(is_passing(status)) << status;
  for (const int status : {200, 206, 301, 400, 401, 403, 404, 412, 416, 501, 505}) {
    EXPECT_FALSE(is_passing(status)) << status;
  }
}

}  // namespace
}  // namespace quire::net
