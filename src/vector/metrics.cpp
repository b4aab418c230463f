#include "vector/metrics.hpp"

namespace quire::vector {

StoreMetricsSnapshot StoreMetrics::snapshot(StoreGauges gauges) const noexcept {
  StoreMetricsSnapshot now;
  now.put = put.snapshot();
  now.find = find.snapshot();
  now.sync = sync.snapshot();
  now.growth = growth.snapshot();
  now.checkpoint = checkpoint.snapshot();
  now.compaction = compaction.snapshot();
  now.compaction_pause = compaction_pause.snapshot();
  now.batches = batches.value();
  now.puts = puts.value();
  now.removes = removes.value();
  now.rows_written = rows_written.value();
  now.log_bytes_written = log_bytes_written.value();
  now.row_bytes_written = row_bytes_written.value();
  now.slot_bytes_written = slot_bytes_written.value();
  now.log_syncs = log_syncs_.value();
  now.group_commits = group_commits_.value();
  now.grouped_batches = grouped_batches_.value();
  now.checkpoints = checkpoints.value();
  now.failed_checkpoints = failed_checkpoints.value();
  now.compactions = compactions.value();
  now.failed_compactions = failed_compactions.value();
  now.bytes_reclaimed = bytes_reclaimed.value();
  now.bytes_punched = bytes_punched.value();
  now.refreshes = refreshes.value();
  now.views_made = views_made_.value();
  now.gauges = gauges;
  now.uptime_ns = uptime_.nanoseconds();
  return now;
}

void FindTimer::begin(StoreMetrics& metrics) noexcept {
  metrics_ = &metrics;
  begin_ = std::chrono::steady_clock::now();
}

void FindTimer::end() const noexcept {
  const auto elapsed = std::chrono::steady_clock::now() - begin_;
  metrics_->find.record(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count()));
}

}  // namespace quire::vector
