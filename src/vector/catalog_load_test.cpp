// Opening from slots of many blocks, which several cores take: the same as one entry after the other.
#include "vector/catalog_load.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class CatalogLoadTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kEntries = 3 * VersionTable::kLeaf + 17;

  // Puts, updates and removes of dense and scattered ids.
  void SetUp() override {
    std::mt19937_64 random(4);
    Catalog model;
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      const std::uint64_t id = random() % 2 == 0 ? random() % 5'000 : random() % 5'000 << 40U;
      const bool removes = model.is_live(id) && random() % 3 == 0;
      entries_.push_back({.kind = removes ? OperationKind::remove : OperationKind::put,
                          .id = id,
                          .row = removes ? 0 : i,
                          .lsn = i / 3 + 1,
                          .row_checksum = removes ? 0 : random()});
      model.apply(entries_.back());
    }
    manifest_.identity.dimension = 4;
    manifest_.checkpoint_lsn = kEntries;
    manifest_.slot_count = kEntries;
    manifest_.row_limit = kEntries;
    manifest_.live = model.live();
  }

  Result<void> load() {
    EXPECT_TRUE(succeeded(disk_.make_directory("/store")));
    auto slots = SlotFile::create(disk_, "/store", manifest_.identity, 1);
    EXPECT_TRUE(succeeded(slots));
    EXPECT_TRUE(succeeded((*slots)->write(0, entries_)));
    for (const std::uint64_t entry : flipped_) {
      EXPECT_TRUE(succeeded(disk_.flip((*slots)->path(), 4096 + entry * 48 + 9, std::byte{1})));
    }
    return load_catalog(**slots, manifest_, catalog_);
  }

  static std::string place(std::uint64_t entry, const std::string& what) {
    const std::uint64_t at = 4096 + entry * 48;
    return "open /store/gen-1.slots [" + std::to_string(at) + ", " + std::to_string(at + 48) +
           "): corrupt: " + what;
  }
  static std::string impossible(std::uint64_t entry) {
    return place(entry, "entry " + std::to_string(entry) + " has an impossible value");
  }

  os::SimulatedFileSystem disk_;
  Manifest manifest_;
  std::vector<SlotEntry> entries_;
  std::vector<std::uint64_t> flipped_;
  Catalog catalog_;
};

TEST_F(CatalogLoadTest, IsWhatApplyingOneByOneGives) {
  ASSERT_TRUE(succeeded(load()));
  Catalog model;
  for (const SlotEntry& entry : entries_) model.apply(entry);
  EXPECT_EQ(catalog_.live(), model.live());
  ASSERT_EQ(catalog_.versions().size(), kEntries);
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    const Version is = catalog_.versions()[i];
    const Version wanted = model.versions()[i];
    ASSERT_EQ(is.id, wanted.id);
    ASSERT_EQ(is.lsn, wanted.lsn);
    ASSERT_EQ(is.row, wanted.row);
    ASSERT_EQ(is.row_checksum, wanted.row_checksum);
    ASSERT_EQ(is.older, wanted.older);
    ASSERT_EQ(is.superseded, wanted.superseded);
    ASSERT_EQ(catalog_.find_row(kEntries, is.id), model.find_row(kEntries, is.id));
    ASSERT_EQ(catalog_.find_row(i, is.id), model.find_row(i, is.id)) << "an older view";
  }
}

TEST_F(CatalogLoadTest, NamesTheFirstOfSeveralDamagedEntries) {
  flipped_ = {kEntries - 1, 9'000, 5'001, 5'002};
  const auto refused = load();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(refused.error().message(), place(5'001, "the checksum of entry 5001 is wrong"));
}

TEST_F(CatalogLoadTest, RefusesAnLsnThatDecreasesFromBlockToBlock) {
  entries_[VersionTable::kLeaf].lsn = 1;
  flipped_ = {9'000};
  const auto refused = load();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(refused.error().message(), impossible(VersionTable::kLeaf));
}

TEST_F(CatalogLoadTest, RefusesAnLsnThatDecreasesWithinABlock) {
  entries_[7'000].lsn = 1;
  const auto refused = load();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(refused.error().message(), impossible(7'000));
}

TEST_F(CatalogLoadTest, RefusesARowBeyondTheLimit) {
  entries_[7'000].row = kEntries;
  entries_[7'000].kind = OperationKind::put;
  const auto refused = load();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), impossible(7'000));
}

TEST_F(CatalogLoadTest, RefusesAnLsnBeyondTheCheckpoint) {
  entries_.back().lsn = manifest_.checkpoint_lsn + 1;
  const auto refused = load();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(refused.error().message(), impossible(kEntries - 1));
}

TEST_F(CatalogLoadTest, RefusesLiveIdsThatAreNotAsManyAsTheManifestSays) {
  ++manifest_.live;
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, load()));
}

TEST_F(CatalogLoadTest, AnEmptyListIsAnEmptyCatalog) {
  entries_.clear();
  manifest_.slot_count = manifest_.live = 0;
  ASSERT_TRUE(succeeded(load()));
  EXPECT_EQ(catalog_.versions().size(), 0U);
  EXPECT_FALSE(catalog_.newest(1).has_value());
}

}  // namespace
}  // namespace quire::vector
