#include "cli/stats_text.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <string_view>

#include "cli/wording.hpp"
#include "quire/store_metrics.hpp"

namespace quire::cli {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t number(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool is_known(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found != object.end() && !found->is_null();
}

std::string writer_of(const StoreLook& now) {
  if (!now.has_writer) return "none";
  if (!now.publishes()) return "at work, and tells nothing of itself";
  return fmt::format("at work for {}",
                     duration(static_cast<double>(number(now.metrics, "uptime_ns")) / 1e9));
}

struct Shown {
  const char* name;
  const char* words;
};

constexpr std::array kLatenciesShown = {Shown{"put", "put"},
                                        Shown{"find", "find"},
                                        Shown{"sync", "sync"},
                                        Shown{"growth", "growth"},
                                        Shown{"checkpoint", "checkpoint"},
                                        Shown{"compaction", "compaction"},
                                        Shown{"compaction_pause", "its pause"}};

constexpr std::array kCountersShown = {Shown{"batches", "batches"},
                                       Shown{"puts", "puts"},
                                       Shown{"removes", "removes"},
                                       Shown{"log_syncs", "log syncs"},
                                       Shown{"log_bytes_written", "log written"},
                                       Shown{"row_bytes_written", "rows written"},
                                       Shown{"slot_bytes_written", "slots written"},
                                       Shown{"views_made", "views made"},
                                       Shown{"checkpoints", "checkpoints"},
                                       Shown{"compactions", "compactions"},
                                       Shown{"bytes_reclaimed", "reclaimed"}};

bool is_in_bytes(std::string_view name) { return name.find("bytes") != std::string_view::npos; }

std::string amount(std::string_view name, std::uint64_t value) {
  return is_in_bytes(name) ? byte_size(value) : grouped(value);
}

std::string rate_of(const StoreLook& now, const StoreLook* before, const char* name) {
  const auto events = each_second(now, before, name);
  if (!events) return "-";
  if (is_in_bytes(name)) return byte_size(static_cast<std::uint64_t>(*events));
  return *events < 10 ? fmt::format("{:.1f}", *events)
                      : grouped(static_cast<std::uint64_t>(*events));
}

std::string time_of(const Json& latency, const char* name) {
  return duration(static_cast<double>(number(latency, name)) / 1e9);
}

// Left-aligned in `columns` of a terminal; "µ" is two bytes.
std::string padded(const std::string& text, std::size_t columns) {
  std::size_t width = 0;
  for (const char byte : text) width += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  return std::string(width < columns ? columns - width : 0, ' ') + text;
}

void add_gauges(std::vector<std::string>& lines, const StoreLook& now) {
  const Json& gauges = now.metrics.at("gauges");
  lines.push_back(fmt::format("rows            {}, and {} dead ({:.1f} %)",
                              grouped(number(gauges, "rows")), grouped(number(gauges, "dead_rows")),
                              gauges.value("fragmentation", 0.0) * 100));
  lines.push_back(fmt::format("last batch      {} (in the checkpoint: {})", number(gauges, "lsn"),
                              number(gauges, "checkpoint_lsn")));
  lines.push_back(fmt::format("log             {} to replay after a crash",
                              byte_size(number(gauges, "log_bytes"))));
  lines.push_back(fmt::format("on disk         {}", byte_size(number(gauges, "bytes_on_disk"))));
  if (is_known(gauges, "index_bytes")) {
    lines.push_back(
        fmt::format("index           {} of memory", byte_size(number(gauges, "index_bytes"))));
  }
  if (!now.publishes()) return;
  std::string views = grouped(number(gauges, "live_views"));
  if (is_known(gauges, "oldest_view_lsn")) {
    views += fmt::format(", the oldest of batch {}", number(gauges, "oldest_view_lsn"));
  }
  lines.push_back("views           " + views);
}

void add_latencies(std::vector<std::string>& lines, const StoreLook& now) {
  lines.emplace_back();
  lines.push_back(fmt::format("{:<16}{:>12}{:>12}{:>12}{:>12}{:>12}", "latency", "count", "p50",
                              "p99", "p99.9", "max"));
  const Json& latencies = now.metrics.at("latencies_ns");
  for (const auto& [name, words] : kLatenciesShown) {
    const auto found = latencies.find(name);
    if (found == latencies.end() || number(*found, "count") == 0) continue;
    std::string line = fmt::format("{:<16}{:>12}", words, grouped(number(*found, "count")));
    for (const char* figure : {"p50", "p99", "p999", "max"}) {
      line += padded(time_of(*found, figure), 12);
    }
    if (std::string_view(name) == "find") {
      line += fmt::format("  (one of {})", grouped(number(now.metrics, "finds_per_sample")));
    }
    lines.push_back(std::move(line));
  }
}

void add_counters(std::vector<std::string>& lines, const StoreLook& now, const StoreLook* before) {
  lines.emplace_back();
  lines.push_back(fmt::format("{:<16}{:>12}{:>12}", "done", "so far", "a second"));
  const Json& counters = now.metrics.at("counters");
  for (const auto& [name, words] : kCountersShown) {
    const std::uint64_t count = number(counters, name);
    if (count == 0) continue;
    lines.push_back(
        fmt::format("{:<16}{:>12}{:>12}", words, amount(name, count), rate_of(now, before, name)));
  }
  for (const auto& [name, words] :
       {Shown{"failed_checkpoints", "checkpoints"}, Shown{"failed_compactions", "compactions"}}) {
    const std::uint64_t failed = number(counters, name);
    if (failed > 0) lines.push_back(fmt::format("{:<16}{:>12}  failed", words, grouped(failed)));
  }
}

std::string in_seconds(const Json& nanoseconds) {
  return fmt::format("{}", nanoseconds.get<double>() / 1e9);
}

// What to write where the library's text has a sample: by its name, and with the quantile if it has one.
std::map<std::string, std::string> values_of(const StoreLook& now) {
  std::map<std::string, std::string> values;
  const auto add = [&values](const std::string& name, std::string value) {
    values.emplace("quire_store_" + name, std::move(value));
  };
  for (const auto& [name, value] : now.metrics.at("gauges").items()) {
    if (!value.is_null()) add(name, value.dump());
  }
  if (!now.publishes()) return values;
  add("uptime_seconds", in_seconds(now.metrics.at("uptime_ns")));
  for (const auto& [name, value] : now.metrics.at("counters").items()) {
    add(name + "_total", value.dump());
  }
  for (const auto& [name, times] : now.metrics.at("latencies_ns").items()) {
    const bool none = number(times, "count") == 0;
    for (const auto& [figure, quantile] :
         {std::pair{"p50", "0.5"}, std::pair{"p99", "0.99"}, std::pair{"p999", "0.999"}}) {
      add(name + "_seconds" + quantile, none ? "NaN" : in_seconds(times.at(figure)));
    }
    add(name + "_seconds_sum", in_seconds(times.at("sum")));
    add(name + "_seconds_count", times.at("count").dump());
    add(name + "_seconds_max", in_seconds(times.at("max")));
  }
  return values;
}

}  // namespace

std::vector<std::string> stats_lines(const std::string& directory, const StoreLook& now,
                                     const StoreLook* before) {
  std::vector<std::string> lines = {"vector store    " + directory,
                                    "writer          " + writer_of(now)};
  add_gauges(lines, now);
  if (now.publishes()) {
    add_latencies(lines, now);
    add_counters(lines, now, before);
  }
  return lines;
}

std::string stats_line(const std::string& clock, const StoreLook& now, const StoreLook* before) {
  const Json& gauges = now.metrics.at("gauges");
  std::string line =
      fmt::format("{}  {}  batch {}  {} on disk", clock, counted(number(gauges, "rows"), "row"),
                  number(gauges, "lsn"), byte_size(number(gauges, "bytes_on_disk")));
  if (!now.publishes()) return line + (now.has_writer ? "" : "  no writer");
  line += fmt::format("  {} batches/s  {} puts/s", rate_of(now, before, "batches"),
                      rate_of(now, before, "puts"));
  const Json& put = now.metrics.at("latencies_ns").at("put");
  if (number(put, "count") == 0) return line;
  return line + fmt::format("  put p50 {}  p99 {}  max {}", time_of(put, "p50"),
                            time_of(put, "p99"), time_of(put, "max"));
}

std::string stats_prometheus(const std::string& directory, const StoreLook& now) {
  const std::map<std::string, std::string> values = values_of(now);
  // The library's text of nothing has the names and the words.
  StoreMetricsSnapshot nothing;
  nothing.gauges.oldest_view_lsn = 0;
  nothing.gauges.index_bytes = 0;
  const std::string all = to_prometheus(nothing, {{.name = "store", .value = directory}});
  std::string text;
  std::string comments;  // of the next samples
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = all.find('\n', begin);
    const std::string_view line = std::string_view(all).substr(begin, end + 1 - begin);
    begin = end + 1;
    if (line.starts_with('#')) {
      if (line.starts_with("# HELP")) comments.clear();
      comments += line;
      continue;
    }
    constexpr std::string_view kQuantile = ",quantile=\"";
    const std::size_t brace = line.find('{');
    const std::size_t last = line.rfind(' ');  // the value begins behind it
    const std::size_t quantile = line.rfind(kQuantile);
    std::string key(line.substr(0, brace));
    const bool has_quantile = line.substr(0, last).ends_with("\"}") && key.ends_with("_seconds") &&
                              quantile != std::string_view::npos;
    if (has_quantile) {
      const std::size_t digits = quantile + kQuantile.size();
      key += line.substr(digits, last - 2 - digits);
    }
    const auto value = values.find(key);
    if (value == values.end()) continue;
    text += std::exchange(comments, {});
    text += line.substr(0, last + 1);
    text += value->second + "\n";
  }
  return text;
}

}  // namespace quire::cli
