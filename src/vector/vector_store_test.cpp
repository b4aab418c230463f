// What a vector store does when nothing goes wrong, and what it refuses.
#include <cerrno>
#include <limits>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

TEST_F(StoreTest, KeepsWhatWasPut) {
  create();
  put(7, 1);
  put(0, 2);
  put(std::numeric_limits<std::uint64_t>::max(), 3);
  EXPECT_EQ(contents_of(*store_), model_);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->recovery().replayed_batches, 3U);
}

TEST_F(StoreTest, ClosesCleanlyAndNeedsNoReplay) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  ASSERT_TRUE(succeeded(store_->close()));
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->put(1, vector_of(1, kDimension))));
  reopen();
  EXPECT_EQ(store_->recovery().replayed_batches, 0U);
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, AnUpdateReplacesAndARemoveRemoves) {
  create();
  put(1, 10);
  put(1, 11);
  put(2, 20);
  EXPECT_EQ(store_->remove(2).value(), true);
  EXPECT_EQ(store_->remove(2).value(), false);
  model_.erase(2);
  EXPECT_EQ(contents_of(*store_), model_);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(failed_with(ErrorCode::not_found, store_->get<std::uint8_t>(2)));
}

TEST_F(StoreTest, AMixedBatchIsAppliedInOrder) {
  create();
  put(1, 1);
  put(2, 2);
  WriteBatch batch;
  batch.put(1, vector_of(3, kDimension));
  batch.remove(1);
  batch.put(5, vector_of(4, kDimension));
  batch.put(5, vector_of(5, kDimension));
  batch.remove(99);
  batch.remove(2);
  batch.put(2, vector_of(6, kDimension));
  ASSERT_TRUE(succeeded(store_->write(batch)));
  model_ = {{5, vector_of(5, kDimension)}, {2, vector_of(6, kDimension)}};
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_EQ(store_->info()->lsn, 3U);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, TheLoserOfABatchTakesNoRow) {
  create();
  const std::vector<std::uint64_t> ids{4, 4, 4};
  std::vector<std::uint8_t> rows;
  for (std::uint64_t mark : {1U, 2U, 3U}) {
    const auto row = vector_of(mark, kDimension);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  ASSERT_TRUE(succeeded(store_->put_batch(ids, rows)));
  EXPECT_EQ(contents_of(*store_), (Model{{4, vector_of(3, kDimension)}}));
  EXPECT_EQ(store_->info()->fragmentation, 0.0);
}

TEST_F(StoreTest, AnEmptyBatchDoesNothing) {
  create();
  const std::uint64_t calls = disk_->calls();
  EXPECT_TRUE(succeeded(store_->put_batch({}, std::vector<std::uint8_t>{})));
  EXPECT_TRUE(succeeded(store_->write(WriteBatch{})));
  EXPECT_EQ(disk_->calls(), calls);
  EXPECT_EQ(store_->view().lsn(), 0U);
}

TEST_F(StoreTest, AViewDoesNotChange) {
  create();
  ASSERT_TRUE(put_many(0, 2000));
  const ReadView before = store_->view();
  const Model shown = model_;
  const auto row = before.find<std::uint8_t>(3);
  ASSERT_TRUE(put_many(0, 1000, 77));
  ASSERT_TRUE(put_many(5000, 20'000));
  ASSERT_TRUE(store_->remove(3).value());
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_EQ(contents_of(before), shown);
  EXPECT_EQ(before.find<std::uint8_t>(3)->data(), row->data());
  store_.reset();
  EXPECT_EQ(contents_of(before), shown);
}

TEST_F(StoreTest, FindCopiesNothing) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  const ReadView view = store_->view();
  // Neighbouring rows lie one behind the other: one dense matrix.
  EXPECT_EQ(view.find<std::uint8_t>(1)->data(), view.find<std::uint8_t>(0)->data() + kDimension);
}

TEST_F(StoreTest, ManyBatchesCheckpointByThemselves) {
  create(Durability::power_loss, {.checkpoint_log_bytes = 4096});
  for (std::uint64_t i = 0; i < 200; ++i) put(i % 50, i);
  EXPECT_GT(store_->info()->checkpoint_lsn, 100U);
  EXPECT_LE(store_->info()->log_bytes, 4096U + 200);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, ALargeBatchIsNotWrittenTwice) {
  create(Durability::power_loss, {.direct_batch_bytes = 1024});
  std::uint64_t rows_written = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool to_rows = call.path == file("gen-1.rows") && std::string(call.operation) == "write";
    rows_written += to_rows ? call.range.length : 0;
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(put_many(0, 20'000));
  EXPECT_EQ(rows_written, 20'000U * kDimension);
  EXPECT_LT(store_->info()->log_bytes, 20'000U * 33) << "the log names the rows, it has none";
  ASSERT_TRUE(succeeded(store_->close()));
  EXPECT_EQ(rows_written, 20'000U * kDimension);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, ABatchOfMoreThanOneRecordIsWhole) {
  create();
  const std::uint64_t count = kMaxOperationsPerRecord + 10;
  ASSERT_TRUE(put_many(0, count));
  lose_power();
  reopen();
  EXPECT_EQ(store_->recovery().replayed_batches, 1U);
  EXPECT_EQ(store_->view().size(), count);
  EXPECT_EQ(*store_->get<std::uint8_t>(count - 1), vector_of(count - 1, kDimension));
}

TEST_F(StoreTest, KeepsFloats) {
  auto made = StoreAccess::create(*disk_, kStorePath, {.dimension = 3});
  ASSERT_TRUE(succeeded(made));
  ASSERT_TRUE(succeeded(made->put(1, std::vector<float>{1.5F, -2.0F, 3.25F})));
  EXPECT_EQ(*made->get<float>(1), (std::vector<float>{1.5F, -2.0F, 3.25F}));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, made->get<std::uint8_t>(1)));
  const ReadView view = made->view();
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, view.find<std::uint8_t>(1)));
}

// Durability: what a returned put survives.

TEST_F(StoreTest, PowerLossDurabilitySurvivesPowerLoss) {
  create();
  put(1, 1);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, ProcessCrashDurabilitySurvivesAKillAndSyncRaisesIt) {
  create(Durability::process_crash);
  put(1, 1);
  lose_power(os::Survivors::all);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  put(2, 2);
  ASSERT_TRUE(succeeded(store_->sync()));
  const Model synced = model_;
  put(3, 3);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), synced);
}

// Their records only name them.
TEST_F(StoreTest, SyncRaisesRowsThatWentStraightToTheirFile) {
  create(Durability::process_crash);
  ASSERT_TRUE(put_many(0, 20'000));
  ASSERT_TRUE(succeeded(store_->sync()));
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, CheckpointOnlyKeepsWhatWasCheckpointed) {
  create(Durability::checkpoint_only);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->sync()));
  const Model synced = model_;
  put(1, 2);
  lose_power(os::Survivors::all);
  reopen();
  EXPECT_EQ(contents_of(*store_), synced);
}

// It shows rows that are in no log and no checkpoint: nobody else knows of them.
TEST_F(StoreTest, WithoutALogAViewKeepsWhatItShowsWhenTheStoreIsOpenedAgain) {
  create(Durability::checkpoint_only);
  ASSERT_TRUE(put_many(0, 5000));
  const ReadView view = store_->view();
  const Model was = model_;
  reopen();
  EXPECT_EQ(store_->view().size(), 0U);
  ASSERT_TRUE(put_many(0, 5000, 7));
  EXPECT_EQ(contents_of(view), was);
  EXPECT_EQ(contents_of(*store_), model_);
}

// Reading beside a writer, and reading what a crash left without writing.

TEST_F(StoreTest, AReaderSeesWhatIsCommitted) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  put(3, 33);
  auto reader = open(StoreMode::read_only);
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(contents_of(*reader), model_);
  EXPECT_TRUE(failed_with(ErrorCode::wrong_mode, reader->put(1, vector_of(1, kDimension))));
  EXPECT_TRUE(reader->verify()->ok());
}

TEST_F(StoreTest, AReaderAfterPowerLossKeepsLostRowsInPrivateMemory) {
  create();
  put(1, 1);
  put(2, 2);
  lose_power();  // the log survives, the rows do not
  const std::uint64_t before = disk_->info(file("gen-1.rows"))->size;
  auto reader = open(StoreMode::read_only);
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(contents_of(*reader), model_);
  EXPECT_TRUE(reader->verify()->ok());
  EXPECT_EQ(disk_->info(file("gen-1.rows"))->size, before);
}

// Bad input.

TEST_F(StoreTest, RefusesWrongVectors) {
  create();
  put(1, 1);
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, store_->put(1, vector_of(2, kDimension + 1))));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, store_->put(1, std::vector<float>(kDimension))));
  const std::vector<std::uint64_t> ids{1, 2};
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, store_->put_batch(ids, vector_of(2, kDimension))));
  WriteBatch batch;
  batch.put(9, vector_of(9, kDimension));
  batch.put(1, vector_of(2, 3));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, store_->write(batch)));
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, RefusesImpossibleStores) {
  for (const std::uint32_t dimension : {0U, kMaxDimension + 1}) {
    EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                            StoreAccess::create(*disk_, kStorePath, {.dimension = dimension})));
  }
  EXPECT_TRUE(failed_with(ErrorCode::not_found, disk_->info(kStorePath)));
  EXPECT_TRUE(failed_with(ErrorCode::not_found,
                          StoreAccess::create(*disk_, "/no/parent", {.dimension = 4})));
}

TEST_F(StoreTest, RefusesToCreateOverSomething) {
  create();
  put(1, 1);
  EXPECT_TRUE(failed_with(ErrorCode::exists,
                          StoreAccess::create(*disk_, kStorePath, {.dimension = kDimension})));
  EXPECT_EQ(contents_of(*store_), model_);
  ASSERT_TRUE(succeeded(disk_->make_directory("/home")));
  ASSERT_TRUE(succeeded(disk_->open("/home/letter.txt", os::OpenMode::create_new, 0644)));
  EXPECT_TRUE(
      failed_with(ErrorCode::exists, StoreAccess::create(*disk_, "/home", {.dimension = 4})));
  const auto refused = StoreAccess::create(*disk_, "/home/letter.txt", {.dimension = 4});
  ASSERT_TRUE(failed_with(ErrorCode::exists, refused));
  EXPECT_NE(refused.error().message().find("a file here"), std::string::npos);
}

TEST_F(StoreTest, RefusesWhatIsNoStore) {
  EXPECT_TRUE(failed_with(ErrorCode::not_found, open()));
  ASSERT_TRUE(succeeded(disk_->make_directory(kStorePath)));
  const auto refused = open();
  EXPECT_TRUE(failed_with(ErrorCode::not_found, refused));
  EXPECT_NE(refused.error().message().find("no vector store here"), std::string::npos);
  EXPECT_TRUE(disk_->list(kStorePath)->empty());
}

TEST_F(StoreTest, RefusesAnotherDimensionTypeOrDurability) {
  create();
  put(1, 1);
  store_.reset();
  EXPECT_TRUE(
      failed_with(ErrorCode::mismatch, open(StoreMode::read_write, {.dimension = kDimension + 1})));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch,
                          open(StoreMode::read_write, {.element_type = ElementType::f32})));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch,
                          open(StoreMode::read_write, {.durability = Durability::process_crash})));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, RefusesASecondWriter) {
  create();
  put(1, 1);
  EXPECT_TRUE(failed_with(ErrorCode::busy, open()));
  put(2, 2);
  store_.reset();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StoreTest, AWriterSeesWhatTheOneBeforeItWroteLast) {
  create(Durability::checkpoint_only);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->sync()));
  // The next writer has read the manifest when the last one writes once more and closes.
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (std::string(call.operation) == "lock" && store_) {
      put(2, 2);
      EXPECT_TRUE(succeeded(store_->close()));
      store_.reset();
    }
    return os::SimulatedOutcome{};
  });
  auto next = open();
  ASSERT_TRUE(succeeded(next));
  EXPECT_EQ(contents_of(*next), model_);
}

TEST_F(StoreTest, OpeningRemovesTheLogsThatNoLongerCount) {
  create();
  put(1, 1);
  disk_->set_hook([](const os::SimulatedCall& call) {
    const bool log = std::string(call.operation) == "remove" && call.path.ends_with(".wal");
    return os::SimulatedOutcome{.fail_with = log ? EIO : 0};
  });
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  disk_->set_hook({});
  reopen();
  EXPECT_EQ(store_->recovery().removed_files, (std::vector<std::string>{"log-1.wal"}));
  EXPECT_TRUE(failed_with(ErrorCode::not_found, disk_->info(file("log-1.wal"))));
}

TEST_F(StoreTest, AClosedStoreGivesAnEmptyView) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  const ReadView before = store_->view();
  ASSERT_TRUE(succeeded(store_->close()));
  const ReadView view = store_->view();
  EXPECT_EQ(view.size(), 0U);
  EXPECT_TRUE(failed_with(ErrorCode::not_found, view.find<std::uint8_t>(1)));
  EXPECT_TRUE(view.ids().empty());
  EXPECT_EQ(view.rows().size(), 0U);
  EXPECT_TRUE(view.changes(0)->empty());
  view.scan([](const ViewRow&) { return ADD_FAILURE() << "a row", false; });
  EXPECT_TRUE((*view.nearest(vector_of(1, kDimension), 3))[0].empty());
  EXPECT_EQ(contents_of(before), model_);
}

TEST_F(StoreTest, AMovedFromStoreIsClosed) {
  create();
  const VectorStore taken = *std::move(store_);
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->sync()));  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->verify()));
}

TEST_F(StoreTest, InfoTellsHowFull) {
  create();
  ASSERT_TRUE(put_many(0, 4));
  ASSERT_TRUE(put_many(0, 1, 9));
  const StoreInfo info = *store_->info();
  EXPECT_EQ(info.rows, 4U);
  EXPECT_EQ(info.dimension, kDimension);
  EXPECT_EQ(info.generation, 1U);
  EXPECT_EQ(info.format_version, 1U);
  EXPECT_DOUBLE_EQ(info.fragmentation, 0.2);
  EXPECT_GT(info.log_bytes, 0U);
  EXPECT_GT(info.bytes_on_disk, 8192U);
}

}  // namespace
}  // namespace quire::vector
