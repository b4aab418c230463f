// A process that ends, or runs out of memory, in the middle of a call; and what the next one must make
// good before it relies on it.
#include <cerrno>
#include <new>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class Interrupted : public StoreTest {
 protected:
  // The process dies before call number `skip` + 1 of that name on a path that ends so: that call and all
  // later ones do nothing.
  void die_at(const std::string& operation, const std::string& suffix, int skip = 0) {
    disk_->set_hook([=, left = skip, dead = false](const os::SimulatedCall& call) mutable {
      if (!dead && operation == call.operation && call.path.ends_with(suffix)) dead = left-- == 0;
      return os::SimulatedOutcome{.fail_with = dead ? EINTR : 0};
    });
  }

  Result<VectorStore> create_and_die() {
    auto made = StoreAccess::create(*disk_, kStorePath,
                                    {.dimension = kDimension, .element_type = ElementType::u8});
    disk_->set_hook({});
    return made;
  }
};

TEST_F(Interrupted, AManifestThatWasNotYetDurableIsMadeSoBeforeItsLogsGo) {
  create();
  put(1, 1);
  die_at("sync_directory", "/store", 1);  // after the rename of MANIFEST
  EXPECT_FALSE(store_->checkpoint());
  disk_->set_hook({});
  reopen();
  put(2, 2);
  for (int i = 0; i < 40; ++i) {
    const auto after =
        disk_->power_cut(i == 0 ? os::Survivors::none : os::Survivors::random, random_);
    const auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
    ASSERT_TRUE(succeeded(opened));
    ASSERT_EQ(contents_of(*opened), model_);
  }
}

TEST_F(Interrupted, ALogWhoseHeaderWasNotYetDurableIsMadeSoBeforeItIsGoneOnWith) {
  create();
  put(1, 1);
  store_.reset();
  for (const std::uint64_t number : {1U, 2U}) {
    ASSERT_TRUE(succeeded(disk_->remove(file(spare_name(number)))));
  }
  die_at("sync", "/log-2.wal");
  EXPECT_FALSE(open());
  disk_->set_hook({});
  reopen();
  // MANIFEST begins with that log now.
  const auto after = disk_->power_cut(os::Survivors::none, random_);
  const auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
  ASSERT_TRUE(succeeded(opened));
  EXPECT_EQ(contents_of(*opened), model_);
  put(2, 2);
  lose_power(os::Survivors::none);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// What it recovered is in no checkpoint yet, and the old log may still lose it.
TEST_F(Interrupted, TheLogOfARecoveryDoesNotTakeWhatWasRecoveredForDurable) {
  create(Durability::process_crash);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->sync()));
  const Model synced = model_;
  put(2, 2);
  store_.reset();
  int cuts = 0;
  disk_->set_hook([&](const os::SimulatedCall&) {
    const auto after = disk_->power_cut(os::Survivors::none, random_);
    const auto opened = StoreAccess::open(*after, kStorePath, StoreMode::read_write);
    EXPECT_TRUE(succeeded(opened));
    if (opened) {
      const Model found = contents_of(*opened);
      EXPECT_TRUE(found == synced || found == model_);
    }
    ++cuts;
    return os::SimulatedOutcome{};
  });
  EXPECT_TRUE(succeeded(open()));
  disk_->set_hook({});
  EXPECT_GT(cuts, 20);
}

TEST_F(Interrupted, AStoreWhoseDirectoryWasNotYetDurableIsMadeSoBeforeItTakesWrites) {
  for (const auto& [path, skip] : {std::pair("/", 0), std::pair("/store", 1)}) {
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    die_at("sync_directory", path, skip);
    EXPECT_FALSE(create_and_die());
    reopen();
    put(2, 2);
    lose_power();
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
  }
}

TEST_F(Interrupted, AWriteThatRanOutOfMemoryBehindItsRecordRefusesTheNext) {
  create();
  disk_->set_hook([&, writes = 0](const os::SimulatedCall& call) mutable {
    const bool log = call.path == file("log-1.wal") && std::string(call.operation) == "write";
    if (log && ++writes == 2) throw std::bad_alloc();
    return os::SimulatedOutcome{};
  });
  EXPECT_THROW(ignore_error(store_->put(1, vector_of(1, kDimension))), std::bad_alloc);
  disk_->set_hook({});
  EXPECT_TRUE(
      failed_with(ErrorCode::read_only_after_error, store_->put(2, vector_of(2, kDimension))));
  EXPECT_EQ(store_->view().size(), 0U) << "nothing half done is shown";
  reopen();
  put(3, 3);
  EXPECT_EQ(store_->get<std::uint8_t>(3), vector_of(3, kDimension));
}

// Memory runs out at each call in turn that the store makes, behind whatever it has done by then.
TEST_F(Interrupted, AWriteThatRanOutOfMemoryAnywhereIsWholeOrAbsentAndNothingElseIsLost) {
  for (std::uint64_t call = 0;; ++call) {
    ASSERT_LT(call, 100U);
    SCOPED_TRACE(call);
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create(Durability::power_loss, {.checkpoint_log_bytes = 1});
    ASSERT_TRUE(put_many(0, 5));
    disk_->set_hook([left = call](const os::SimulatedCall&) mutable -> os::SimulatedOutcome {
      if (left-- == 0) throw std::bad_alloc();
      return {};
    });
    bool thrown = false;
    Model next = model_;
    next[2] = vector_of(99, kDimension);
    next.erase(3);
    WriteBatch batch;
    batch.put(2, next[2]);
    batch.remove(3);
    try {
      const auto written = store_->write(batch);
      if (written) model_ = next;
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    disk_->set_hook({});
    EXPECT_EQ(contents_of(*store_), model_);
    // Another write is refused, or is behind a batch that is there as a whole or not at all.
    const auto another = store_->put(7, vector_of(7, kDimension));
    if (!another) {
      ASSERT_TRUE(failed_with(ErrorCode::read_only_after_error, another));
    }
    lose_power(os::Survivors::all);
    reopen();
    Model found = contents_of(*store_);
    EXPECT_EQ(found.erase(7), another ? 1U : 0U);
    EXPECT_TRUE(found == model_ || (thrown && found == next));
    if (!thrown && call > 20) break;
  }
}

TEST_F(Interrupted, RowsOfAnotherProcessesFailedSyncAreWrittenAgain) {
  options_.direct_batch_bytes = 64;
  create(Durability::process_crash, options_);
  ASSERT_TRUE(put_many(0, 40));
  disk_->set_hook([](const os::SimulatedCall& call) {
    return os::SimulatedOutcome{.fail_with = std::string(call.operation) == "sync" ? EIO : 0};
  });
  EXPECT_FALSE(store_->sync());
  store_.reset();
  // The next process knows nothing of it.
  (*disk_->open(file("gen-1.rows"), os::OpenMode::read_write, 0))->forget_sync_failure();
  std::uint64_t written = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool rows = call.path == file("gen-1.rows") && std::string(call.operation) == "write";
    written += rows ? call.range.length : 0;
    return os::SimulatedOutcome{};
  });
  reopen();
  EXPECT_EQ(written, 40U * kDimension);
}

TEST_F(Interrupted, AReaderOpensWhileTheRowsGrow) {
  create();
  put(1, 1);
  lose_power();  // the row is in the log alone, so that the reader keeps it in private memory
  reopen();
  put(2, 2);
  disk_->set_hook([&, grown = false](const os::SimulatedCall& call) mutable {
    if (!grown && std::string(call.operation) == "map" && call.path.ends_with(".rows")) {
      grown = true;
      EXPECT_TRUE(put_many(100, 300'000));
    }
    return os::SimulatedOutcome{};
  });
  const Model before = model_;
  const auto reader = open(StoreMode::read_only);
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(contents_of(*reader), before);
}

TEST_F(Interrupted, VerifyKnowsAManifestWhoseReplacementWasInDoubt) {
  create();
  put(1, 1);
  die_at("sync_directory", "/store", 1);
  EXPECT_FALSE(store_->checkpoint());
  disk_->set_hook({});
  EXPECT_TRUE(store_->verify()->ok());
}

TEST_F(Interrupted, AClosedStoreSaysSo) {
  create();
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->close()));
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->get<std::uint8_t>(1)));
  EXPECT_EQ(store_->view().size(), 0U);
  EXPECT_TRUE(failed_with(ErrorCode::closed, store_->close()));
}

TEST_F(Interrupted, AStrangersFileIsInNobodysWay) {
  create();
  put(1, 1);
  ASSERT_TRUE(succeeded(disk_->open(file("log-01.wal"), os::OpenMode::create_new, 0644)));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(Interrupted, BytesMadeToLookLikeRecordsDoNotTakeForever) {
  create(Durability::process_crash);
  put(1, 1);
  // One batch whose vectors are lengths, every one of which leads to the same end mark.
  constexpr std::uint64_t kBytes = 1000 << 10;
  std::vector<std::uint8_t> rows(kBytes);
  for (std::uint64_t at = 0; at < kBytes; at += 8) {
    const std::uint64_t length = kBytes + 8 - at;
    std::memcpy(rows.data() + at, &length, 8);
  }
  std::vector<std::uint64_t> ids(kBytes / kDimension);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = i;
  ASSERT_TRUE(succeeded(store_->put_batch(ids, rows)));
  store_.reset();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 20, std::byte{1})));
  const auto refused = open();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_NE(refused.error().message().find("cannot be judged"), std::string::npos);
}

}  // namespace
}  // namespace quire::vector
