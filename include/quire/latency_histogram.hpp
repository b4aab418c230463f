// LatencyHistogram: how long operations took, as percentiles.
//
// Values are nanoseconds in 1,920 buckets, 32 to each power of two (the idea of HdrHistogram by Gil
// Tene): a percentile is at most 3.2 % above the true value, over the whole range of 64 bits, in 15 KiB.
//
//     quire::LatencyHistogram latency;
//     latency.record(elapsed_ns);                       // from any thread
//     auto s = latency.snapshot();
//     s.percentile(99.0);                               // nanoseconds
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// Thread-safe and lock-free.
class QUIRE_EXPORT LatencyHistogram {
 public:
  // 32 exact buckets for 0 to 31, then 32 for each power of two up to 2^64.
  static constexpr std::size_t kBuckets = 32 + 59 * 32;

  // A copy of the counts at one moment (each count by itself: values recorded meanwhile may be in or
  // out). Thread-compatible.
  class QUIRE_EXPORT Snapshot {
   public:
    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t sum() const noexcept { return sum_; }
    // The largest value recorded, exactly; 0 if none was.
    std::uint64_t max() const noexcept { return max_; }
    // The smallest bucket end such that at least `percent` of all values are at or below it, never
    // above max(); 0 if nothing was recorded. `percent` is taken into [0, 100].
    std::uint64_t percentile(double percent) const noexcept;
    // Adds the counts of `other`.
    void merge(const Snapshot& other) noexcept;

   private:
    friend class LatencyHistogram;
    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
  };

  void record(std::uint64_t nanoseconds) noexcept;
  Snapshot snapshot() const noexcept;

 private:
  // Relaxed everywhere: the counts publish nothing else, and a snapshot promises no more than each
  // count by itself.
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace v0
}  // namespace quire
