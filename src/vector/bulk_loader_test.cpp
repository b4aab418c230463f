// Loading by claims: what each call does, and what it refuses.
#include "quire/bulk_loader.hpp"

#include <cerrno>
#include <set>

#include "vector/bulk_load_fixture.hpp"

namespace quire::vector {
namespace {

class BulkLoading : public BulkLoadTest {};

TEST_F(BulkLoading, WhatIsAppendedIsSeenAfterItsCommit) {
  create();
  put(1, 100);
  auto loader = load();
  auto rows = claim(loader, 3);
  ASSERT_TRUE(append(rows, {1, 2}));
  ASSERT_TRUE(append(rows, {3}));
  EXPECT_EQ(rows.rows.size(), 3U);
  EXPECT_EQ(contents_of(*store_), model_);
  const ReadView before = store_->view();
  ASSERT_TRUE(commit(loader, rows));
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(before.size(), 1U);
  EXPECT_EQ(store_->info()->lsn, 2U);
  EXPECT_TRUE(store_->verify()->ok());
}

TEST_F(BulkLoading, PartsOfOneCommitAreOneBatch) {
  create();
  auto loader = load();
  std::vector<Claim> parts;
  for (std::uint64_t part = 0; part < 4; ++part) {
    parts.push_back(claim(loader, 10));
    ASSERT_TRUE(append(parts.back(), {part * 10, part * 10 + 1}));
  }
  ASSERT_TRUE(commit(loader, parts));
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->info()->lsn, 1U);
}

TEST_F(BulkLoading, NoRowIsHandedOutTwice) {
  create();
  auto one = load();
  auto other = load();
  std::set<std::uint64_t> ids;
  for (std::uint64_t i = 0; i < 40; ++i) {
    auto& loader = i % 2 == 0 ? one : other;
    auto rows = claim(loader, 1 + i % 7);
    put(10'000 + i, i);
    for (std::uint64_t k = 0; k < rows.rows.capacity() - i % 2; ++k) {
      ASSERT_TRUE(append(rows, {i * 10 + k}));
    }
    if (i % 5 != 0) {
      ASSERT_TRUE(commit(loader, rows));
    }
  }
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(store_->verify()->ok());
}

TEST_F(BulkLoading, OfAnIdThatComesTwiceTheLastCounts) {
  create();
  auto loader = load();
  std::vector<Claim> parts;
  parts.push_back(claim(loader, 4));
  parts.push_back(claim(loader, 4));
  ASSERT_TRUE(append(parts[1], {7, 8, 7}));
  ASSERT_TRUE(append(parts[0], {9, 7}));
  ASSERT_TRUE(commit(loader, parts));
  EXPECT_EQ(model_[7], parts[1].appended[2].second) << "the last of the last part";
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(BulkLoading, RowsThatWereNotWrittenAreClaimedAgain) {
  create();
  auto loader = load({.expected_rows = 10});
  {
    auto unwritten = claim(loader, 10);
    auto written = claim(loader, 10);
    ASSERT_TRUE(append(written, {1, 2, 3}));
  }
  const std::uint64_t size = disk_->info(file("gen-1.rows"))->size;
  auto rows = claim(loader, 10);
  ASSERT_TRUE(append(rows, {4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
  ASSERT_TRUE(commit(loader, rows));
  EXPECT_EQ(disk_->info(file("gen-1.rows"))->size, size);
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(BulkLoading, SpaceThatWasNotUsedGoesBackWithTheLoad) {
  create();
  {
    auto loader = load({.expected_rows = 100'000});
    auto rows = claim(loader, 2);
    ASSERT_TRUE(append(rows, {1}));
    ASSERT_TRUE(commit(loader, rows));
  }
  EXPECT_EQ(disk_->info(file("gen-1.rows"))->size, kHeaderBytes + kDimension);
  put(2, 2);
  EXPECT_EQ(store_->info()->fragmentation, 0.0);
  ASSERT_TRUE(succeeded(store_->close()));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(BulkLoading, NoByteOfARowIsWrittenTwice) {
  create(Durability::power_loss, {.checkpoint_log_bytes = 1});
  std::uint64_t to_rows = 0;
  std::uint64_t to_log = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (std::string(call.operation) != "write") return os::SimulatedOutcome{};
    if (call.path.ends_with(".rows")) to_rows += call.range.length;
    if (call.path.ends_with("log-1.wal")) to_log += call.range.length;
    return os::SimulatedOutcome{};
  });
  auto loader = load();
  auto rows = claim(loader, 100'000);
  std::vector<std::uint64_t> ids(100'000);
  for (std::uint64_t i = 0; i < ids.size(); ++i) ids[i] = i;
  ASSERT_TRUE(append(rows, ids));
  EXPECT_EQ(to_rows, 100'000 * kDimension);
  ASSERT_TRUE(commit(loader, rows));
  EXPECT_EQ(to_rows, 100'000 * kDimension);
  EXPECT_GE(to_log, 100'000U * 32);
  EXPECT_LT(to_log, 100'000U * (32 + kDimension)) << "the record carries no row";
}

TEST_F(BulkLoading, RowsClaimedBeforeACheckpointAreCommittedAfterIt) {
  for (const auto durability : {Durability::power_loss, Durability::process_crash}) {
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create(durability);
    {
      auto loader = load();
      auto rows = claim(loader, 3);
      ASSERT_TRUE(append(rows, {1, 2}));
      put(9, 9);  // behind the claim
      ASSERT_TRUE(succeeded(store_->checkpoint()));
      ASSERT_TRUE(commit(loader, rows));
      EXPECT_EQ(contents_of(*open(StoreMode::read_only)), model_);
      ASSERT_TRUE(succeeded(store_->sync()));
    }
    lose_power();
    reopen();
    EXPECT_EQ(store_->recovery().replayed_batches, 1U);
    EXPECT_EQ(contents_of(*store_), model_);
    EXPECT_TRUE(store_->verify()->ok());
  }
}

TEST_F(BulkLoading, WhatWasNotCommittedIsGoneAfterACrashAndItsRowsAreUsedAgain) {
  create();
  put(1, 1);
  {
    auto loader = load();
    auto rows = claim(loader, 50);
    ASSERT_TRUE(append(rows, {1, 2, 3}));
    lose_power(os::Survivors::all);
  }
  EXPECT_GE(disk_->info(file("gen-1.rows"))->size, kHeaderBytes + 50 * kDimension);
  reopen();
  EXPECT_EQ(disk_->info(file("gen-1.rows"))->size, kHeaderBytes + kDimension);
  EXPECT_EQ(contents_of(*store_), model_);
  put(2, 2);
  EXPECT_EQ(store_->info()->fragmentation, 0.0);
}

TEST_F(BulkLoading, WhatWasNotCommittedIsInNoCheckpoint) {
  create();
  put(1, 1);
  {
    auto loader = load();
    auto rows = claim(loader, 50);
    ASSERT_TRUE(append(rows, {1, 2, 3}));
    ASSERT_TRUE(succeeded(store_->checkpoint()));
    lose_power();
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->info()->dead_rows, 0U);
}

TEST_F(BulkLoading, ACloseWaitsForItsEnd) {
  create();
  std::optional<BulkLoader> loader = load();
  std::optional<Claim> rows = claim(*loader, 1);
  EXPECT_TRUE(failed_with(ErrorCode::busy, store_->close()));
  loader.reset();
  EXPECT_TRUE(failed_with(ErrorCode::busy, store_->close())) << "rows of it live";
  put(1, 1);
  rows.reset();
  EXPECT_TRUE(succeeded(store_->close()));
}

TEST_F(BulkLoading, ALoadOutlivesTheStoreObjectAndKeepsItsLock) {
  create();
  {
    auto loader = load();
    auto rows = claim(loader, 2);
    store_.reset();
    ASSERT_TRUE(append(rows, {1, 2}));
    EXPECT_TRUE(failed_with(ErrorCode::busy, open()));
    ASSERT_TRUE(commit(loader, rows));
    EXPECT_TRUE(failed_with(ErrorCode::busy, open()));
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(BulkLoading, RefusesWhatCannotBe) {
  create();
  auto loader = load();
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, loader.claim(0)));
  EXPECT_TRUE(failed_with(ErrorCode::capacity, loader.claim(kMaxRows + 1)));
  EXPECT_TRUE(failed_with(ErrorCode::capacity, loader.claim(~std::uint64_t{0})));

  auto rows = loader.claim(2).value();
  const std::uint64_t id = 1;
  const std::vector<float> floats(kDimension);
  const std::vector<std::uint8_t> bytes(3 * kDimension);
  const std::vector<std::uint64_t> ids{1, 2, 3};
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, rows.append({&id, 1}, floats)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, rows.append({&id, 1}, bytes)));
  EXPECT_TRUE(failed_with(ErrorCode::out_of_range, rows.append(ids, bytes)));
  EXPECT_EQ(rows.size(), 0U);
  EXPECT_EQ(rows.capacity(), 2U);
  EXPECT_TRUE(succeeded(loader.commit(std::span(&rows, 1)))) << "nothing happens";
  EXPECT_EQ(store_->info()->lsn, 0U);
}

TEST_F(BulkLoading, SpentRowsAndMovedFromLoadersAreClosed) {
  create();
  auto loader = load();
  auto claimed = claim(loader, 2);
  ASSERT_TRUE(append(claimed, {1}));
  ASSERT_TRUE(commit(loader, claimed));
  BulkRows& rows = claimed.rows;
  const std::uint64_t id = 1;
  EXPECT_EQ(rows.capacity(), 0U);
  EXPECT_TRUE(failed_with(ErrorCode::closed, rows.append({&id, 1}, vector_of(1, kDimension))));
  EXPECT_TRUE(failed_with(ErrorCode::closed, loader.commit(std::span(&rows, 1))));
  const BulkLoader other = std::move(loader);
  EXPECT_TRUE(failed_with(ErrorCode::closed, loader.claim(1)));  // NOLINT: it is the point
  EXPECT_TRUE(failed_with(ErrorCode::closed, loader.commit({})));
}

TEST_F(BulkLoading, RowsOfAnotherStoreAreRefused) {
  create();
  os::SimulatedFileSystem elsewhere;
  auto other = StoreAccess::create(elsewhere, kStorePath,
                                   {.dimension = kDimension, .element_type = ElementType::u8});
  auto loader = load();
  auto other_loader = other->bulk_load();
  auto rows = other_loader->claim(1).value();
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, loader.commit(std::span(&rows, 1))));
  EXPECT_TRUE(succeeded(other_loader->commit(std::move(rows))));
}

TEST_F(BulkLoading, AStoreThatIsNotWrittenHasNone) {
  create();
  EXPECT_TRUE(failed_with(ErrorCode::wrong_mode, open(StoreMode::read_only)->bulk_load()));
  ASSERT_TRUE(succeeded(store_->close()));
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->bulk_load()));
}

TEST_F(BulkLoading, ADiskWithoutRoomForABlockGivesTheClaim) {
  create();
  disk_->set_capacity(600'000);
  auto loader = load({.expected_rows = 1'000'000});
  auto rows = claim(loader, 10);
  EXPECT_TRUE(failed_with(ErrorCode::no_space, loader.claim(1'000'000)));
  ASSERT_TRUE(append(rows, {1, 2, 3}));
  ASSERT_TRUE(commit(loader, rows));
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(BulkLoading, GoesOnWhereSpaceCannotBeAllocated) {
  create();
  disk_->set_hook([](const os::SimulatedCall& call) {
    const bool allocate = std::string(call.operation) == "allocate";
    return os::SimulatedOutcome{.fail_with = allocate ? EOPNOTSUPP : 0};
  });
  {
    auto loader = load();
    auto rows = claim(loader, 10);
    EXPECT_GE(disk_->info(file("gen-1.rows"))->size, kHeaderBytes + 10 * kDimension);
    ASSERT_TRUE(append(rows, {1, 2, 3}));
    ASSERT_TRUE(commit(loader, rows));
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

}  // namespace
}  // namespace quire::vector
