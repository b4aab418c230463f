// What is told of a store's metrics: the snapshot, JSON, the text for Prometheus, the writer's from beside.
#include "quire/store_metrics.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "vector/control_page.hpp"
#include "vector/metrics.hpp"
#include "vector/published_metrics.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

using Json = nlohmann::json;

LatencyHistogram::Snapshot times(std::initializer_list<std::uint64_t> nanoseconds) {
  LatencyHistogram histogram;
  for (const std::uint64_t time : nanoseconds) histogram.record(time);
  return histogram.snapshot();
}

StoreMetricsSnapshot example() {
  StoreMetricsSnapshot metrics;
  metrics.put = times({20, 2'500'000'000});
  metrics.batches = 7;
  metrics.gauges = {.rows = 30, .dead_rows = 10, .lsn = 8, .live_views = 1, .oldest_view_lsn = 5};
  metrics.uptime_ns = 1'500'000'000;
  return metrics;
}

// The samples of a text by name with labels; fails on a line that is none, and on a metric that is not
// described exactly once before its first sample.
std::map<std::string, std::string> samples_of(const std::string& text) {
  std::map<std::string, std::string> samples;
  std::set<std::string> described;
  std::string helped;
  std::string current;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      helped = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_GT(line.size(), 8 + helped.size()) << "no words: " << line;
      continue;
    }
    if (line.starts_with("# TYPE ")) {
      current = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_EQ(current, helped);
      EXPECT_TRUE(described.insert(current).second) << "twice: " << line;
      const std::string type = line.substr(8 + current.size());
      EXPECT_TRUE(type == "summary" || type == "counter" || type == "gauge") << line;
      EXPECT_EQ(type == "counter", current.ends_with("_total")) << line;
      continue;
    }
    const std::size_t space = line.find_last_of(' ');
    EXPECT_NE(space, std::string::npos) << line;
    EXPECT_TRUE(line.starts_with("quire_store_")) << line;
    EXPECT_TRUE(line.starts_with(current)) << line << " under " << current;
    EXPECT_TRUE(samples.emplace(line.substr(0, space), line.substr(space + 1)).second) << line;
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return samples;
}

TEST(MetricsJson, HasEveryFigureByName) {
  const Json json = Json::parse(to_json(example()));
  EXPECT_EQ(json["uptime_ns"], 1'500'000'000U);
  EXPECT_EQ(json["finds_per_sample"], 1024);
  EXPECT_EQ(json["latencies_ns"].size(), 7U);
  EXPECT_EQ(json["latencies_ns"]["put"], Json::parse(R"({"count": 2, "sum": 2500000020, "p50": 20,
      "p99": 2500000000, "p999": 2500000000, "max": 2500000000})"));
  EXPECT_EQ(json["latencies_ns"]["compaction_pause"]["count"], 0);
  EXPECT_EQ(json["counters"].size(), 19U);
  EXPECT_EQ(json["counters"]["batches"], 7);
  EXPECT_EQ(json["counters"]["reader_stalls"], 0);
  EXPECT_EQ(json["gauges"]["rows"], 30);
  EXPECT_EQ(json["gauges"]["fragmentation"], 0.25);
  EXPECT_EQ(json["gauges"]["oldest_view_lsn"], 5);
  EXPECT_TRUE(json["gauges"]["index_bytes"].is_null()) << "not known";
}

TEST(MetricsJson, HasNumbersOf64Bits) {
  StoreMetricsSnapshot metrics;
  metrics.puts = UINT64_MAX;
  metrics.put = times({UINT64_MAX});
  const Json json = Json::parse(to_json(metrics));
  EXPECT_EQ(json["counters"]["puts"], UINT64_MAX);
  EXPECT_EQ(json["latencies_ns"]["put"]["max"], UINT64_MAX);
}

TEST(Prometheus, HasTimesInSeconds) {
  auto samples = samples_of(to_prometheus(example()));
  EXPECT_EQ(samples["quire_store_put_seconds{quantile=\"0.5\"}"], "0.00000002");
  EXPECT_EQ(samples["quire_store_put_seconds{quantile=\"0.99\"}"], "2.5");
  EXPECT_EQ(samples["quire_store_put_seconds{quantile=\"0.999\"}"], "2.5");
  EXPECT_EQ(samples["quire_store_put_seconds_sum"], "2.50000002");
  EXPECT_EQ(samples["quire_store_put_seconds_count"], "2");
  EXPECT_EQ(samples["quire_store_put_seconds_max"], "2.5");
  EXPECT_EQ(samples["quire_store_sync_seconds{quantile=\"0.5\"}"], "NaN") << "of no sync";
  EXPECT_EQ(samples["quire_store_sync_seconds_max"], "0");
  EXPECT_EQ(samples["quire_store_uptime_seconds"], "1.5");
}

TEST(Prometheus, HasCountersAndGauges) {
  auto samples = samples_of(to_prometheus(example()));
  EXPECT_EQ(samples["quire_store_batches_total"], "7");
  EXPECT_EQ(samples["quire_store_reader_stalls_total"], "0");
  EXPECT_EQ(samples["quire_store_rows"], "30");
  EXPECT_EQ(samples["quire_store_fragmentation"], "0.25");
  EXPECT_EQ(samples["quire_store_oldest_view_lsn"], "5");
  EXPECT_FALSE(samples.contains("quire_store_index_bytes")) << "not known";
  EXPECT_EQ(samples.size(), 7U * 6 + 19 + 7 + 1 + 2);
}

TEST(Prometheus, EscapesLabels) {
  auto samples =
      samples_of(to_prometheus(example(), {{"store", "a\"b\\c\nd"}, {"1 bad-name", "µ"}}));
  EXPECT_EQ(samples[R"(quire_store_rows{store="a\"b\\c\nd",__bad_name="µ"})"], "30");
  EXPECT_EQ(samples[R"(quire_store_put_seconds{store="a\"b\\c\nd",__bad_name="µ",quantile="0.5"})"],
            "0.00000002");
}

TEST(Prometheus, NamesEachMetricOnceForManyStores) {
  const StoreMetricsSnapshot one = example();
  const StoreMetricsSnapshot other;
  const LabelledMetrics stores[] = {{.metrics = &one, .labels = {{"store", "one"}}},
                                    {.metrics = &other, .labels = {{"store", "other"}}}};
  auto samples = samples_of(to_prometheus(stores));
  EXPECT_EQ(samples["quire_store_rows{store=\"one\"}"], "30");
  EXPECT_EQ(samples["quire_store_rows{store=\"other\"}"], "0");
  EXPECT_EQ(samples["quire_store_put_seconds_count{store=\"other\"}"], "0");
}

TEST(MetricsOfManyStores, AddUp) {
  StoreMetricsSnapshot sum = example();
  StoreMetricsSnapshot other = example();
  other.put = times({40});
  other.views_made = 3;
  other.gauges.lsn = 9;
  other.gauges.oldest_view_lsn = 2;
  other.gauges.index_bytes = 100;
  other.uptime_ns = 1;
  sum.merge(other);
  EXPECT_EQ(sum.put.count(), 3U);
  EXPECT_EQ(sum.batches, 14U);
  EXPECT_EQ(sum.views_made, 3U);
  EXPECT_EQ(sum.gauges.rows, 60U);
  EXPECT_EQ(sum.gauges.fragmentation(), 0.25);
  EXPECT_EQ(sum.gauges.lsn, 9U);
  EXPECT_EQ(sum.gauges.oldest_view_lsn, 2U);
  EXPECT_EQ(sum.gauges.index_bytes, std::nullopt) << "of one it is not known";
  EXPECT_EQ(sum.uptime_ns, 1'500'000'000U);
}

TEST_F(StoreTest, MetricsHaveTheGaugesOfInfo) {
  create();
  put(1, 1);
  put(1, 2);
  put(2, 3);
  const auto metrics = store_->metrics();
  ASSERT_TRUE(succeeded(metrics));
  const auto info = store_->info();
  ASSERT_TRUE(succeeded(info));
  EXPECT_EQ(metrics->gauges.rows, 2U);
  EXPECT_EQ(metrics->gauges.dead_rows, 1U);
  EXPECT_EQ(metrics->gauges.lsn, 3U);
  EXPECT_EQ(metrics->gauges.checkpoint_lsn, info->checkpoint_lsn);
  EXPECT_EQ(metrics->gauges.log_bytes, info->log_bytes);
  EXPECT_EQ(metrics->gauges.bytes_on_disk, info->bytes_on_disk);
  EXPECT_EQ(metrics->gauges.fragmentation(), info->fragmentation);
  EXPECT_EQ(info->dead_rows, 1U);
  EXPECT_NE(info->store_id, StoreId{});
  ASSERT_TRUE(succeeded(store_->close()));
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->metrics()));
}

TEST_F(StoreTest, MetricsOfAWriterAreSeenFromBeside) {
  EXPECT_TRUE(failed_with(ErrorCode::not_found, published_metrics(*disk_, kStorePath)));
  create();
  auto lock = disk_->open(file(kLockName), os::OpenMode::read_write, 0644);
  ASSERT_TRUE(succeeded(lock));
  ASSERT_TRUE(succeeded(clear_control_page(**lock)));
  auto seen = published_metrics(*disk_, kStorePath);
  ASSERT_TRUE(succeeded(seen));
  EXPECT_TRUE(seen->has_writer);
  EXPECT_FALSE(seen->json) << "it has published none";

  const std::string json = to_json(example());
  ASSERT_TRUE(succeeded(write_metrics_block(**lock, json)));
  EXPECT_EQ(published_metrics(*disk_, kStorePath)->json, json);

  store_.reset();
  seen = published_metrics(*disk_, kStorePath);
  ASSERT_TRUE(succeeded(seen));
  EXPECT_FALSE(seen->has_writer);
  EXPECT_FALSE(seen->json) << "they mean nothing without their writer";
  ASSERT_TRUE(succeeded(disk_->remove(file(kLockName))));
  EXPECT_FALSE(published_metrics(*disk_, kStorePath)->has_writer) << "a copy without the file";
}

}  // namespace
}  // namespace quire::vector
