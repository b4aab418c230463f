// Many ids at once: the same rows as one after the other, in two rounds of requests.
#include <gtest/gtest.h>

#include <random>

#include "snapshot/batch.hpp"
#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

using Ids = std::vector<std::uint64_t>;

class SnapshotBatchTest : public SnapshotTest {
 protected:
  static constexpr std::uint32_t kRows = 4;  // of a block

  // What get_many gives is what find_bytes gives for each.
  static void expect_same_as_find(const Snapshot& snapshot, const Ids& ids) {
    std::vector<Bytes> rows(ids.size(), Bytes::copy(std::as_bytes(std::span("before"))));
    const auto found = snapshot.get_many(ids, rows);
    ASSERT_TRUE(succeeded(found));
    std::size_t expected = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto row = snapshot.find_bytes(ids[i]);
      if (row) ++expected;
      EXPECT_TRUE(row ? std::ranges::equal(rows[i].span(), row->span()) : rows[i].empty())
          << ids[i];
    }
    EXPECT_EQ(*found, expected);
  }

  // Two thousand rows: eight id pages.
  std::shared_ptr<const FetchedSource> published() {
    EXPECT_TRUE(succeeded(put_many(0, 2000)));
    return fetched(publish(kRows));
  }
};

TEST_F(SnapshotBatchTest, GivesWhatFindGivesForAnyIds) {
  put_some();
  ASSERT_TRUE(succeeded(put_many(3000, 1500)));
  std::mt19937_64 random(7);
  for (const Snapshot& snapshot : opened_both_ways(publish(kRows))) {
    for (int round = 0; round < 50; ++round) {
      Ids ids{0, UINT64_MAX, 1, UINT64_MAX - 1};
      while (ids.size() < 100) ids.push_back(random() % (round % 2 == 0 ? 220 : 5000));
      std::ranges::shuffle(ids, random);
      expect_same_as_find(snapshot, ids);
    }
  }
}

TEST_F(SnapshotBatchTest, GivesEachOfTheSameIdsItsRow) {
  put_some();
  for (const Snapshot& snapshot : opened_both_ways(publish(kRows))) {
    expect_same_as_find(snapshot, {17, 5, 17, 100, 5, 17});
  }
}

TEST_F(SnapshotBatchTest, AsksNothingForNoIdsAndForIdsThatCannotBeThere) {
  put(10, 10);
  const auto source = fetched(publish(kRows));
  const Snapshot snapshot = opened(source);
  const int opening = source->reads();
  expect_same_as_find(snapshot, {});
  expect_same_as_find(snapshot, {9, 11});
  EXPECT_EQ(source->reads(), opening);
  EXPECT_EQ(*opened(fetched(publish(kRows))).get_many(Ids{}, {}), 0U);
}

TEST_F(SnapshotBatchTest, ReadsPagesAndBlocksOnceInOneRoundEach) {
  const auto source = published();
  const Snapshot snapshot = opened(source);
  const int opening = source->reads();
  const Ids ids{1999, 3, 700, 1, 1998, 3, 701, 5000};  // three pages, three blocks
  std::vector<Bytes> rows(ids.size());
  ASSERT_TRUE(succeeded(snapshot.get_many(ids, rows)));
  EXPECT_EQ(source->batches(), 2);
  EXPECT_EQ(source->reads(), opening + 6);
  EXPECT_TRUE(source->are_ascending());
}

TEST_F(SnapshotBatchTest, AsksOnlyForWhatIsNotInTheCache) {
  const auto source = published();
  const Snapshot snapshot = opened(source);
  ASSERT_TRUE(succeeded(snapshot.find_bytes(3)));
  const int before = source->reads();
  std::vector<Bytes> rows(3);
  ASSERT_TRUE(succeeded(snapshot.get_many(Ids{2, 9, 13}, rows)));  // two blocks of the same page
  EXPECT_EQ(source->batches(), 1);
  EXPECT_EQ(source->reads(), before + 2);
  expect_same_as_find(snapshot, {13, 9, 3, 2});
  EXPECT_EQ(source->reads(), before + 2);
}

TEST_F(SnapshotBatchTest, HoldsNoMoreThanAPortionAtOnce) {
  const auto source = published();
  const auto core = SnapshotCore::open(source, {.cache_bytes = 0});
  ASSERT_TRUE(succeeded(core));
  Ids ids(2000);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = 1999 - i;
  std::vector<Bytes> rows(ids.size());
  // Fifty blocks are a portion, of 500; and so is one id page, of eight.
  const std::uint64_t most = std::uint64_t{50} * kRows * kDimension;
  ASSERT_EQ(snapshot::get_many(**core, ids, rows, {}, most).value(), ids.size());
  EXPECT_EQ(source->batches(), 10 + 8);
  EXPECT_EQ(source->reads(), 1 + 500 + 8);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(std::memcmp(rows[i].data(), model_.at(ids[i]).data(), kDimension), 0) << ids[i];
  }
}

// What was read together with a row, or a block, lives no longer for it.
TEST_F(SnapshotBatchTest, KeepsNothingOfTheReadItself) {
  const auto source = published();
  const Snapshot snapshot = opened(source);
  const auto rows = snapshot.get_many<std::uint8_t>(Ids{1, 5, 1999});
  ASSERT_TRUE(succeeded(rows));
  EXPECT_EQ(source->lent(), 0);
}

TEST_F(SnapshotBatchTest, GivesFloatsAtTheirAlignmentAndSoDoesTheCacheBehindIt) {
  auto made = vector::StoreAccess::create(*disk_, "/floats", {.dimension = 3});
  ASSERT_TRUE(succeeded(made));
  for (std::uint64_t id = 0; id < 20; ++id) {
    ASSERT_TRUE(succeeded(made->put(id, std::array{1.0F, 2.0F, static_cast<float>(id)})));
  }
  const Snapshot snapshot = opened(fetched(publish(made->view(), 24)));
  const auto rows = snapshot.get_many<float>(Ids{19, 0, 7});
  ASSERT_TRUE(succeeded(rows));
  for (const auto& row : {(*rows)[0], (*rows)[2], *snapshot.find<float>(18)}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(row.elements().data()) % alignof(float), 0U);
  }
  EXPECT_EQ((*rows)[0].elements()[2], 19.0F);
}

TEST_F(SnapshotBatchTest, ShowsRowsInPlaceWhereTheSnapshotIsMemory) {
  put_some();
  const Snapshot snapshot = opened(in_memory(publish(kRows)));
  const auto matrix = snapshot.matrix_bytes();
  std::vector<Bytes> rows(2);
  ASSERT_TRUE(succeeded(snapshot.get_many(Ids{12, 10}, rows)));
  EXPECT_EQ(rows[0].data(), matrix->data() + 3 * kDimension);  // behind 0, 10 and 11
  EXPECT_EQ(rows[1].data(), matrix->data() + 1 * kDimension);
}

TEST_F(SnapshotBatchTest, GivesElementsAndRefusesOthers) {
  put_some();
  for (Snapshot& snapshot : opened_both_ways(publish(kRows))) {
    const Ids ids{12, 9};
    EXPECT_TRUE(failed_with(ErrorCode::mismatch, snapshot.get_many<float>(ids)));
    const auto rows = snapshot.get_many<std::uint8_t>(ids);
    ASSERT_TRUE(succeeded(rows));
    {
      const Snapshot gone = std::move(snapshot);
    }
    EXPECT_TRUE(std::ranges::equal((*rows)[0].elements(), model_.at(12)));
    EXPECT_TRUE((*rows)[1].elements().empty());
  }
}

TEST_F(SnapshotBatchTest, RefusesAnAnswerOfAnotherLength) {
  put(1, 1);
  std::vector<Bytes> rows(1, Bytes::copy(std::as_bytes(std::span("before"))));
  for (const Snapshot& snapshot : opened_both_ways(publish(kRows))) {
    EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, snapshot.get_many(Ids{1, 1}, rows)));
    EXPECT_EQ(rows[0].size(), 7U);
  }
}

TEST_F(SnapshotBatchTest, ADamagedBlockFailsTheBatchThatNeedsItAndIsNamed) {
  put_some();
  Content content = publish(kRows);
  const Ids ids = store_->view().ids();
  content[kHeaderBytes + 5 * kDimension] ^= std::byte{1};  // in the block of rows 4 to 7
  for (const Snapshot& snapshot : opened_both_ways(content)) {
    for (int again = 0; again < 2; ++again) {
      std::vector<Bytes> rows(ids.size());
      const auto lost = snapshot.get_many(ids, rows);
      ASSERT_TRUE(failed_with(ErrorCode::corrupt, lost));
      EXPECT_NE(lost.error().message().find("block 1 (rows 4 to 7"), std::string::npos);
      EXPECT_TRUE(std::ranges::all_of(rows, &Bytes::empty));
    }
    expect_same_as_find(snapshot, {ids[3], ids[8]});
  }
}

TEST_F(SnapshotBatchTest, StopsWhenItIsTold) {
  put_some();
  std::stop_source stop;
  stop.request_stop();
  for (const Snapshot& snapshot : opened_both_ways(publish(kRows))) {
    std::vector<Bytes> rows(1);
    EXPECT_TRUE(failed_with(ErrorCode::cancelled,
                            snapshot.get_many(Ids{12}, rows, {.stop = stop.get_token()})));
    expect_same_as_find(snapshot, {12});
    EXPECT_TRUE(failed_with(ErrorCode::cancelled,
                            snapshot.get_many(Ids{12}, rows, {.stop = stop.get_token()})));
  }
}

}  // namespace
}  // namespace quire::snapshot
