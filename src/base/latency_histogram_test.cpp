#include "quire/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace quire {
namespace {

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

LatencyHistogram::Snapshot snapshot_of(const std::vector<std::uint64_t>& values) {
  LatencyHistogram histogram;
  for (const std::uint64_t value : values) histogram.record(value);
  return histogram.snapshot();
}

// Values spread over all magnitudes, as latencies are.
std::vector<std::uint64_t> spread_values(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> values(count);
  for (std::uint64_t& value : values) value = random() >> (random() % 64);
  return values;
}

// What `percentile` is measured against: the smallest value with at least `percent` at or below it.
std::uint64_t exact_percentile(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const double wanted = std::ceil(percent / 100 * static_cast<double>(values.size()));
  const auto rank = std::max<std::size_t>(static_cast<std::size_t>(wanted), 1);
  return values[rank - 1];
}

void expect_close(std::uint64_t shown, std::uint64_t exact) {
  EXPECT_GE(shown, exact);
  EXPECT_LE(shown - exact, exact / 32) << "shown " << shown << " for " << exact;
}

TEST(LatencyHistogram, WithoutValuesIsAllZero) {
  const auto empty = LatencyHistogram().snapshot();
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.sum(), 0U);
  EXPECT_EQ(empty.max(), 0U);
  EXPECT_EQ(empty.percentile(50), 0U);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  for (std::uint64_t value = 0; value < 64; ++value) {
    // A larger value beside it, so that max() does not help.
    EXPECT_EQ(snapshot_of({value, 1000}).percentile(50), value);
  }
}

TEST(LatencyHistogram, IsWithinOne32ndOverAllMagnitudes) {
  for (unsigned exponent = 0; exponent < 64; ++exponent) {
    const std::uint64_t power = std::uint64_t{1} << exponent;
    for (const std::uint64_t value : {power - 1, power, power + 1, power + power / 3}) {
      expect_close(snapshot_of({value, kMax}).percentile(50), value);
    }
  }
}

TEST(LatencyHistogram, TakesTheLargestValue) {
  const auto largest = snapshot_of({kMax});
  EXPECT_EQ(largest.max(), kMax);
  EXPECT_EQ(largest.percentile(100), kMax);
}

TEST(LatencyHistogram, PercentilesFollowTheSortedValues) {
  const auto values = spread_values(5000, 1);
  const auto snapshot = snapshot_of(values);
  for (const double percent : {0.0, 0.01, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    expect_close(snapshot.percentile(percent), exact_percentile(values, percent));
  }
}

TEST(LatencyHistogram, NoPercentileIsAboveTheLargestValue) {
  const auto snapshot = snapshot_of({1'000'003});
  EXPECT_EQ(snapshot.percentile(0), 1'000'003U);
  EXPECT_EQ(snapshot.percentile(100), 1'000'003U);
}

TEST(LatencyHistogram, StrangePercentsAreTakenIntoTheRange) {
  const auto snapshot = snapshot_of({10, 20, 30});
  EXPECT_EQ(snapshot.percentile(-5), 10U);
  EXPECT_EQ(snapshot.percentile(1e300), 30U);
  EXPECT_EQ(snapshot.percentile(std::nan("")), 30U);
}

TEST(LatencyHistogram, CountsSumsAndKeepsTheLargest) {
  const auto snapshot = snapshot_of({100, 5, 2000, 5});
  EXPECT_EQ(snapshot.count(), 4U);
  EXPECT_EQ(snapshot.sum(), 2110U);
  EXPECT_EQ(snapshot.max(), 2000U);
}

TEST(LatencyHistogram, MergedIsAsIfRecordedInOne) {
  const auto some = spread_values(700, 2);
  const auto more = spread_values(300, 3);
  auto all = some;
  all.insert(all.end(), more.begin(), more.end());
  const auto one = snapshot_of(all);

  auto merged = snapshot_of(some);
  merged.merge(snapshot_of(more));

  EXPECT_EQ(merged.count(), one.count());
  EXPECT_EQ(merged.sum(), one.sum());
  EXPECT_EQ(merged.max(), one.max());
  for (const double percent : {0.0, 0.1, 5.0, 37.5, 50.0, 75.0, 99.0, 99.9, 100.0}) {
    EXPECT_EQ(merged.percentile(percent), one.percentile(percent));
  }
}

TEST(LatencyHistogram, ASnapshotDoesNotSeeLaterValues) {
  LatencyHistogram histogram;
  histogram.record(10);
  const auto before = histogram.snapshot();
  histogram.record(1000);
  EXPECT_EQ(before.count(), 1U);
  EXPECT_EQ(before.max(), 10U);
}

TEST(LatencyHistogram, NoValueIsLostBetweenThreads) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 20'000;
  LatencyHistogram histogram;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&histogram, thread] {
        for (std::uint64_t i = 1; i <= kEach; ++i) histogram.record(thread * kEach + i);
      });
    }
    for (int look = 0; look < 50; ++look) EXPECT_LE(histogram.snapshot().count(), kThreads * kEach);
  }
  const auto all = histogram.snapshot();
  constexpr std::uint64_t kTotal = kThreads * kEach;
  EXPECT_EQ(all.count(), kTotal);
  EXPECT_EQ(all.sum(), kTotal * (kTotal + 1) / 2);
  EXPECT_EQ(all.max(), kTotal);
}

}  // namespace
}  // namespace quire
