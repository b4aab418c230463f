// Publishing beside a writer, and many readers at once. Runs under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

using SnapshotThreadsTest = SnapshotTest;

// The writer notes what the store held after each batch; each snapshot must be one of those states, the
// one of its LSN.
TEST_F(SnapshotThreadsTest, PublishingWhileAWriterChurnsIsTheModelAtThatMoment) {
  constexpr std::uint64_t kBatches = 400;
  std::vector<Model> states(1);  // by LSN
  std::atomic<std::uint64_t> written = 0;
  std::thread writer([&] {
    for (std::uint64_t batch = 1; batch <= kBatches; ++batch) {
      WriteBatch changes;
      Model next = states.back();
      for (std::uint64_t i = 0; i < 8; ++i) {
        const std::uint64_t id = (batch * 31 + i * 7) % 300;
        if (i == 7 && next.erase(id) == 1) {
          changes.remove(id);
        } else {
          next[id] = vector_of(batch * 100 + i, kDimension);
          changes.put(id, next[id]);
        }
      }
      states.push_back(std::move(next));
      ASSERT_TRUE(succeeded(store_->write(changes)));
      written.store(batch, std::memory_order_release);
      if (batch % 100 == 0) {
        ASSERT_TRUE(succeeded(store_->checkpoint()));
      }
    }
  });
  std::vector<Content> snapshots;
  while (written.load(std::memory_order_acquire) < kBatches) snapshots.push_back(publish(16));
  snapshots.push_back(publish(16));
  writer.join();
  for (const Content& content : snapshots) {
    const Snapshot snapshot = opened(in_memory(content));
    ASSERT_LE(snapshot.info().lsn, kBatches);
    EXPECT_TRUE(contents_of(snapshot.scan()) == states[snapshot.info().lsn]);
  }
  EXPECT_EQ(opened(in_memory(snapshots.back())).info().lsn, kBatches);
}

TEST_F(SnapshotThreadsTest, ManyReadersShareOneSnapshot) {
  ASSERT_TRUE(succeeded(put_many(0, 2000)));
  const Content content = publish(16);
  for (const Snapshot& snapshot : opened_both_ways(content)) {
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 0; reader < 4; ++reader) {
      readers.emplace_back([&, reader] {
        for (std::uint64_t i = 0; i < 500; ++i) {
          const std::uint64_t id = (i * 37 + reader * 11) % 2000;
          const auto row = snapshot.find<std::uint8_t>(id);
          ASSERT_TRUE(succeeded(row));
          EXPECT_TRUE(std::ranges::equal(row->elements(), model_.at(id)));
        }
        if (reader == 0) {
          EXPECT_TRUE(contents_of(snapshot.scan()) == model_);
        }
        if (reader == 1) {
          EXPECT_TRUE(snapshot.verify()->ok());
        }
        if (reader == 2) {
          EXPECT_TRUE(succeeded(snapshot.nearest(vector_of(1, kDimension), 3)));
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
  }
}

// Their batches overlap, in other orders, with a cache that is too small for one of them: whoever loads a
// block that others want must not wait for them.
TEST_F(SnapshotThreadsTest, ManyBatchesShareOneSnapshot) {
  ASSERT_TRUE(succeeded(put_many(0, 2000)));
  const Content content = publish(16);
  const auto starved = Snapshot::open(fetched(content), {.cache_bytes = 10'000});
  ASSERT_TRUE(succeeded(starved));
  auto snapshots = opened_both_ways(content);
  snapshots.push_back(*starved);
  for (const Snapshot& snapshot : snapshots) {
    std::vector<std::thread> readers;
    for (std::uint64_t reader = 0; reader < 4; ++reader) {
      readers.emplace_back([&, reader] {
        for (std::uint64_t batch = 0; batch < 50; ++batch) {
          std::vector<std::uint64_t> ids;
          for (std::uint64_t i = 0; i < 60; ++i) ids.push_back((i * 37 + batch * reader) % 2000);
          if (reader % 2 == 0) std::ranges::reverse(ids);
          const auto rows = snapshot.get_many<std::uint8_t>(ids);
          ASSERT_TRUE(succeeded(rows));
          for (std::size_t i = 0; i < ids.size(); ++i) {
            EXPECT_TRUE(std::ranges::equal((*rows)[i].elements(), model_.at(ids[i]))) << ids[i];
          }
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
  }
}

}  // namespace
}  // namespace quire::snapshot
