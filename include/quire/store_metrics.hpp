// What a vector store did since it was opened, and how fast: latencies, counters, gauges.
//
// VectorStore::info() says what the store is and how full; VectorStore::metrics() is for watching it work.
//
//     const auto metrics = store.metrics().value();
//     metrics.put.percentile(99);                                       // nanoseconds
//     reply(quire::to_prometheus(metrics, {{"store", "embeddings"}}));  // text for a scrape
//
// From beside the store, of a writer in any process: published_metrics().
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/latency_histogram.hpp"

namespace quire {
inline namespace v0 {

// The store at the moment of the snapshot.
struct StoreGauges {
  std::uint64_t rows = 0;       // live ids
  std::uint64_t dead_rows = 0;  // rows that hold nothing live: what a compaction would give back
  std::uint64_t lsn = 0;        // number of the last batch
  std::uint64_t checkpoint_lsn = 0;  // the last batch in the checkpoint
  std::uint64_t log_bytes = 0;       // what an open after a crash would replay
  std::uint64_t bytes_on_disk = 0;   // allocated, all files of the store
  std::uint64_t live_views = 0;
  std::optional<std::uint64_t> oldest_view_lsn =
      std::nullopt;  // nothing: no view lives, or it is not known
  std::optional<std::uint64_t> index_bytes = std::nullopt;  // of memory; nothing: not known

  // Dead rows over all rows; 0 without rows.
  double fragmentation() const noexcept {
    const std::uint64_t all = rows + dead_rows;
    return all == 0 ? 0.0 : static_cast<double>(dead_rows) / static_cast<double>(all);
  }
};

// About 110 KiB, nearly all of it histograms. Thread-compatible.
//
// Everything is counted from the opening of the store. Each figure is right by itself; figures that
// change together may be from a moment before and a moment after.
struct StoreMetricsSnapshot {
  // Of so many finds of a thread one is timed: timing each would take longer than the find.
  static constexpr std::uint64_t kFindsPerSample = 1024;

  // Latencies, of what succeeded.
  LatencyHistogram::Snapshot put;         // any write call, from the call to its acknowledgement
  LatencyHistogram::Snapshot find;        // in a view, by id; sampled, see above
  LatencyHistogram::Snapshot sync;        // of the log or the rows to the disk
  LatencyHistogram::Snapshot growth;      // of the rows file, and of mapping what was added
  LatencyHistogram::Snapshot checkpoint;  // whole
  LatencyHistogram::Snapshot compaction;  // whole, most of it beside readers and writers
  LatencyHistogram::Snapshot compaction_pause;  // the part of it in which writers waited

  // Counters.
  std::uint64_t batches = 0;
  std::uint64_t puts = 0;
  std::uint64_t removes = 0;
  std::uint64_t rows_written =
      0;  // copies to the rows file: those of puts, recovery and compaction
  std::uint64_t log_bytes_written = 0;
  std::uint64_t row_bytes_written = 0;
  std::uint64_t slot_bytes_written = 0;
  std::uint64_t log_syncs = 0;
  std::uint64_t group_commits = 0;    // log syncs that made more than one batch durable
  std::uint64_t grouped_batches = 0;  // the batches in those
  std::uint64_t checkpoints = 0;
  std::uint64_t failed_checkpoints = 0;
  std::uint64_t compactions = 0;
  std::uint64_t failed_compactions = 0;
  std::uint64_t bytes_reclaimed = 0;  // by compactions
  std::uint64_t bytes_punched = 0;    // given back to the file system without one
  std::uint64_t refreshes = 0;        // of a reader, to what the writer published since
  std::uint64_t views_made = 0;
  // Times that a reader waited for a lock of Quire. Always 0, because readers take none: it is here so
  // that an alert can hold the library to it, and a change that made readers wait would count here.
  std::uint64_t reader_stalls = 0;

  StoreGauges gauges;
  std::uint64_t uptime_ns = 0;  // since the opening; two snapshots and this give rates

  // Adds another store's, or another handle's: histograms and counters add up, and so do the gauges but
  // for these: the LSNs are the larger ones, the oldest view's the smaller one, the uptime the longer one.
  // A memory size that one of both does not know is not known of both.
  QUIRE_EXPORT void merge(const StoreMetricsSnapshot& other);
};

// One label of the Prometheus text: name="value". Of the name, letters that Prometheus forbids become
// "_"; the value may be anything, and is escaped. `quantile` is taken.
struct MetricLabel {
  std::string name;
  std::string value;
};

// Snapshots for one scrape, each with labels that tell it from the others.
struct LabelledMetrics {
  const StoreMetricsSnapshot* metrics = nullptr;
  std::vector<MetricLabel> labels;
};

// The text format of Prometheus, version 0.0.4. Names begin with quire_store_; times are in seconds:
// each histogram is a summary with the quantiles 0.5, 0.99 and 0.999, and a gauge _max. What is not known
// is left out.
[[nodiscard]] QUIRE_EXPORT std::string to_prometheus(const StoreMetricsSnapshot& metrics,
                                                     std::vector<MetricLabel> labels = {});
// The same for more than one store: a scrape names each metric once, so texts cannot be put together.
[[nodiscard]] QUIRE_EXPORT std::string to_prometheus(std::span<const LabelledMetrics> stores);

// One JSON object, without a line's end:
//   {"uptime_ns", "finds_per_sample",
//    "latencies_ns": {"put": {"count", "sum", "p50", "p99", "p999", "max"}, …},
//    "counters": {"batches", …}, "gauges": {"rows", …}}
// under the names of the members above, and "fragmentation" among the gauges. All numbers are whole but
// that one; what is not known is null.
[[nodiscard]] QUIRE_EXPORT std::string to_json(const StoreMetricsSnapshot& metrics);

// What the writer of a store tells others.
struct PublishedMetrics {
  bool has_writer = false;          // somebody has the store open for writing
  std::optional<std::string> json;  // to_json of that writer, if it publishes; some time old
};

// Looks at the store in `directory` from beside: takes no lock, opens nothing but the lock file, and costs
// some microseconds. Errors: not_found (no store there); corrupt, truncated, format_version (its MANIFEST);
// permission, io.
[[nodiscard]] QUIRE_EXPORT Result<PublishedMetrics> published_metrics(
    const std::filesystem::path& directory);

}  // namespace v0
}  // namespace quire
