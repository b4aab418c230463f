// The text format of Prometheus, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
#include <string>
#include <string_view>
#include <utility>

#include "vector/metric_tables.hpp"

namespace quire {

namespace vector {
namespace {

constexpr std::string_view kPrefix = "quire_store_";

bool is_letter_of_a_name(char letter, bool first) {
  const bool word =
      (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
  return word || (!first && letter >= '0' && letter <= '9');
}

// name="value", with commas between.
std::string written(std::span<const MetricLabel> labels) {
  std::string text;
  for (const MetricLabel& label : labels) {
    if (!text.empty()) text += ',';
    if (label.name.empty()) text += '_';
    for (std::size_t i = 0; i < label.name.size(); ++i) {
      text += is_letter_of_a_name(label.name[i], i == 0) ? label.name[i] : '_';
    }
    text += "=\"";
    for (const char letter : label.value) {
      if (letter == '\n') {
        text += "\\n";
        continue;
      }
      if (letter == '"' || letter == '\\') text += '\\';
      text += letter;
    }
    text += '"';
  }
  return text;
}

// Exact, and without an exponent.
std::string in_seconds(std::uint64_t nanoseconds) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string text = std::to_string(nanoseconds / kSecond);
  if (const std::uint64_t rest = nanoseconds % kSecond; rest != 0) {
    const std::string digits = std::to_string(kSecond + rest);  // a 1, then nine digits
    text += '.';
    text.append(digits, 1, digits.find_last_not_of('0'));
  }
  return text;
}

class Exposition {
 public:
  explicit Exposition(std::span<const LabelledMetrics> stores) : stores_(stores) {
    for (const LabelledMetrics& store : stores) labels_.push_back(written(store.labels));
  }

  void add_latency(const LatencyMetric& latency) {
    const std::string name = std::string(latency.name) + "_seconds";
    begin(name, "summary", latency.help);
    for (std::size_t i = 0; i < stores_.size(); ++i) {
      const LatencyHistogram::Snapshot& times = stores_[i].metrics->*latency.value;
      for (const auto& [quantile, percent] : kQuantiles) {
        const std::string label = std::string("quantile=\"") + quantile + "\"";
        const bool none = times.count() == 0;
        sample(name, i, none ? "NaN" : in_seconds(times.percentile(percent)), label);
      }
      sample(name + "_sum", i, in_seconds(times.sum()));
      sample(name + "_count", i, std::to_string(times.count()));
    }
    begin(name + "_max", "gauge", "The longest of them since the store was opened.");
    for (std::size_t i = 0; i < stores_.size(); ++i) {
      sample(name + "_max", i, in_seconds((stores_[i].metrics->*latency.value).max()));
    }
  }

  // `value` gives the text of a store's value, or nothing if it has none.
  template <class Value>
  void add(const std::string& name, std::string_view type, std::string_view help, Value value) {
    begin(name, type, help);
    for (std::size_t i = 0; i < stores_.size(); ++i) {
      if (const std::optional<std::string> text = value(*stores_[i].metrics)) {
        sample(name, i, *text);
      }
    }
  }

  std::string take() { return std::move(text_); }

 private:
  struct Quantile {
    const char* name;
    double percent;
  };
  static constexpr std::array kQuantiles = {Quantile{"0.5", 50}, Quantile{"0.99", 99},
                                            Quantile{"0.999", 99.9}};

  void begin(const std::string& name, std::string_view type, std::string_view help) {
    line({"# HELP ", kPrefix, name, " ", help});
    line({"# TYPE ", kPrefix, name, " ", type});
  }

  void sample(const std::string& name, std::size_t store, const std::string& value,
              const std::string& label = {}) {
    const std::string& labels = labels_[store];
    const bool none = labels.empty() && label.empty();
    const bool both = !labels.empty() && !label.empty();
    line({kPrefix, name, none ? "" : "{", labels, both ? "," : "", label, none ? "" : "}", " ",
          value});
  }

  void line(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) text_ += part;
    text_ += '\n';
  }

  const std::span<const LabelledMetrics> stores_;
  std::vector<std::string> labels_;  // of each store
  std::string text_;
};

}  // namespace
}  // namespace vector

inline namespace v0 {

std::string to_prometheus(std::span<const LabelledMetrics> stores) {
  vector::Exposition text(stores);
  for (const auto& latency : vector::kLatencies) text.add_latency(latency);
  for (const auto& counter : vector::kCounters) {
    text.add(std::string(counter.name) + "_total", "counter", counter.help,
             [&](const StoreMetricsSnapshot& metrics) {
               return std::optional(std::to_string(metrics.*counter.value));
             });
  }
  for (const auto& gauge : vector::kGauges) {
    text.add(gauge.name, "gauge", gauge.help, [&](const StoreMetricsSnapshot& metrics) {
      return std::optional(std::to_string(metrics.gauges.*gauge.value));
    });
  }
  for (const auto& gauge : vector::kOptionalGauges) {
    text.add(gauge.name, "gauge", gauge.help,
             [&](const StoreMetricsSnapshot& metrics) -> std::optional<std::string> {
               const auto& value = metrics.gauges.*gauge.value;
               if (!value) return std::nullopt;
               return std::to_string(*value);
             });
  }
  text.add("fragmentation", "gauge", vector::kFragmentationHelp,
           [](const StoreMetricsSnapshot& metrics) {
             return std::optional(vector::shortest_decimal(metrics.gauges.fragmentation()));
           });
  text.add("uptime_seconds", "gauge", "Time since the store was opened.",
           [](const StoreMetricsSnapshot& metrics) {
             return std::optional(vector::in_seconds(metrics.uptime_ns));
           });
  return text.take();
}

std::string to_prometheus(const StoreMetricsSnapshot& metrics, std::vector<MetricLabel> labels) {
  const LabelledMetrics store{.metrics = &metrics, .labels = std::move(labels)};
  return to_prometheus({&store, 1});
}

}  // namespace v0
}  // namespace quire
