// One look at a store from beside, for `quire stats`.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/command.hpp"

namespace quire::cli {

// What a store is doing at one moment.
struct StoreLook {
  bool has_writer = false;
  // to_json of quire/store_metrics.hpp: the writer's, if it publishes; else uptime_ns, latencies_ns and
  // counters are null and the gauges are what is on the disk.
  nlohmann::ordered_json metrics;

  bool publishes() const { return !metrics.at("counters").is_null(); }
};

// Looks again and again. Single-thread.
class StoreLooks {
 public:
  StoreLooks(std::string directory, const Settings& settings)
      : directory_(std::move(directory)), settings_(settings) {}

  // Cheap while a writer publishes or nothing changes; else it opens the store for reading.
  Outcome<StoreLook> look();

 private:
  Outcome<nlohmann::ordered_json> on_disk(bool has_writer);

  const std::string directory_;
  const Settings settings_;
  // The last look at the disk, while nobody can have changed it since.
  nlohmann::ordered_json on_disk_;
  std::filesystem::file_time_type manifest_time_;
};

// Events of `name`, a counter, in a second: since `before`, or without one since the writer opened the store.
// Nothing if none of the two can be told.
std::optional<double> each_second(const StoreLook& now, const StoreLook* before, const char* name);

}  // namespace quire::cli
