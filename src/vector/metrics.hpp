// StoreMetrics: where an open store notes what it does, for VectorStore::metrics().
//
//     const Stopwatch put;
//     …
//     put.record_in(metrics.put);
//     metrics.batches.add();
//
// The public names and what they mean: quire/store_metrics.hpp.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "quire/latency_histogram.hpp"
#include "quire/store_metrics.hpp"

namespace quire::vector {

// A count that only grows. Thread-safe and lock-free.
class Counter {
 public:
  void add(std::uint64_t more = 1) noexcept { value_.fetch_add(more, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  // Relaxed: a count publishes nothing else.
  std::atomic<std::uint64_t> value_{0};
};

// Runs from its construction. Thread-compatible.
class Stopwatch {
 public:
  std::uint64_t nanoseconds() const noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin_).count());
  }
  void record_in(LatencyHistogram& histogram) const noexcept { histogram.record(nanoseconds()); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

// Thread-safe and lock-free. Views hold it too, for they outlive their store.
class StoreMetrics {
 public:
  LatencyHistogram put;
  LatencyHistogram find;  // by FindTimer
  LatencyHistogram sync;
  LatencyHistogram growth;
  LatencyHistogram checkpoint;
  LatencyHistogram compaction;
  LatencyHistogram compaction_pause;

  Counter batches;
  Counter puts;
  Counter removes;
  Counter rows_written;
  Counter log_bytes_written;
  Counter row_bytes_written;
  Counter slot_bytes_written;
  Counter checkpoints;
  Counter failed_checkpoints;
  Counter compactions;
  Counter failed_compactions;
  Counter bytes_reclaimed;
  Counter bytes_punched;
  Counter refreshes;

  // A sync of the log that made so many batches durable, 0 included.
  void log_synced(std::uint64_t batches_made_durable) noexcept {
    log_syncs_.add();
    if (batches_made_durable < 2) return;
    group_commits_.add();
    grouped_batches_.add(batches_made_durable);
  }
  // From any thread.
  void view_made() noexcept { views_made_.add(); }

  // `gauges` are the store's. Allocates nothing.
  [[nodiscard]] StoreMetricsSnapshot snapshot(StoreGauges gauges) const noexcept;

 private:
  Counter log_syncs_;
  Counter group_commits_;
  Counter grouped_batches_;
  Stopwatch uptime_;
  // Readers write these: away from what writers write.
  alignas(64) Counter views_made_;
};

// Finds of this thread so far, in whatever store; it may wrap.
inline constinit thread_local std::uint64_t finds_of_this_thread = 0;

// Times one find of 1,024 of a thread, from its construction to its destruction. The others pay for a
// count in the thread's own memory and two branches never taken, one or two nanoseconds; reading the clock
// twice would cost some 50 to 150, more than the find.
class FindTimer {
 public:
  explicit FindTimer(StoreMetrics& metrics) noexcept {
    if (++finds_of_this_thread % StoreMetricsSnapshot::kFindsPerSample == 0) [[unlikely]] {
      begin(metrics);
    }
  }
  ~FindTimer() {
    if (metrics_ != nullptr) [[unlikely]] {
      end();
    }
  }
  FindTimer(const FindTimer&) = delete;
  FindTimer& operator=(const FindTimer&) = delete;

 private:
  void begin(StoreMetrics& metrics) noexcept;
  void end() const noexcept;

  StoreMetrics* metrics_ = nullptr;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace quire::vector
