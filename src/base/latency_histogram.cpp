#include "quire/latency_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace quire {
inline namespace v0 {

namespace {

constexpr unsigned kSubBits = 5;
constexpr std::uint64_t kSubCount = 1U << kSubBits;

std::size_t bucket_of(std::uint64_t value) noexcept {
  if (value < kSubCount) return static_cast<std::size_t>(value);
  const unsigned exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
  const unsigned shift = exponent - kSubBits;
  const std::uint64_t sub = (value >> shift) & (kSubCount - 1);
  return static_cast<std::size_t>(kSubCount + shift * kSubCount + sub);
}

// The largest value that falls into `bucket`.
std::uint64_t bucket_end(std::size_t bucket) noexcept {
  if (bucket < kSubCount) return bucket;
  const std::uint64_t shift = bucket / kSubCount - 1;
  const std::uint64_t sub = bucket % kSubCount;
  const std::uint64_t first = (kSubCount + sub) << shift;
  return first + ((std::uint64_t{1} << shift) - 1);
}

}  // namespace

void LatencyHistogram::record(std::uint64_t nanoseconds) noexcept {
  counts_[bucket_of(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(nanoseconds, std::memory_order_relaxed);
  std::uint64_t seen = max_.load(std::memory_order_relaxed);
  while (seen < nanoseconds &&
         !max_.compare_exchange_weak(seen, nanoseconds, std::memory_order_relaxed)) {
  }
}

LatencyHistogram::Snapshot LatencyHistogram::snapshot() const noexcept {
  Snapshot copy;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    copy.counts_[i] = counts_[i].load(std::memory_order_relaxed);
    copy.count_ += copy.counts_[i];
  }
  copy.sum_ = sum_.load(std::memory_order_relaxed);
  copy.max_ = max_.load(std::memory_order_relaxed);
  return copy;
}

std::uint64_t LatencyHistogram::Snapshot::percentile(double percent) const noexcept {
  if (count_ == 0) return 0;
  const double clamped = std::isnan(percent) ? 100.0 : std::clamp(percent, 0.0, 100.0);
  const double wanted = std::ceil(clamped / 100.0 * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  std::uint64_t passed = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    passed += counts_[i];
    if (passed >= rank) return std::min(bucket_end(i), max_);
  }
  return max_;
}

void LatencyHistogram::Snapshot::merge(const Snapshot& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

}  // namespace v0
}  // namespace quire
