// What a view gives beside single vectors: many at once, all in order, the matrix, the changes.
#include "quire/read_view.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "quire/bulk_loader.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class ReadViewTest : public StoreTest {
 protected:
  void SetUp() override { create(); }

  void remove(std::uint64_t id) {
    ASSERT_TRUE(succeeded(store_->remove(id)));
    model_.erase(id);
  }

  // 20 rows by a bulk load that are committed after those of 10 puts, though claimed before.
  void put_between_claim_and_commit() {
    auto loader = store_->bulk_load({.expected_rows = 20});
    ASSERT_TRUE(succeeded(loader));
    auto claimed = loader->claim(20);
    ASSERT_TRUE(succeeded(claimed));
    ASSERT_TRUE(put_many(500, 10));
    std::vector<std::uint64_t> ids;
    std::vector<std::uint8_t> rows;
    for (std::uint64_t id = 900; id < 920; ++id) {
      ids.push_back(id);
      model_[id] = vector_of(id, kDimension);
      rows.insert(rows.end(), model_[id].begin(), model_[id].end());
    }
    ASSERT_TRUE(succeeded(claimed->append(ids, rows)));
    ASSERT_TRUE(succeeded(loader->commit(std::span(&*claimed, 1))));
  }

  // Puts, updates, removes, and rows out of order.
  void put_all_sorts() {
    ASSERT_TRUE(put_many(0, 50));
    ASSERT_TRUE(put_many(20, 10, 1'000));
    put_between_claim_and_commit();
    for (std::uint64_t id = 3; id < 50; id += 7) remove(id);
    put(std::numeric_limits<std::uint64_t>::max(), 5);
    put(3, 6);
  }

  static std::vector<std::uint8_t> copy_of(std::span<const std::byte> bytes) {
    const auto* elements = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return {elements, elements + bytes.size()};
  }

  // What a scan shows, checked to come in the order of rows.
  static Model scanned(const ReadView& view) {
    Model contents;
    std::int64_t last = -1;
    view.scan([&](const ViewRow& row) {
      EXPECT_GT(static_cast<std::int64_t>(row.row), last);
      last = static_cast<std::int64_t>(row.row);
      EXPECT_EQ(row.lsn, *view.lsn_of(row.id));
      EXPECT_TRUE(contents.emplace(row.id, copy_of(row.bytes)).second) << "twice: " << row.id;
      return true;
    });
    return contents;
  }

  static Model in_matrix(const ReadView& view) {
    const RowMatrix matrix = view.rows();
    EXPECT_EQ(matrix.bytes.size(), matrix.size() * matrix.stride);
    EXPECT_EQ(matrix.elements<std::uint8_t>()->size(), matrix.size() * kDimension);
    Model contents;
    for (std::size_t row = 0; row < matrix.size(); ++row) {
      if (!matrix.is_live(row)) continue;
      const auto bytes = matrix.bytes.subspan(row * matrix.stride, matrix.stride);
      EXPECT_TRUE(contents.emplace(matrix.ids[row], copy_of(bytes)).second);
    }
    return contents;
  }
};

TEST_F(ReadViewTest, GetManyGivesEachAndNothingForWhatIsAbsent) {
  put_all_sorts();
  const ReadView view = store_->view();
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 0; id < 1'000; ++id) ids.push_back(id * 7 % 1'000);
  std::vector<std::span<const std::byte>> rows(ids.size());
  const auto found = view.get_many(ids, rows);
  ASSERT_TRUE(succeeded(found));
  EXPECT_EQ(*found, model_.size() - 1) << "all but the largest id";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(!rows[i].empty(), model_.contains(ids[i]));
    if (rows[i].empty()) continue;
    ASSERT_EQ(copy_of(rows[i]), model_[ids[i]]);
    ASSERT_EQ(rows[i].data(), view.find_bytes(ids[i])->data()) << "a copy";
  }
}

TEST_F(ReadViewTest, GetManyRefusesAnOutputOfAnotherLength) {
  put(1, 1);
  const ReadView view = store_->view();
  const std::array<std::uint64_t, 2> ids{1, 1};
  std::array<std::span<const std::byte>, 1> rows;
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, view.get_many(ids, rows)));
  EXPECT_TRUE(rows[0].empty());
  EXPECT_EQ(*view.get_many({}, {}), 0U);
}

TEST_F(ReadViewTest, ScanShowsEachVectorOnceInTheOrderOfRows) {
  EXPECT_TRUE(scanned(store_->view()).empty());
  put_all_sorts();
  EXPECT_EQ(scanned(store_->view()), model_);
  reopen();
  EXPECT_EQ(scanned(store_->view()), model_);
}

TEST_F(ReadViewTest, ScanStopsWhenItIsTold) {
  ASSERT_TRUE(put_many(0, 10));
  int seen = 0;
  store_->view().scan([&](const ViewRow&) { return ++seen < 3; });
  EXPECT_EQ(seen, 3);
}

TEST_F(ReadViewTest, TheMatrixHasEveryLiveRowAndSaysWhose) {
  const ReadView empty = store_->view();
  EXPECT_EQ(empty.rows().size(), 0U);
  put_all_sorts();
  const ReadView view = store_->view();
  EXPECT_EQ(in_matrix(view), model_);
  const RowMatrix matrix = view.rows();
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, matrix.elements<float>()));
  std::size_t bits = 0;
  for (const std::uint8_t byte : matrix.live) bits += static_cast<std::size_t>(std::popcount(byte));
  EXPECT_EQ(bits, view.size()) << "none beyond the rows";
}

TEST_F(ReadViewTest, WhatIsWrittenLaterIsInNoneOfThem) {
  put_all_sorts();
  const ReadView view = store_->view();
  const Model then = model_;
  const auto changes = *view.changes(0);
  ASSERT_TRUE(put_many(0, 40, 9'000));
  remove(500);
  put_between_claim_and_commit();
  EXPECT_EQ(scanned(view), then);
  EXPECT_EQ(in_matrix(view), then);
  EXPECT_EQ(*view.changes(0), changes);
  EXPECT_EQ(scanned(store_->view()), model_);
}

TEST_F(ReadViewTest, LsnOfNamesTheBatchThatPutAVector) {
  put(7, 1);
  ASSERT_TRUE(put_many(20, 3));
  const ReadView view = store_->view();
  put(7, 2);
  remove(20);
  EXPECT_EQ(*view.lsn_of(7), 1U);
  EXPECT_EQ(*view.lsn_of(21), 2U);
  EXPECT_EQ(*store_->view().lsn_of(7), 3U);
  EXPECT_TRUE(failed_with(ErrorCode::not_found, store_->view().lsn_of(20)));
  EXPECT_TRUE(failed_with(ErrorCode::not_found, view.lsn_of(99)));
}

TEST_F(ReadViewTest, ChangesGiveTheNewestStateOfEachIdSince) {
  std::map<std::uint64_t, IdChange> newest;
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t id = random_() % 40;
    if (random_() % 4 != 0) {
      put(id, random_());
    } else if (!*store_->remove(id)) {
      continue;
    }
    const std::uint64_t lsn = store_->view().lsn();
    newest[id] = {.id = id, .lsn = lsn, .removed = !store_->view().contains(id)};
  }
  const ReadView view = store_->view();
  for (const std::uint64_t since : {std::uint64_t{0}, view.lsn() / 2, view.lsn() - 1, view.lsn(),
                                    std::numeric_limits<std::uint64_t>::max()}) {
    std::vector<IdChange> wanted;
    for (const auto& [id, change] : newest) {
      if (change.lsn > since) wanted.push_back(change);
    }
    std::ranges::sort(wanted, {}, &IdChange::lsn);
    EXPECT_EQ(*view.changes(since), wanted) << since;
  }
}

TEST_F(ReadViewTest, ChangesThatACompactionForgotAreRefused) {
  for (std::uint64_t id = 0; id < 10; ++id) put(id, id);
  remove(3);
  ASSERT_TRUE(succeeded(store_->compact()));
  put(4, 44);
  remove(5);
  for (int round = 0; round < 2; ++round) {
    const ReadView view = store_->view();
    EXPECT_EQ(view.history_lsn(), 11U);
    const auto refused = view.changes(10);
    ASSERT_TRUE(failed_with(ErrorCode::out_of_range, refused));
    EXPECT_EQ(refused.error().detail(),
              "the store knows every change after batch 11, not all since 10");
    EXPECT_EQ(*view.changes(11), (std::vector<IdChange>{{.id = 4, .lsn = 12, .removed = false},
                                                        {.id = 5, .lsn = 13, .removed = true}}));
    reopen();
  }
}

TEST_F(ReadViewTest, PrefaultAndEvictChangeNothingThatIsRead) {
  const ReadView empty = store_->view();
  EXPECT_TRUE(succeeded(empty.prefault()));
  EXPECT_TRUE(succeeded(empty.evict()));
  put_all_sorts();
  const ReadView view = store_->view();
  const std::array<std::uint64_t, 4> ids{1, 77'777, 905, 1};
  EXPECT_TRUE(succeeded(view.prefault(ids)));
  EXPECT_TRUE(succeeded(view.prefault()));
  EXPECT_TRUE(succeeded(view.evict()));
  EXPECT_EQ(scanned(view), model_);
}

TEST_F(ReadViewTest, PrefaultSaysThatTheFileWasCut) {
  ASSERT_TRUE(put_many(0, 2'000));  // 8 pages
  const ReadView view = store_->view();
  auto opened = disk_->open(file("gen-1.rows"), os::OpenMode::read_write, 0);
  ASSERT_TRUE(succeeded(opened));
  ASSERT_TRUE(succeeded((*opened)->truncate(8'192)));
  const std::array<std::uint64_t, 1> there{5};
  const std::array<std::uint64_t, 2> gone{5, 1'500};
  EXPECT_TRUE(succeeded(view.prefault(there)));
  const auto refused = view.prefault(gone);
  ASSERT_TRUE(failed_with(ErrorCode::truncated, refused));
  EXPECT_EQ(refused.error().path(), file("gen-1.rows"));
  EXPECT_EQ(refused.error().range(), (ByteRange{4096 + 1'500 * kDimension, kDimension}));
  EXPECT_TRUE(failed_with(ErrorCode::truncated, view.prefault()));
}

}  // namespace
}  // namespace quire::vector
