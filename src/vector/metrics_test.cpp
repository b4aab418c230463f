#include "vector/metrics.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace quire::vector {
namespace {

class StoreMetricsTest : public ::testing::Test {
 protected:
  StoreMetricsSnapshot snapshot(StoreGauges gauges = {}) const { return metrics_.snapshot(gauges); }
  void find(int times) {
    for (int i = 0; i < times; ++i) const FindTimer timer(metrics_);
  }

  StoreMetrics metrics_;
};

TEST_F(StoreMetricsTest, EveryHistogramAndCounterIsInTheSnapshot) {
  metrics_.put.record(1);
  metrics_.find.record(2);
  metrics_.sync.record(3);
  metrics_.growth.record(4);
  metrics_.checkpoint.record(5);
  metrics_.compaction.record(6);
  metrics_.compaction_pause.record(7);
  metrics_.batches.add(1);
  metrics_.puts.add(2);
  metrics_.removes.add(3);
  metrics_.rows_written.add(4);
  metrics_.log_bytes_written.add(5);
  metrics_.row_bytes_written.add(6);
  metrics_.slot_bytes_written.add(7);
  metrics_.checkpoints.add(8);
  metrics_.failed_checkpoints.add(9);
  metrics_.compactions.add(10);
  metrics_.failed_compactions.add(11);
  metrics_.bytes_reclaimed.add(12);
  metrics_.bytes_punched.add(13);
  metrics_.refreshes.add(14);

  const StoreMetricsSnapshot now = snapshot({.rows = 15, .lsn = 16});
  EXPECT_EQ(now.put.max(), 1U);
  EXPECT_EQ(now.find.max(), 2U);
  EXPECT_EQ(now.sync.max(), 3U);
  EXPECT_EQ(now.growth.max(), 4U);
  EXPECT_EQ(now.checkpoint.max(), 5U);
  EXPECT_EQ(now.compaction.max(), 6U);
  EXPECT_EQ(now.compaction_pause.max(), 7U);
  const std::uint64_t counters[] = {now.batches,
                                    now.puts,
                                    now.removes,
                                    now.rows_written,
                                    now.log_bytes_written,
                                    now.row_bytes_written,
                                    now.slot_bytes_written,
                                    now.checkpoints,
                                    now.failed_checkpoints,
                                    now.compactions,
                                    now.failed_compactions,
                                    now.bytes_reclaimed,
                                    now.bytes_punched,
                                    now.refreshes};
  for (std::uint64_t i = 0; i < std::size(counters); ++i) EXPECT_EQ(counters[i], i + 1);
  EXPECT_EQ(now.gauges.rows, 15U);
  EXPECT_EQ(now.gauges.lsn, 16U);
  EXPECT_EQ(now.reader_stalls, 0U);
  EXPECT_GT(now.uptime_ns, 0U);
}

TEST_F(StoreMetricsTest, ASyncOfMoreThanOneBatchIsAGroupCommit) {
  for (const std::uint64_t batches : {0U, 1U, 3U, 5U}) metrics_.log_synced(batches);
  const StoreMetricsSnapshot now = snapshot();
  EXPECT_EQ(now.log_syncs, 4U);
  EXPECT_EQ(now.group_commits, 2U);
  EXPECT_EQ(now.grouped_batches, 8U);
}

TEST_F(StoreMetricsTest, OneFindOfAThousandAndTwentyFourIsTimed) {
  find(1024 * 5);
  EXPECT_EQ(snapshot().find.count(), 5U);
  EXPECT_GT(snapshot().find.max(), 0U);
}

TEST_F(StoreMetricsTest, FindsOfEveryThreadAreSampled) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([this] { find(1024 * 100); });
  threads.clear();
  EXPECT_EQ(snapshot().find.count(), 400U);
}

TEST_F(StoreMetricsTest, CountsOfManyThreadsAddUp) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int k = 0; k < 10'000; ++k) {
        metrics_.puts.add(2);
        metrics_.put.record(1);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(snapshot().puts, 80'000U);
  EXPECT_EQ(snapshot().put.count(), 40'000U);
}

TEST(Stopwatch, MeasuresWhatPasses) {
  LatencyHistogram histogram;
  const Stopwatch watch;
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  watch.record_in(histogram);
  EXPECT_GE(histogram.snapshot().max(), 2'000'000U);
}

}  // namespace
}  // namespace quire::vector
