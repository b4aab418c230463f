// Errors cost nothing acknowledged: every call of a write fails once, in every way.
#include <cerrno>
#include <functional>

#include "base/try.hpp"
#include "vector/bulk_load_fixture.hpp"
#include "vector/log_record.hpp"

namespace quire::vector {
namespace {

class FailingDisk : public StoreTest {
 protected:
  // Fails the call number `countdown` from now on, once.
  void fail_call(std::uint64_t countdown, int with) {
    disk_->set_hook([=, left = countdown](const os::SimulatedCall&) mutable {
      return os::SimulatedOutcome{.fail_with = left-- == 0 ? with : 0};
    });
  }

  // Runs `act` with its first call failing, then its second, … until none fails any more; after each
  // failure the store is opened again.
  void fail_each_call(int with, const std::function<Result<void>()>& act) {
    for (std::uint64_t call = 0;; ++call) {
      ASSERT_LT(call, 200U);
      SCOPED_TRACE("errno " + std::to_string(with) + " at call " + std::to_string(call));
      const std::uint64_t before = disk_->calls();
      const Model acknowledged = model_;
      fail_call(call, with);
      const Result<void> result = act();
      disk_->set_hook({});
      if (disk_->calls() - before <= call) break;  // it did not come so far
      if (!result) model_ = acknowledged;
      // Reads go on, and show what was acknowledged.
      ASSERT_EQ(contents_of(*store_), model_);
      const bool unknown = !result && result.error().code() == ErrorCode::outcome_unknown;
      reopen();
      if (HasFatalFailure()) return;
      const Model found = contents_of(*store_);
      if (unknown) {
        ASSERT_TRUE(found == model_ || found == next_) << "whole or absent";
        model_ = found;
      } else {
        ASSERT_EQ(found, model_);
      }
    }
  }

  Result<void> put_one() {
    const std::uint64_t mark = ++mark_;
    next_ = model_;
    next_[mark % 5] = vector_of(mark, kDimension);
    auto result = store_->put(mark % 5, vector_of(mark, kDimension));
    if (result) model_ = next_;
    return result;
  }

  Result<void> put_large() {
    const std::uint64_t mark = ++mark_;
    next_ = model_;
    for (std::uint64_t id = 0; id < 300; ++id) next_[id] = vector_of(id + mark, kDimension);
    return put_many(0, 300, mark);
  }

  // Three parts in one commit.
  Result<void> load_parts() {
    next_ = model_;
    QUIRE_TRY(BulkLoader loader, store_->bulk_load({.block_bytes = 120 * kDimension}));
    std::vector<Claim> claims;
    std::vector<std::uint64_t> ids(50);
    for (std::uint64_t part = 0; part < 3; ++part) {
      QUIRE_TRY(BulkRows rows, loader.claim(100));
      claims.push_back({.rows = std::move(rows), .appended = {}});
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = part * 40 + i;
      QUIRE_CHECK(claims.back().append(ids, mark_ += 50, kDimension));
    }
    for (const Claim& claim : claims) claim.put_into(next_);
    auto result = commit_all(loader, claims);
    if (result) model_ = next_;
    return result;
  }

  Model next_;
  std::uint64_t mark_ = 0;
};

TEST_F(FailingDisk, APutThatFailsAnywhereIsAbsentOrWhole) {
  for (const int with : {EIO, ENOSPC}) {
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create();
    put(1, 1);
    fail_each_call(with, [&] { return put_one(); });
  }
}

TEST_F(FailingDisk, ALargeBatchThatFailsAnywhereIsAbsentOrWhole) {
  options_.direct_batch_bytes = 1000;
  for (const int with : {EIO, ENOSPC}) {
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create(Durability::power_loss, options_);
    fail_each_call(with, [&] { return put_large(); });
  }
}

TEST_F(FailingDisk, ABulkLoadThatFailsAnywhereIsAbsentOrWhole) {
  for (const int with : {EIO, ENOSPC}) {
    for (const auto durability : {Durability::power_loss, Durability::process_crash}) {
      disk_ = std::make_unique<os::SimulatedFileSystem>();
      model_.clear();
      create(durability);
      fail_each_call(with, [&] { return load_parts(); });
    }
  }
}

TEST_F(FailingDisk, ACommitOfABulkLoadThatFailedCanBeTriedAgain) {
  create();
  {
    auto loader = store_->bulk_load().value();
    Claim claim{.rows = loader.claim(50).value(), .appended = {}};
    ASSERT_TRUE(succeeded(claim.append(std::vector<std::uint64_t>{1, 2, 3}, 1, kDimension)));
    disk_->set_hook([&](const os::SimulatedCall& call) {
      return os::SimulatedOutcome{.fail_with = call.path == file("log-1.wal") ? ENOSPC : 0};
    });
    EXPECT_TRUE(failed_with(ErrorCode::no_space, commit_all(loader, std::span(&claim, 1))));
    EXPECT_EQ(store_->view().size(), 0U);
    disk_->set_hook({});
    put(2, 2);
    ASSERT_TRUE(succeeded(commit_all(loader, std::span(&claim, 1))));
    claim.put_into(model_);
  }
  EXPECT_EQ(contents_of(*store_), model_);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, AnAppendOfABulkLoadThatFailedCanBeTriedAgain) {
  create();
  auto loader = store_->bulk_load().value();
  Claim claim{.rows = loader.claim(50).value(), .appended = {}};
  const std::vector<std::uint64_t> ids{1, 2, 3};
  fail_call(0, ENOSPC);
  EXPECT_TRUE(failed_with(ErrorCode::no_space, claim.append(ids, 1, kDimension)));
  EXPECT_EQ(claim.rows.size(), 0U);
  ASSERT_TRUE(succeeded(claim.append(ids, 4, kDimension)));
  ASSERT_TRUE(succeeded(commit_all(loader, std::span(&claim, 1))));
  claim.put_into(model_);
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, AFailedSyncOfRowsEndsABulkLoad) {
  create();
  auto loader = store_->bulk_load().value();
  Claim claim{.rows = loader.claim(50).value(), .appended = {}};
  const std::vector<std::uint64_t> ids{1, 2, 3};
  ASSERT_TRUE(succeeded(claim.append(ids, 1, kDimension)));
  fail_call(0, EIO);
  EXPECT_TRUE(failed_with(ErrorCode::io, commit_all(loader, std::span(&claim, 1))));
  disk_->set_hook({});
  const auto again = commit_all(loader, std::span(&claim, 1));
  EXPECT_TRUE(failed_with(ErrorCode::read_only_after_error, again));
  EXPECT_TRUE(failed_with(ErrorCode::read_only_after_error, loader.claim(10'000'000)));
  EXPECT_TRUE(failed_with(ErrorCode::read_only_after_error, store_->bulk_load()));
  EXPECT_EQ(contents_of(*store_), model_) << "reads go on";
}

TEST_F(FailingDisk, ACheckpointThatFailsAnywhereLosesNothing) {
  for (const int with : {EIO, ENOSPC}) {
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create();
    std::uint64_t call = 0;
    for (bool failed = true; failed; ++call) {
      SCOPED_TRACE("errno " + std::to_string(with) + " at call " + std::to_string(call));
      put(call % 5, call);  // opening checkpoints: there must be something to do
      const std::uint64_t before = disk_->calls();
      fail_call(call, with);
      ignore_error(store_->checkpoint());
      disk_->set_hook({});
      failed = disk_->calls() - before > call;
      ASSERT_EQ(contents_of(*store_), model_) << "reads go on";
      reopen();
      ASSERT_EQ(contents_of(*store_), model_);
    }
    EXPECT_GT(call, 10U) << "a checkpoint has more calls than that";
  }
}

TEST_F(FailingDisk, WritesGoOnAfterAFailedLogWrite) {
  create();
  put(1, 1);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool log = call.path == file("log-1.wal") && std::string(call.operation) == "write";
    return os::SimulatedOutcome{.fail_with = log ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->put(2, vector_of(2, kDimension))));
  disk_->set_hook({});
  put(3, 3);
  put(4, 4);
  EXPECT_EQ(contents_of(*store_), model_);
  for (const auto survivors : {os::Survivors::none, os::Survivors::all}) {
    lose_power(survivors);
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }
}

TEST_F(FailingDisk, ASyncReachesTheLogBeforeAFailedWrite) {
  create(Durability::process_crash);
  put(1, 1);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool log = call.path == file("log-1.wal") && std::string(call.operation) == "write";
    return os::SimulatedOutcome{.fail_with = log ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->put(2, vector_of(2, kDimension))));
  disk_->set_hook({});
  put(3, 3);  // into the next log
  ASSERT_TRUE(succeeded(store_->sync()));
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, PartsOfABatchThatFailedAreNotInTheWayOfTheNext) {
  create();
  constexpr std::uint64_t kFirstPart = kMaxOperationsPerRecord * kOperationBytes;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool second = call.path == file("log-1.wal") && call.range.offset > kFirstPart;
    return os::SimulatedOutcome{.fail_with = second ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space, put_many(0, kMaxOperationsPerRecord + 10)));
  disk_->set_hook({});
  put(1, 1);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, RowsThatAFailedSyncMayHaveDroppedAreWrittenAgain) {
  options_.direct_batch_bytes = 64;
  create(Durability::process_crash, options_);
  ASSERT_TRUE(put_many(0, 40));  // to the rows file at once
  disk_->set_hook([&](const os::SimulatedCall& call) {
    return os::SimulatedOutcome{.fail_with = std::string(call.operation) == "sync" ? EIO : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::outcome_unknown, store_->sync()));
  std::uint64_t written = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool to_rows = call.path == file("gen-1.rows") && std::string(call.operation) == "write";
    written += to_rows ? call.range.length : 0;
    return os::SimulatedOutcome{};
  });
  reopen();
  EXPECT_EQ(written, 40U * kDimension) << "the kernel may hold them for clean";
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, RecordsWrittenAfterAHalfMadeLogAreKept) {
  // The next log's header becomes durable, then making it fails: the old log must not go on, or the
  // new one's first LSN would cut it.
  create();
  put(1, 1);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool directory = std::string(call.operation) == "sync_directory";
    return os::SimulatedOutcome{.fail_with = directory ? ENOSPC : 0};
  });
  EXPECT_FALSE(store_->checkpoint());
  EXPECT_FALSE(store_->put(9, vector_of(9, kDimension)));
  disk_->set_hook({});
  put(2, 2);
  put(3, 3);
  for (const auto survivors : {os::Survivors::none, os::Survivors::all}) {
    lose_power(survivors);
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }
}

// Removes leave the last spare to checkpoints, so that a log of theirs may have to be made. It is durable by itself:
// the checkpoint that comes next need not come to anything.
TEST_F(FailingDisk, ARemoveInALogThatNoSpareBecameIsKept) {
  create();
  ASSERT_TRUE(put_many(0, 3));
  int records_to_fail = 2;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool writes = std::string(call.operation) == "write";
    const bool makes_spare = writes && call.path.find("/spare-") != std::string::npos &&
                             call.range.length > kHeaderBytes;
    const bool writes_record =
        writes && call.path.ends_with(".wal") && call.range.offset >= kHeaderBytes;
    const bool begins_checkpoint =
        call.path == file("gen-1.rows") && std::string(call.operation) == "sync";
    const bool fails = makes_spare || begins_checkpoint || (writes_record && records_to_fail-- > 0);
    return os::SimulatedOutcome{.fail_with = fails ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->remove(1))) << "neither log has room";
  ASSERT_TRUE(disk_->info(file("log-2.wal")).has_value());
  ASSERT_TRUE(*store_->remove(1));
  model_.erase(1);
  disk_->set_hook({});
  ASSERT_TRUE(disk_->info(file("log-3.wal")).has_value());
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// Nothing can be synced in it any more.
TEST_F(FailingDisk, ASpareWhoseSyncFailedBecomesNoLog) {
  create();
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const std::string operation = call.operation;
    const bool fails =
        call.path == file(spare_name(1)) && (operation == "sync" || operation == "remove");
    return os::SimulatedOutcome{.fail_with = fails ? EIO : 0};
  });
  put(1, 1);
  disk_->set_hook({});
  ASSERT_TRUE(disk_->info(file(spare_name(1))).has_value());
  store_.reset();
  auto opened = open();
  ASSERT_TRUE(succeeded(opened));
  store_.emplace(*std::move(opened));
  put(2, 2);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, AFailedSyncRefusesWritesUntilReopened) {
  create();
  put(1, 1);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    return os::SimulatedOutcome{.fail_with = std::string(call.operation) == "sync" ? EIO : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::outcome_unknown, store_->put(2, vector_of(2, kDimension))));
  disk_->set_hook({});
  EXPECT_TRUE(
      failed_with(ErrorCode::read_only_after_error, store_->put(3, vector_of(3, kDimension))));
  EXPECT_TRUE(failed_with(ErrorCode::read_only_after_error, store_->checkpoint()));
  EXPECT_EQ(contents_of(*store_), model_) << "reads go on";
}

TEST_F(FailingDisk, AFailedSyncOfACheckpointRefusesWritesToo) {
  create();
  for (const std::string name : {"gen-1.rows", "gen-1.slots"}) {
    put(1, 1);
    disk_->set_hook([&](const os::SimulatedCall& call) {
      const bool sync = call.path == file(name) && std::string(call.operation) == "sync";
      return os::SimulatedOutcome{.fail_with = sync ? EIO : 0};
    });
    EXPECT_TRUE(failed_with(ErrorCode::io, store_->checkpoint())) << name;
    disk_->set_hook({});
    EXPECT_TRUE(
        failed_with(ErrorCode::read_only_after_error, store_->put(3, vector_of(3, kDimension))));
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }
}

TEST_F(FailingDisk, AFailedSyncOfRowsRefusesWritesToo) {
  create(Durability::power_loss, {.direct_batch_bytes = 64});
  put(1, 1);
  fail_call(1, EIO);  // the write, then the sync of the rows
  EXPECT_TRUE(failed_with(ErrorCode::io, put_many(10, 40)));
  disk_->set_hook({});
  EXPECT_TRUE(
      failed_with(ErrorCode::read_only_after_error, store_->put(3, vector_of(3, kDimension))));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, AFullDiskIsAnErrorAndGoesOnWithSpace) {
  create();
  ASSERT_TRUE(put_many(0, 100));
  disk_->set_capacity(256 * 1024);
  Result<void> result;
  std::uint64_t first = 1000;
  for (; result; first += 100) result = put_many(first, 100);
  EXPECT_TRUE(failed_with(ErrorCode::no_space, result));
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(store_->verify()->ok());
  disk_->set_capacity(1 << 24);
  EXPECT_TRUE(succeeded(put_many(first, 100)));
  EXPECT_TRUE(succeeded(store_->close()));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, ShortWritesAreGoneOnWith) {
  create();
  disk_->set_hook([](const os::SimulatedCall&) { return os::SimulatedOutcome{.write_limit = 7}; });
  ASSERT_TRUE(put_many(0, 20));
  ASSERT_TRUE(succeeded(store_->close()));
  disk_->set_hook({});
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(FailingDisk, RecoveryThatFailsAnywhereCanBeTriedAgain) {
  create();
  ASSERT_TRUE(put_many(0, 30));
  put(3, 99);
  store_.reset();
  for (const int with : {EIO, ENOSPC}) {
    for (std::uint64_t call = 0; call < 200; ++call) {
      auto copy = disk_->power_cut(os::Survivors::none, random_);
      copy->set_hook([=, left = call](const os::SimulatedCall&) mutable {
        return os::SimulatedOutcome{.fail_with = left-- == 0 ? with : 0};
      });
      ignore_error(StoreAccess::open(*copy, kStorePath, StoreMode::read_write));
      auto after = copy->power_cut(os::Survivors::random, random_);
      auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
      ASSERT_TRUE(succeeded(opened)) << "errno " << with << " at call " << call;
      ASSERT_EQ(contents_of(*opened), model_);
    }
  }
}

}  // namespace
}  // namespace quire::vector
