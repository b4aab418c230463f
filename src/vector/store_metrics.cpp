#include "quire/store_metrics.hpp"

#include <algorithm>
#include <string_view>

#include "vector/metric_tables.hpp"

namespace quire {

namespace vector {
namespace {

// An object or its inside: puts the commas and quotes the names, which are plain letters.
class JsonObject {
 public:
  explicit JsonObject(std::string& text) : text_(text) { text_ += '{'; }
  ~JsonObject() { text_ += '}'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;

  std::string& name(std::string_view name) {
    if (!first_) text_ += ',';
    first_ = false;
    text_ += '"';
    text_ += name;
    text_ += "\":";
    return text_;
  }
  void add(std::string_view key, std::uint64_t value) { name(key) += std::to_string(value); }
  void add(std::string_view key, double value) { name(key) += shortest_decimal(value); }
  void add(std::string_view key, const std::optional<std::uint64_t>& value) {
    name(key) += value ? std::to_string(*value) : std::string("null");
  }

 private:
  std::string& text_;
  bool first_ = true;
};

void add_latency(std::string& text, const LatencyHistogram::Snapshot& latency) {
  JsonObject object(text);
  object.add("count", latency.count());
  object.add("sum", latency.sum());
  object.add("p50", latency.percentile(50));
  object.add("p99", latency.percentile(99));
  object.add("p999", latency.percentile(99.9));
  object.add("max", latency.max());
}

void add_gauges(std::string& text, const StoreGauges& gauges) {
  JsonObject object(text);
  for (const GaugeMetric& gauge : kGauges) object.add(gauge.name, gauges.*gauge.value);
  for (const OptionalGaugeMetric& gauge : kOptionalGauges) {
    object.add(gauge.name, gauges.*gauge.value);
  }
  object.add("fragmentation", gauges.fragmentation());
}

template <class T, class Choose>
std::optional<T> chosen(const std::optional<T>& a, const std::optional<T>& b, Choose choose) {
  if (!a || !b) return a ? a : b;
  return choose(*a, *b);
}

}  // namespace
}  // namespace vector

inline namespace v0 {

void StoreMetricsSnapshot::merge(const StoreMetricsSnapshot& other) {
  for (const auto& latency : vector::kLatencies) {
    (this->*latency.value).merge(other.*latency.value);
  }
  for (const auto& counter : vector::kCounters) this->*counter.value += other.*counter.value;
  const StoreGauges& others = other.gauges;
  gauges.rows += others.rows;
  gauges.dead_rows += others.dead_rows;
  gauges.lsn = std::max(gauges.lsn, others.lsn);
  gauges.checkpoint_lsn = std::max(gauges.checkpoint_lsn, others.checkpoint_lsn);
  gauges.log_bytes += others.log_bytes;
  gauges.bytes_on_disk += others.bytes_on_disk;
  gauges.live_views += others.live_views;
  gauges.oldest_view_lsn =
      vector::chosen(gauges.oldest_view_lsn, others.oldest_view_lsn,
                     [](std::uint64_t a, std::uint64_t b) { return std::min(a, b); });
  if (gauges.index_bytes && others.index_bytes) {
    *gauges.index_bytes += *others.index_bytes;
  } else {
    gauges.index_bytes.reset();
  }
  uptime_ns = std::max(uptime_ns, other.uptime_ns);
}

std::string to_json(const StoreMetricsSnapshot& metrics) {
  std::string text;
  {
    vector::JsonObject object(text);
    object.add("uptime_ns", metrics.uptime_ns);
    object.add("finds_per_sample", StoreMetricsSnapshot::kFindsPerSample);
    object.name("latencies_ns");
    {
      vector::JsonObject latencies(text);
      for (const auto& latency : vector::kLatencies) {
        vector::add_latency(latencies.name(latency.name), metrics.*latency.value);
      }
    }
    object.name("counters");
    {
      vector::JsonObject counters(text);
      for (const auto& counter : vector::kCounters) {
        counters.add(counter.name, metrics.*counter.value);
      }
    }
    vector::add_gauges(object.name("gauges"), metrics.gauges);
  }
  return text;
}

}  // namespace v0
}  // namespace quire
