// Compaction: what it gives back, what it leaves alone, and what stops it.
#include <cerrno>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "vector/bulk_load_fixture.hpp"
#include "vector/next_generation.hpp"

namespace quire::vector {
namespace {

class Compaction : public BulkLoadTest {
 protected:
  void remove_many(std::uint64_t first, std::uint64_t count) {
    WriteBatch batch;
    for (std::uint64_t id = first; id < first + count; ++id) {
      batch.remove(id);
      model_.erase(id);
    }
    ASSERT_TRUE(succeeded(store_->write(batch)));
  }
  bool exists(const std::string& name) const { return disk_->info(file(name)).has_value(); }
  std::uint64_t allocated(const std::string& name) const {
    return disk_->info(file(name))->allocated_bytes;
  }
};

TEST_F(Compaction, GivesTheSpaceOfDeadRowsBack) {
  create();
  ASSERT_TRUE(put_many(0, 20'000));
  remove_many(0, 15'000);
  ASSERT_TRUE(put_many(19'000, 1000, 5));  // once more
  EXPECT_GT(store_->info()->fragmentation, 0.7);
  const std::uint64_t before = store_->info()->bytes_on_disk;
  const auto report = store_->compact();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, 5000U);
  EXPECT_EQ(report->generation, 2U);
  EXPECT_GT(report->bytes_reclaimed, 15'000U * (kDimension + kSlotEntryBytes));
  EXPECT_LT(store_->info()->bytes_on_disk, before - report->bytes_reclaimed / 2);
  EXPECT_EQ(store_->info()->fragmentation, 0);
  EXPECT_FALSE(exists("gen-1.rows"));
  EXPECT_FALSE(exists("gen-1.slots"));
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(store_->verify()->ok());
  put(3, 33);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->info()->generation, 2U);
}

TEST_F(Compaction, OfAStoreWithNothingDeadDoesNothing) {
  create();
  EXPECT_EQ(store_->compact()->generation, 0U);
  ASSERT_TRUE(put_many(0, 10));
  EXPECT_EQ(store_->compact()->generation, 0U);
  EXPECT_EQ(store_->info()->generation, 1U);
}

TEST_F(Compaction, OfAStoreWithNoLiveRowLeavesNone) {
  create();
  ASSERT_TRUE(put_many(0, 5000));
  remove_many(0, 5000);
  const auto report = store_->compact();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, 0U);
  EXPECT_EQ(disk_->info(file("gen-2.rows"))->size, kHeaderBytes);
  EXPECT_EQ(store_->view().size(), 0U);
  put(1, 1);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(Compaction, ViewsGoOnShowingWhatTheyShowed) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  const ReadView before = store_->view();
  const Model was = model_;
  remove_many(10, 80);
  ASSERT_TRUE(succeeded(store_->compact()));
  put(5, 55);
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_EQ(contents_of(before), was);
  EXPECT_EQ(contents_of(*store_), model_);
  store_.reset();
  EXPECT_EQ(contents_of(before), was);
}

// Else they would keep the old files, and their disk space, until the next batch.
TEST_F(Compaction, ViewsMadeAfterItShowTheNewGeneration) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_EQ(store_->view().history_lsn(), store_->view().lsn());
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(Compaction, KeepsTheLsnOfEachVector) {
  create();
  put(1, 1);
  put(2, 2);
  put(2, 3);
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_FALSE(*store_->put_if_unchanged(1, vector_of(9, kDimension), 3));
  EXPECT_TRUE(*store_->put_if_unchanged(1, vector_of(9, kDimension), 1));
  EXPECT_FALSE(*store_->put_if_unchanged(1, vector_of(9, kDimension), 1)) << "it is batch 4 now";
  EXPECT_FALSE(*store_->put_if_absent(2, vector_of(9, kDimension)));
  ASSERT_TRUE(*store_->remove(2));
  EXPECT_FALSE(*store_->put_if_unchanged(2, vector_of(9, kDimension), 3));
  EXPECT_TRUE(*store_->put_if_absent(2, vector_of(9, kDimension)));
}

TEST_F(Compaction, WaitsForBulkLoads) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  {
    BulkLoader loader = load();
    Claim rows = claim(loader, 10);
    EXPECT_TRUE(failed_with(ErrorCode::busy, store_->compact()));
    ASSERT_TRUE(append(rows, {1, 2, 3}));
    ASSERT_TRUE(commit(loader, rows));
  }
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(Compaction, GivesWayToABulkLoadThatBeginsMeanwhile) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  std::optional<BulkLoader> loader;
  std::optional<Claim> rows;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (!loader && call.path == file("gen-2.rows") && std::string(call.operation) == "sync") {
      loader.emplace(load());
      rows.emplace(claim(*loader, 10));
      EXPECT_TRUE(append(*rows, {1, 2, 3}));
    }
    return os::SimulatedOutcome{};
  });
  EXPECT_TRUE(failed_with(ErrorCode::busy, store_->compact()));
  disk_->set_hook({});
  ASSERT_TRUE(rows.has_value());
  EXPECT_TRUE(commit(*loader, *rows));
  EXPECT_EQ(contents_of(*store_), model_);
  rows.reset();
  loader.reset();
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(Compaction, OfADamagedRowIsRefusedAndNothingIsLost) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  ASSERT_TRUE(
      succeeded(disk_->flip(file("gen-1.rows"), kHeaderBytes + 70 * kDimension, std::byte{4})));
  const auto refused = store_->compact();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(
      refused.error().message(),
      "compact /store/gen-1.rows [5216, 5232): corrupt: the checksum of row 70 (id 70) is wrong");
  EXPECT_FALSE(exists("gen-2.rows"));
  put(200, 200);
  model_.erase(70);
  reopen();
  EXPECT_EQ(store_->view().size(), model_.size() + 1);
}

TEST_F(Compaction, FailingAnywhereLosesNothing) {
  for (const int with : {EIO, ENOSPC}) {
    for (std::uint64_t call = 0;; ++call) {
      ASSERT_LT(call, 300U);
      SCOPED_TRACE("errno " + std::to_string(with) + " at call " + std::to_string(call));
      store_.reset();
      disk_ = std::make_unique<os::SimulatedFileSystem>();
      model_.clear();
      create();
      ASSERT_TRUE(put_many(0, 30));
      remove_many(0, 20);
      disk_->set_hook([left = call, with](const os::SimulatedCall&) mutable {
        return os::SimulatedOutcome{.fail_with = left-- == 0 ? with : 0};
      });
      const auto compacted = store_->compact();
      disk_->set_hook({});
      ASSERT_EQ(contents_of(*store_), model_) << "reads go on";
      const auto put_more = store_->put(500, vector_of(500, kDimension));
      if (put_more) {
        model_[500] = vector_of(500, kDimension);
      } else {
        ASSERT_TRUE(failed_with(ErrorCode::read_only_after_error, put_more));
      }
      lose_power(os::Survivors::random);
      reopen();
      ASSERT_EQ(contents_of(*store_), model_);
      ASSERT_TRUE(store_->verify()->ok());
      ASSERT_EQ(exists("gen-1.rows") + exists("gen-2.rows"), 1);
      if (compacted && call > 60) break;
    }
  }
}

// Batches come under each copy but the last, for which writers wait.
TEST_F(Compaction, LosesNothingThatIsWrittenMeanwhile) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  const std::uint64_t begun = store_->view().lsn();
  std::uint64_t copies = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool copies_rows =
        call.path == file("gen-2.rows") && std::string(call.operation) == "write";
    if (copies_rows && call.range.offset >= kHeaderBytes && copies < 3) {
      ++copies;
      put(60 + copies, 600 + copies);
      put(200 + copies, 700 + copies);
      remove_many(80 + copies, 1);
    }
    return os::SimulatedOutcome{};
  });
  const auto compacted = store_->compact();
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(compacted));
  EXPECT_EQ(copies, 3U);
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->view().history_lsn(), begun);
  EXPECT_EQ(store_->view().changes(begun)->size(), 9U);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// Nothing but puts, of which the last are there for the copy for which writers wait: no other sync keeps those rows.
TEST_F(Compaction, KeepsWhatIsPutUnderTheLastCopy) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  remove_many(0, 50);
  std::uint64_t copies = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool copies_rows =
        call.path == file("gen-2.rows") && std::string(call.operation) == "write";
    if (copies_rows && call.range.offset >= kHeaderBytes && copies < 3) {
      ++copies;
      put(200 + copies, 700 + copies);
    }
    return os::SimulatedOutcome{};
  });
  const auto compacted = store_->compact();
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(compacted));
  EXPECT_EQ(copies, 3U);
  EXPECT_EQ(compacted->rows, 53U);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// A power cut may keep the rename of MANIFEST alone of what was done in the directory since its last sync. No log is
// made here, which would sync it too.
TEST_F(Compaction, MakesTheNamesOfItsFilesDurableBeforeTheManifestSaysThem) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  remove_many(0, 5);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  int cuts = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (std::string(call.operation) != "sync_directory") return os::SimulatedOutcome{};
    for (int i = 0; i < 50; ++i, ++cuts) {
      const auto after = disk_->power_cut(os::Survivors::random, random_);
      const auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
      EXPECT_TRUE(succeeded(opened));
      if (opened) {
        EXPECT_EQ(contents_of(*opened), model_);
      }
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(succeeded(store_->compact()));
  disk_->set_hook({});
  EXPECT_GE(cuts, 100);
}

// A compaction that a writer overtakes at calls of its own: those on files of the next generation.
class OvertakenCompaction : public Compaction {
 protected:
  // With their entries more than what a compaction leaves for the moment in which writers wait.
  static constexpr std::uint64_t kMany = 4'000;
  static constexpr std::uint32_t kWide = 1024;  // few puts are many bytes
  static constexpr std::uint64_t kMostLeftBytes = std::uint64_t{4} << 20;
  static_assert(kMany * (kWide + kSlotEntryBytes) > kMostLeftBytes);

  void SetUp() override {
    auto made = StoreAccess::create(
        *disk_, kStorePath,
        {.dimension = kWide,
         .element_type = ElementType::u8,
         .durability = Durability::process_crash},
        as_wanted({.checkpoint_log_bytes = std::uint64_t{1} << 30, .compact_above = 1}));
    ASSERT_TRUE(succeeded(made));
    store_.emplace(*std::move(made));
    for (std::uint64_t id = 0; id < 100; ++id) put_wide(id);
    remove_many(0, 50);
    for (std::uint64_t id = 1000; id < 1000 + kMany; ++id) {
      const auto row = vector_of(id, kWide);
      many_ids_.push_back(id);
      many_rows_.insert(many_rows_.end(), row.begin(), row.end());
    }
  }

  void put_wide(std::uint64_t id) {
    model_[id] = vector_of(id, kWide);
    ASSERT_TRUE(succeeded(store_->put(id, model_[id])));
  }

  // The same ids each time, with vectors of their own.
  void put_many(std::uint8_t mark) {
    for (std::uint64_t i = 0; i < kMany; ++i) many_rows_[i * kWide] = mark;
    ASSERT_TRUE(succeeded(store_->put_batch(many_ids_, many_rows_)));
  }

  // Calls `overtake` at each such call, but for those that it makes itself and those while it writes.
  void compact_and(const std::function<void(const os::SimulatedCall&)>& overtake) {
    disk_->set_hook([&, is_inside = false](const os::SimulatedCall& call) mutable {
      if (is_inside || !call.path.starts_with(file("gen-2."))) return os::SimulatedOutcome{};
      if (is_sync_of_rows(call)) {
        ++syncs_;
        written_before_sync_ = std::exchange(written_, 0);
      }
      if (std::string(call.operation) == "write") written_ += call.range.length;
      is_inside = true;
      overtake(call);
      is_inside = false;
      return os::SimulatedOutcome{};
    });
    const auto report = store_->compact();
    disk_->set_hook({});
    ASSERT_TRUE(succeeded(report));
    EXPECT_EQ(report->generation, 2U);
    expect_many();
    EXPECT_EQ(contents_of(*store_), model_);
    EXPECT_TRUE(store_->verify()->ok());
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }

  // As the last put_many left them.
  void expect_many() {
    for (std::uint64_t i = 0; i < kMany; ++i) {
      const auto row = std::span(many_rows_).subspan(i * kWide, kWide);
      model_[many_ids_[i]].assign(row.begin(), row.end());
    }
  }

  bool is_sync_of_rows(const os::SimulatedCall& call) const {
    return call.path == file("gen-2.rows") && std::string(call.operation) == "sync";
  }

  // Of the new rows: one a round that synced, and one while writers wait. The first is of the file's making.
  int syncs_ = -1;
  std::uint64_t written_ = 0;
  std::uint64_t written_before_sync_ = 0;  // between the last two syncs
  std::vector<std::uint64_t> many_ids_;
  std::vector<std::uint8_t> many_rows_;
};

TEST_F(OvertakenCompaction, DoesNotMakeWritersWaitForWhatTheyPutMeanwhile) {
  bool is_caught_up = false;
  compact_and([&](const os::SimulatedCall& call) {
    // What the next round will find to copy.
    if (is_sync_of_rows(call) && syncs_ == 1) put_wide(500);
    // That round has looked at what there is, and takes the lock next.
    if (syncs_ == 1 && !is_caught_up && call.path == file("gen-2.slots") &&
        std::string(call.operation) == "write") {
      is_caught_up = true;
      put_many(1);
    }
  });
  EXPECT_TRUE(is_caught_up);
  EXPECT_EQ(syncs_, 3) << "one more before writers wait";
  EXPECT_LT(written_before_sync_, kMostLeftBytes);
}

TEST_F(OvertakenCompaction, EndsThoughWritersNeverDo) {
  // As many as there are rounds, and then it has the lock.
  constexpr int kRounds = 21;
  compact_and([&](const os::SimulatedCall& call) {
    if (!is_sync_of_rows(call) || syncs_ < 1 || syncs_ > kRounds) return;
    put_many(static_cast<std::uint8_t>(syncs_));
  });
  EXPECT_EQ(syncs_, kRounds + 1);
  EXPECT_GT(written_before_sync_, kMostLeftBytes);
}

TEST_F(Compaction, IsDoneByItselfWhenEnoughRowsAreDead) {
  create(Durability::process_crash);
  ASSERT_TRUE(put_many(0, 300'000));
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(put_many(0, 60'000, round));
  }
  EXPECT_EQ(store_->info()->generation, 2U);
  EXPECT_LE(store_->info()->fragmentation, 0.3);
  EXPECT_EQ(store_->view().size(), 300'000U);
  EXPECT_EQ(*store_->get<std::uint8_t>(59'999), vector_of(60'002, kDimension));
}

TEST_F(Compaction, WhatAnUnfinishedOneLeftIsRemovedAtOpen) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  const auto identity = read_manifest(*disk_, kStorePath)->identity;
  auto unfinished = NextGeneration::create(*disk_, kStorePath, identity, 2);
  ASSERT_TRUE(succeeded(unfinished));
  (*unfinished)->keep();
  ASSERT_TRUE(exists("gen-2.rows"));
  reopen();
  EXPECT_FALSE(exists("gen-2.rows"));
  EXPECT_FALSE(exists("gen-2.slots"));
  EXPECT_EQ(store_->recovery().removed_files,
            (std::vector<std::string>{"gen-2.rows", "gen-2.slots"}));
}

}  // namespace
}  // namespace quire::vector
