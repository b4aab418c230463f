// A full disk: puts are refused, nothing is lost, and removes, checkpoints and compaction go on.
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "vector/control_page.hpp"
#include "vector/row_file.hpp"
#include "vector/slot_file.hpp"
#include "vector/spare_logs.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class FullDisk : public StoreTest {
 protected:
  static constexpr std::uint64_t kDisk = std::uint64_t{2} << 20;

  void create_on_small_disk(Durability durability = Durability::power_loss) {
    disk_->set_capacity(kDisk);
    // Checkpoints when they are asked for only, so that the log takes what there is.
    create(durability, {.checkpoint_log_bytes = kDisk, .compact_above = 1});
  }

  // Puts batches until there is no space for another; returns how many ids there are.
  std::uint64_t fill(std::uint64_t each) {
    std::uint64_t id = 0;
    while (true) {
      const auto put = put_many(id, each);
      if (!put) {
        EXPECT_EQ(put.error().code(), ErrorCode::no_space) << put.error().message();
        break;
      }
      id += each;
    }
    EXPECT_GT(id, 1000U);
    return id;
  }

  // One by one.
  void remove_many(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t id = first; id < first + count; ++id) {
      const auto removed = store_->remove(id);
      ASSERT_TRUE(succeeded(removed)) << "id " << id;
      model_.erase(id);
    }
  }

  std::uint64_t allocated(const std::string& name) const {
    return disk_->info(file(name))->allocated_bytes;
  }
};

TEST_F(FullDisk, TakesRemovesAndCheckpointsAndThenPutsAgain) {
  for (const std::uint64_t each : {20U, 3000U}) {
    SCOPED_TRACE(each);
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create_on_small_disk();
    const std::uint64_t ids = fill(each);
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(failed_with(ErrorCode::no_space, put_many(ids, each)));
    }
    EXPECT_EQ(contents_of(*store_), model_) << "reads go on";
    remove_many(0, 1000);
    ASSERT_TRUE(succeeded(store_->checkpoint()));
    remove_many(1000, 100);
    EXPECT_EQ(contents_of(*store_), model_);
    lose_power();
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
    put(1'000'000, 1);  // the checkpoint gave the logs back
    remove_many(1100, 50);
    ASSERT_TRUE(succeeded(store_->close()));
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }
}

TEST_F(FullDisk, TakesManyRemovesOneByOneWithoutBeingAsked) {
  create_on_small_disk();
  const std::uint64_t ids = fill(1000);
  ASSERT_GT(ids, 5000U);
  remove_many(0, 5000);  // more than the log that is kept for removes has room for
  EXPECT_EQ(contents_of(*store_), model_);
}

// They come while the checkpoint syncs rows, and has no log yet.
TEST_F(FullDisk, RemovesLeaveTheLastSpareToACheckpoint) {
  options_.spare_log_bytes = 16 << 10;
  create(Durability::power_loss, options_);
  ASSERT_TRUE(put_many(0, 1000));
  ASSERT_TRUE(succeeded(store_->close()));
  background_ = true;  // what removes make due waits for the checkpoint
  reopen();
  put(2000, 1);
  // The first chores end with the metrics; the spares are there by then.
  while (disk_->info(file("LOCK"))->size <= kMetricsBlockOffset) std::this_thread::yield();
  disk_->set_capacity(1);
  std::uint64_t removed = 0;
  disk_->set_hook([&, has_come = false](const os::SimulatedCall& call) mutable {
    const bool syncs_rows =
        call.path == file("gen-1.rows") && std::string(call.operation) == "sync";
    if (!syncs_rows || std::exchange(has_come, true)) return os::SimulatedOutcome{};
    while (true) {
      const auto result = store_->remove(removed);
      if (!result) {
        EXPECT_TRUE(failed_with(ErrorCode::no_space, result));
        break;
      }
      model_.erase(removed++);
    }
    return os::SimulatedOutcome{};
  });
  EXPECT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_GT(removed, options_.spare_log_bytes / 96) << "one spare was theirs";
  EXPECT_EQ(contents_of(*store_), model_);
  store_.reset();
  disk_->set_hook({});
}

TEST_F(FullDisk, KeepsItsReserveWhileOnlyPutsAreTried) {
  create_on_small_disk();
  const std::uint64_t ids = fill(100);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(failed_with(ErrorCode::no_space, put_many(ids, 100)));
  }
  remove_many(0, 500);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_EQ(contents_of(*store_), model_);
}

// The live rows have no room beside the dead ones, until those have given theirs back in place.
TEST_F(FullDisk, IsCompacted) {
  constexpr std::uint32_t kLarge = 4000;
  disk_->set_capacity(8 << 20);
  const VectorStoreOptions made{.dimension = kLarge, .element_type = ElementType::u8};
  const OpenStoreOptions opened{.direct_batch_bytes = 1, .compact_above = 1, .background = false};
  auto store = StoreAccess::create(*disk_, kStorePath, made, opened);
  ASSERT_TRUE(succeeded(store));
  std::uint64_t rows = 0;
  Model model;
  while (true) {
    const auto row = vector_of(rows, kLarge);
    if (!store->put(rows, row)) break;
    model[rows++] = row;
  }
  ASSERT_GT(rows, 1700U);
  for (std::uint64_t id = 0; id < 1200; ++id) {
    ASSERT_TRUE(*store->remove(id));
    model.erase(id);
  }
  const auto compacted = store->compact();
  ASSERT_TRUE(succeeded(compacted));
  EXPECT_EQ(compacted->rows, rows - 1200);
  EXPECT_EQ(contents_of(*store), model);
  EXPECT_TRUE(succeeded(store->put(1, vector_of(1, kLarge))));
}

TEST_F(FullDisk, SpaceThatWasReservedIsThereWhenOthersFillTheDisk) {
  disk_->set_capacity(kDisk);
  create(Durability::power_loss, {.direct_batch_bytes = 1});
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->reserve(20'000)));
  auto other = disk_->open("/other", os::OpenMode::create_new, 0644);
  ASSERT_TRUE(succeeded(other));
  const std::vector<std::byte> block(64 << 10);
  for (std::uint64_t at = 0; (*other)->write_all(at, block); at += block.size()) continue;
  EXPECT_TRUE(succeeded(put_many(0, 300)));  // not more than the log has room for
  EXPECT_TRUE(failed_with(ErrorCode::capacity, store_->reserve(kMaxRows)));
  EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->reserve(1'000'000)));
}

// The system keeps what it could give of an allocation that failed: all there was.
TEST_F(FullDisk, WhatCouldNotBeReservedInWholeIsLeftToOthers) {
  create();
  put(1, 1);
  const auto identity = read_manifest(*disk_, kStorePath)->identity;
  auto rows = RowFile::create(*disk_, "/", identity, 1);
  ASSERT_TRUE(succeeded(rows));
  auto slots = SlotFile::create(*disk_, "/", identity, 1);
  ASSERT_TRUE(succeeded(slots));
  auto rows_file = disk_->open((*rows)->path(), os::OpenMode::read, 0);
  ASSERT_TRUE(succeeded(rows_file));
  constexpr std::uint64_t kLarge = std::uint64_t{1} << 40;
  disk_->set_capacity(kLarge);
  disk_->set_capacity(kLarge - (*rows_file)->space()->free_bytes + (32 << 10));
  const std::vector<std::byte> row(kDimension);
  EXPECT_TRUE(succeeded((*rows)->write(0, row)));
  EXPECT_EQ((*rows_file)->info()->size, kHeaderBytes + kDimension) << "no more ahead";
  EXPECT_TRUE(failed_with(ErrorCode::no_space, (*rows)->reserve(1'000'000)));
  EXPECT_EQ((*rows_file)->info()->size, kHeaderBytes + kDimension);
  EXPECT_TRUE(failed_with(ErrorCode::no_space, (*slots)->reserve(1'000'000)));
  EXPECT_EQ(disk_->info("/gen-1.slots")->size, kHeaderBytes);
}

TEST_F(FullDisk, SparesAreMadeAgainAndDamagedOnesReplaced) {
  create();
  put(1, 1);
  EXPECT_EQ(disk_->info(file(spare_name(1)))->size, OpenStoreOptions().spare_log_bytes);
  EXPECT_EQ(disk_->info(file(spare_name(2)))->size, OpenStoreOptions().spare_log_bytes);
  ASSERT_TRUE(succeeded(disk_->flip(file(spare_name(1)), 70'000, std::byte{1})));
  reopen();
  EXPECT_FALSE(disk_->info(file(spare_name(1))).has_value());
  EXPECT_FALSE(disk_->info(file(spare_name(2))).has_value());
  put(2, 2);
  EXPECT_TRUE(disk_->info(file(spare_name(2))).has_value());
}

class DeadRuns : public FullDisk {
 protected:
  DeadRuns() { options_.compact_above = 1; }

  // Larger rows make longer runs.
  static constexpr std::uint64_t kRows = 100'000;

  std::uint64_t rows_on_disk() const { return allocated("gen-1.rows"); }

  // All rows but the first 10 die, in one run.
  void make_dead_run() {
    WriteBatch batch;
    for (std::uint64_t id = 10; id < kRows; ++id) batch.remove(id);
    ASSERT_TRUE(succeeded(store_->write(batch)));
    for (std::uint64_t id = 10; id < kRows; ++id) model_.erase(id);
  }
};

TEST_F(DeadRuns, AreGivenBackOnceTheirEndIsInACheckpoint) {
  create(Durability::power_loss, options_);
  ASSERT_TRUE(put_many(0, kRows));
  make_dead_run();
  EXPECT_GT(rows_on_disk(), kRows * kDimension);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_LT(rows_on_disk(), kRows * kDimension / 2);
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(store_->verify()->ok());
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_EQ(contents_of(*store_), model_);
}

// A loss of power may take back the batch that made them dead.
TEST_F(DeadRuns, StayIfTheirEndCameDuringTheCheckpoint) {
  background_ = true;
  create(Durability::process_crash, options_);
  ASSERT_TRUE(put_many(0, kRows));
  const Model was = model_;
  std::atomic<bool> has_come = false;  // the hook is called by the store's thread too
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (call.path == file("MANIFEST.tmp") && std::string(call.operation) == "sync" &&
        !has_come.exchange(true)) {
      make_dead_run();
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  disk_->set_hook({});
  EXPECT_TRUE(has_come);
  EXPECT_GT(rows_on_disk(), kRows * kDimension);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), was);
}

TEST_F(DeadRuns, StayWhileAViewShowsThem) {
  create(Durability::power_loss, options_);
  ASSERT_TRUE(put_many(0, kRows));
  const Model was = model_;
  std::optional<ReadView> view = store_->view();
  const ReadView copy = *view;
  make_dead_run();
  const ReadView newer = store_->view();
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  view.reset();
  EXPECT_GT(rows_on_disk(), kRows * kDimension);
  EXPECT_EQ(contents_of(copy), was);
  // Nor does a new writer take them from a view that outlives the old one.
  ASSERT_TRUE(succeeded(store_->close()));
  auto again = open(StoreMode::read_write, options_);
  ASSERT_TRUE(succeeded(again));
  store_.emplace(*std::move(again));
  put(1, 100);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_GT(rows_on_disk(), kRows * kDimension);
  EXPECT_EQ(contents_of(copy), was);
}

TEST_F(DeadRuns, StayWhileAReaderInAnotherOpeningShowsThem) {
  create(Durability::power_loss, options_);
  ASSERT_TRUE(put_many(0, kRows));
  const Model was = model_;
  auto reader = open(StoreMode::read_only);
  ASSERT_TRUE(succeeded(reader));
  make_dead_run();
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_EQ(contents_of(*reader), was);
  std::optional<ReadView> view = reader->view();
  ASSERT_TRUE(succeeded(reader->close()));
  reopen();
  put(1, 100);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_EQ(contents_of(*view), was) << "a view keeps the file, and the lock on it";
  view.reset();
  reopen();
  put(1, 101);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_LT(rows_on_disk(), kRows * kDimension / 2);
}

// It has looked at the MANIFEST, and has no lock on the rows yet.
TEST_F(DeadRuns, AreNotShownByAReaderThatOpensMeanwhile) {
  create(Durability::power_loss, options_);
  ASSERT_TRUE(put_many(0, kRows));
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  bool has_come = false;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool opens_rows =
        call.path == file("gen-1.rows") && std::string(call.operation) == "open";
    if (opens_rows && !std::exchange(has_come, true)) {
      make_dead_run();
      EXPECT_TRUE(succeeded(store_->checkpoint()));
    }
    return os::SimulatedOutcome{};
  });
  const auto reader = open(StoreMode::read_only);
  disk_->set_hook({});
  EXPECT_TRUE(has_come);
  EXPECT_LT(rows_on_disk(), kRows * kDimension / 2);
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(contents_of(*reader), model_);
}

}  // namespace
}  // namespace quire::vector
