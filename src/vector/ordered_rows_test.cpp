#include "vector/ordered_rows.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class OrderedRowsTest : public StoreTest {
 protected:
  void SetUp() override { create(); }

  // The ids of everything, gathered by at most `most` at once.
  std::vector<std::uint64_t> ids_by(std::size_t most) {
    const auto state = StoreAccess::state(store_->view());
    OrderedRows rows(*state, most);
    std::vector<std::uint64_t> ids;
    for (auto entries = rows.next(); !entries.empty(); entries = rows.next()) {
      EXPECT_LE(entries.size(), most);
      for (const auto& [id, version] : entries) {
        EXPECT_EQ(state->catalog->versions()[version].id, id);
        ids.push_back(id);
      }
    }
    EXPECT_TRUE(rows.next().empty());
    return ids;
  }
};

TEST_F(OrderedRowsTest, GivesEveryLiveIdOnceAscendingHoweverManyAtOnce) {
  for (int i = 0; i < 300; ++i) put(random_() % 1000, random_());
  put(0, 1);
  put(std::numeric_limits<std::uint64_t>::max(), 2);
  for (std::uint64_t id = 0; id < 1000; id += 7) ASSERT_TRUE(succeeded(store_->remove(id)));
  const std::vector<std::uint64_t> wanted = store_->view().ids();
  ASSERT_GT(wanted.size(), 100U);
  for (const std::size_t most : {1U, 2U, 3U, 64U, 1000U}) EXPECT_EQ(ids_by(most), wanted) << most;
}

TEST_F(OrderedRowsTest, GivesNothingOfAnEmptyStore) { EXPECT_TRUE(ids_by(4).empty()); }

TEST_F(OrderedRowsTest, DoesNotSeeWhatWasWrittenAfterTheView) {
  put(5, 1);
  const ReadView view = store_->view();
  put(3, 2);
  put(5, 3);
  const auto state = StoreAccess::state(view);
  OrderedRows rows(*state, 8);
  const auto entries = rows.next();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].id, 5U);
  EXPECT_EQ(state->catalog->versions()[entries[0].version].lsn, 1U);
}

// As the writer of a snapshot goes over them twice, however many come at once.
TEST_F(OrderedRowsTest, BeginsAgainAfterRewind) {
  for (std::uint64_t id = 1; id <= 20; ++id) put(id * 3, id);
  const auto state = StoreAccess::state(store_->view());
  for (const std::size_t most : {1U, 7U, 20U, 64U}) {
    OrderedRows rows(*state, most);
    for (int pass = 0; pass < 3; ++pass) {
      std::vector<std::uint64_t> ids;
      for (auto entries = rows.next(); !entries.empty(); entries = rows.next()) {
        for (const auto& entry : entries) ids.push_back(entry.id);
      }
      EXPECT_EQ(ids, store_->view().ids()) << most << ", pass " << pass;
      rows.rewind();
    }
    EXPECT_FALSE(rows.next().empty());
    rows.rewind();  // in the middle
    EXPECT_EQ(rows.next().front().id, 3U);
  }
}

}  // namespace
}  // namespace quire::vector
