// The figures of a StoreMetricsSnapshot by name: what every text made of one goes through.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "quire/store_metrics.hpp"

namespace quire::vector {

struct LatencyMetric {
  const char* name;
  const char* help;
  LatencyHistogram::Snapshot StoreMetricsSnapshot::* value;
};

struct CounterMetric {
  const char* name;
  const char* help;
  std::uint64_t StoreMetricsSnapshot::* value;
};

struct GaugeMetric {
  const char* name;
  const char* help;
  std::uint64_t StoreGauges::* value;
};

struct OptionalGaugeMetric {
  const char* name;
  const char* help;
  std::optional<std::uint64_t> StoreGauges::* value;
};

using Metrics = StoreMetricsSnapshot;

inline constexpr std::array kLatencies = {
    LatencyMetric{"put", "Time of a write call, from the call to its acknowledgement.",
                  &Metrics::put},
    LatencyMetric{"find", "Time of a find in a view; one of 1024 is timed.", &Metrics::find},
    LatencyMetric{"sync", "Time of a sync to the disk.", &Metrics::sync},
    LatencyMetric{"growth", "Time of making the rows file longer.", &Metrics::growth},
    LatencyMetric{"checkpoint", "Time of a checkpoint.", &Metrics::checkpoint},
    LatencyMetric{"compaction", "Time of a compaction, most of it beside readers and writers.",
                  &Metrics::compaction},
    LatencyMetric{"compaction_pause", "Time that writers waited for a compaction.",
                  &Metrics::compaction_pause},
};

inline constexpr std::array kCounters = {
    CounterMetric{"batches", "Batches committed.", &Metrics::batches},
    CounterMetric{"puts", "Puts in batches committed.", &Metrics::puts},
    CounterMetric{"removes", "Removes in batches committed.", &Metrics::removes},
    CounterMetric{"rows_written", "Rows written to the rows file.", &Metrics::rows_written},
    CounterMetric{"log_bytes_written", "Bytes written to logs.", &Metrics::log_bytes_written},
    CounterMetric{"row_bytes_written", "Bytes written to rows files.", &Metrics::row_bytes_written},
    CounterMetric{"slot_bytes_written", "Bytes written to slots files.",
                  &Metrics::slot_bytes_written},
    CounterMetric{"log_syncs", "Syncs of a log.", &Metrics::log_syncs},
    CounterMetric{"group_commits", "Log syncs that made more than one batch durable.",
                  &Metrics::group_commits},
    CounterMetric{"grouped_batches", "Batches made durable by group commits.",
                  &Metrics::grouped_batches},
    CounterMetric{"checkpoints", "Checkpoints done.", &Metrics::checkpoints},
    CounterMetric{"failed_checkpoints", "Checkpoints that failed.", &Metrics::failed_checkpoints},
    CounterMetric{"compactions", "Compactions done.", &Metrics::compactions},
    CounterMetric{"failed_compactions", "Compactions that failed.", &Metrics::failed_compactions},
    CounterMetric{"bytes_reclaimed", "Bytes that compactions gave back.",
                  &Metrics::bytes_reclaimed},
    CounterMetric{"bytes_punched", "Bytes of dead rows given back without a compaction.",
                  &Metrics::bytes_punched},
    CounterMetric{"refreshes", "Refreshes of a reader.", &Metrics::refreshes},
    CounterMetric{"views_made", "Views made.", &Metrics::views_made},
    CounterMetric{"reader_stalls", "Times that a reader waited for a lock; always 0.",
                  &Metrics::reader_stalls},
};

inline constexpr std::array kGauges = {
    GaugeMetric{"rows", "Live ids.", &StoreGauges::rows},
    GaugeMetric{"dead_rows", "Rows that hold nothing live.", &StoreGauges::dead_rows},
    GaugeMetric{"lsn", "Number of the last batch.", &StoreGauges::lsn},
    GaugeMetric{"checkpoint_lsn", "The last batch in the checkpoint.",
                &StoreGauges::checkpoint_lsn},
    GaugeMetric{"log_bytes", "Bytes of log to replay after a crash.", &StoreGauges::log_bytes},
    GaugeMetric{"bytes_on_disk", "Bytes allocated by the files of the store.",
                &StoreGauges::bytes_on_disk},
    GaugeMetric{"live_views", "Views that live.", &StoreGauges::live_views},
};

inline constexpr std::array kOptionalGauges = {
    OptionalGaugeMetric{"oldest_view_lsn", "The last batch that the oldest view shows.",
                        &StoreGauges::oldest_view_lsn},
    OptionalGaugeMetric{"index_bytes", "Bytes of memory that the index takes.",
                        &StoreGauges::index_bytes},
};

inline constexpr const char* kFragmentationHelp = "Dead rows over all rows.";

// The fewest digits that tell the number from every other, in any locale as in "C".
inline std::string shortest_decimal(double number) {
  std::array<char, 32> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr};
}

}  // namespace quire::vector
