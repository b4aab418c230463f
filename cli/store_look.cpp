#include "cli/store_look.hpp"

#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "cli/opening.hpp"
#include "quire/store_metrics.hpp"

namespace quire::cli {

Outcome<StoreLook> StoreLooks::look() {
  using Json = nlohmann::ordered_json;
  QUIRE_TRY(const PublishedMetrics published, from_store(published_metrics(directory_)));
  if (published.json) {
    on_disk_ = nullptr;
    // A later version may publish something else.
    Json metrics = Json::parse(*published.json, nullptr, false);
    if (metrics.is_object() && metrics.contains("counters") && metrics.contains("gauges") &&
        metrics.contains("latencies_ns") && metrics.contains("uptime_ns")) {
      return StoreLook{.has_writer = true, .metrics = std::move(metrics)};
    }
  }
  QUIRE_TRY(Json metrics, on_disk(published.has_writer));
  return StoreLook{.has_writer = published.has_writer, .metrics = std::move(metrics)};
}

Outcome<nlohmann::ordered_json> StoreLooks::on_disk(bool has_writer) {
  std::error_code error;
  const auto time =
      std::filesystem::last_write_time(std::filesystem::path(directory_) / "MANIFEST", error);
  if (on_disk_.is_object() && !has_writer && !error && time == manifest_time_) return on_disk_;
  QUIRE_TRY(const VectorStore store, open_for_reading(directory_, settings_));
  QUIRE_TRY(const StoreMetricsSnapshot metrics, from_store(store.metrics()));
  auto json = nlohmann::ordered_json::parse(to_json(metrics));
  // Those are of this reader, which has done nothing.
  for (const char* name : {"uptime_ns", "latencies_ns", "counters"}) json[name] = nullptr;
  json["gauges"]["live_views"] = nullptr;
  on_disk_ = has_writer ? nlohmann::ordered_json() : json;
  manifest_time_ = time;
  return json;
}

std::optional<double> each_second(const StoreLook& now, const StoreLook* before, const char* name) {
  if (!now.publishes()) return std::nullopt;
  auto count = now.metrics.at("counters").at(name).get<double>();
  auto seconds = now.metrics.at("uptime_ns").get<double>() / 1e9;
  if (before != nullptr && before->publishes()) {
    const auto earlier = before->metrics.at("uptime_ns").get<double>() / 1e9;
    // Equal: the writer has not published since. Later: another writer.
    if (earlier == seconds) return std::nullopt;
    if (earlier < seconds) {
      count -= before->metrics.at("counters").at(name).get<double>();
      seconds -= earlier;
    }
  }
  if (seconds <= 0) return std::nullopt;
  return count / seconds;
}

}  // namespace quire::cli
