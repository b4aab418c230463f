// Readers beside a writer, and without one: what refresh() shows.
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class Refresh : public StoreTest {
 protected:
  void open_reader() {
    auto opened = open(StoreMode::read_only);
    ASSERT_TRUE(succeeded(opened));
    reader_.emplace(*std::move(opened));
  }

  // What a refresh returned, and the reader then has what the writer has.
  ::testing::AssertionResult follows(bool is_news) {
    const auto refreshed = reader_->refresh();
    if (!refreshed) return succeeded(refreshed);
    if (*refreshed != is_news) return ::testing::AssertionFailure() << "news: " << *refreshed;
    if (contents_of(*reader_) != model_) return ::testing::AssertionFailure() << "other contents";
    return ::testing::AssertionSuccess();
  }

  std::optional<VectorStore> reader_;
};

TEST_F(Refresh, ShowsWhatTheWriterCommittedSince) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  open_reader();
  EXPECT_TRUE(follows(false));
  const ReadView before = reader_->view();
  put(3, 300);
  EXPECT_EQ(contents_of(*reader_), contents_of(before)) << "not by itself";
  EXPECT_TRUE(follows(true));
  EXPECT_TRUE(follows(false));
  EXPECT_EQ(before.find<std::uint8_t>(3).value().front(), vector_of(3, kDimension).front());
  ASSERT_TRUE(*store_->remove(5));
  model_.erase(5);
  ASSERT_TRUE(put_many(100, 5000));  // the rows file grows, and the batch goes to it at once
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, ShowsNothingThatIsNotAcknowledged) {
  create();
  put(1, 1);
  open_reader();
  int looks = 0;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "sync" && call.path.ends_with(".wal")) {
      ++looks;  // the record is written, and a power cut may still take it
      EXPECT_TRUE(follows(false));
      EXPECT_EQ(contents_of(*open(StoreMode::read_only)), model_) << "nor does opening";
    }
    return os::SimulatedOutcome{};
  });
  put(2, 2);
  disk_->set_hook({});
  EXPECT_EQ(looks, 1);
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, FollowsThroughCheckpoints) {
  create();
  put(1, 1);
  open_reader();
  put(2, 2);
  ASSERT_TRUE(succeeded(store_->checkpoint()));  // the log that it reads is gone
  put(3, 3);
  EXPECT_TRUE(follows(true));
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_TRUE(follows(false));
  for (std::uint64_t id = 10; id < 20; ++id) {
    put(id, id);
    ASSERT_TRUE(succeeded(store_->checkpoint()));
  }
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, StartsAgainAfterACompaction) {
  create();
  ASSERT_TRUE(put_many(0, 50));
  open_reader();
  const ReadView before = reader_->view();
  const Model was = model_;
  for (std::uint64_t id = 0; id < 40; ++id) {
    ASSERT_TRUE(*store_->remove(id));
    model_.erase(id);
  }
  ASSERT_TRUE(succeeded(store_->compact()));
  put(7, 700);
  EXPECT_TRUE(follows(true));
  EXPECT_EQ(contents_of(before), was) << "a view keeps the files that it shows";
  put(8, 800);
  EXPECT_TRUE(follows(true));
}

// Nothing else tells a reader to let go of the files that it has open.
TEST_F(Refresh, FollowsACompactionWithNoBatchAfterIt) {
  create();
  ASSERT_TRUE(put_many(0, 50));
  ASSERT_TRUE(*store_->remove(1));
  model_.erase(1);
  open_reader();
  ASSERT_TRUE(succeeded(store_->compact()));
  EXPECT_TRUE(follows(true));
  EXPECT_EQ(reader_->info()->generation, 2U);
}

TEST_F(Refresh, WithoutAWriterShowsAllThatIsCommitted) {
  create(Durability::process_crash);
  put(1, 1);
  open_reader();
  put(2, 2);
  store_.reset();  // the writer is killed
  EXPECT_TRUE(follows(true));
  EXPECT_TRUE(follows(false));
  reopen();  // and its successor recovers
  put(3, 3);
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, WithoutAWriterFollowsTheCheckpointsOfOneThatHadNoLog) {
  create(Durability::checkpoint_only);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  open_reader();
  put(2, 2);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  store_.reset();  // the writer is killed
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, AfterAPowerCutRowsComeFromTheLogUntilAWriterHasRestoredThem) {
  create();
  ASSERT_TRUE(put_many(0, 3));
  lose_power();
  open_reader();
  EXPECT_EQ(contents_of(*reader_), model_);
  const ReadView before = reader_->view();
  reopen();
  ASSERT_TRUE(put_many(3, 200));  // some of them in the same page
  put(1, 100);
  EXPECT_TRUE(follows(true));
  EXPECT_EQ(before.find<std::uint8_t>(1).value().front(), vector_of(1, kDimension).front());
}

TEST_F(Refresh, RowsThatTheFileDoesNotHaveComeFromTheLog) {
  create();
  put(1, 1);
  open_reader();
  put(2, 2);
  ASSERT_TRUE(succeeded(disk_->flip(file("gen-1.rows"), kHeaderBytes + kDimension, std::byte{1})));
  EXPECT_TRUE(follows(true));
}

TEST_F(Refresh, FollowsRandomHistories) {
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    model_.clear();
    create(Durability::process_crash, {.checkpoint_log_bytes = 2000, .direct_batch_bytes = 600});
    open_reader();
    os::Random random(seed);
    std::uint64_t seen = 0;
    for (int step = 0; step < 300 && !HasFailure(); ++step) {
      const std::uint64_t kind = random() % 20;
      if (kind < 12) {
        put(random() % 40, random());
      } else if (kind < 14) {
        ASSERT_TRUE(put_many(random() % 40, random() % 80, random()));
      } else if (kind < 18) {
        const std::uint64_t id = random() % 40;
        ASSERT_EQ(*store_->remove(id), model_.erase(id) > 0);
      } else if (kind == 18) {
        ASSERT_TRUE(succeeded(store_->compact()));
      } else {
        reopen();
      }
      if (random() % 4 != 0) continue;
      const std::uint64_t lsn = store_->view().lsn();
      const auto refreshed = reader_->refresh();
      ASSERT_TRUE(succeeded(refreshed));
      ASSERT_EQ(reader_->view().lsn(), lsn);
      ASSERT_TRUE(*refreshed || lsn == seen);
      seen = lsn;
      ASSERT_EQ(contents_of(*reader_), model_);
      for (const auto& [id, row] : model_) ASSERT_EQ(*reader_->get<std::uint8_t>(id), row);
    }
  }
}

TEST_F(Refresh, BesideAWriterWithoutALogFollowsItsCheckpoints) {
  create(Durability::checkpoint_only);
  ASSERT_TRUE(succeeded(store_->put(1, vector_of(1, kDimension))));
  open_reader();
  EXPECT_TRUE(follows(false)) << "nothing is committed yet";
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  model_[1] = vector_of(1, kDimension);
  EXPECT_TRUE(follows(true));
  ASSERT_TRUE(succeeded(store_->put(2, vector_of(2, kDimension))));
  EXPECT_TRUE(follows(false));
  ASSERT_TRUE(*store_->remove(1));
  ASSERT_TRUE(succeeded(store_->compact()));
  model_ = {{2, vector_of(2, kDimension)}};
  EXPECT_TRUE(follows(true));
}

// A record may be read whole before it is synced, if the reader has looked for a writer too early.
TEST_F(Refresh, AReaderThatOpensWhileAWriterBeginsShowsNothingUnacknowledged) {
  create();
  store_.reset();
  bool has_begun = false;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    // The reader has found no writer, and looks at the log next.
    const bool now =
        !has_begun && call.path.ends_with(".wal") && std::string_view(call.operation) == "open";
    if (now) {
      has_begun = true;
      disk_->set_hook({});
      auto opened = open();
      EXPECT_TRUE(succeeded(opened));
      store_.emplace(*std::move(opened));
      disk_->set_hook([](const os::SimulatedCall& inner) {
        const bool is_sync =
            std::string_view(inner.operation) == "sync" && inner.path.ends_with(".wal");
        return os::SimulatedOutcome{.fail_with = is_sync ? EIO : 0};
      });
      EXPECT_TRUE(
          failed_with(ErrorCode::outcome_unknown, store_->put(1, vector_of(1, kDimension))));
    }
    return os::SimulatedOutcome{};
  });
  open_reader();
  disk_->set_hook({});
  EXPECT_TRUE(has_begun);
  EXPECT_EQ(reader_->view().lsn(), 0U);
}

// What it has acknowledged is not known before it has recovered: a power cut may have kept the page in LOCK that its
// predecessor wrote last, and not the batch that this tells of.
TEST_F(Refresh, AReaderThatOpensWhileAWriterRecoversIsNotHeldToWhatAnotherToldOf) {
  create(Durability::process_crash);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->sync()));
  const Model was = model_;
  put(2, 2);
  ASSERT_TRUE(succeeded((*disk_->open(file("LOCK"), os::OpenMode::read_write, 0))->sync()));
  lose_power();
  bool has_begun = false;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool reads_log =
        call.path.ends_with(".wal") && std::string_view(call.operation) == "open";
    if (reads_log && !std::exchange(has_begun, true)) {
      open_reader();
    }
    return os::SimulatedOutcome{};
  });
  reopen();
  disk_->set_hook({});
  EXPECT_TRUE(has_begun);
  ASSERT_TRUE(reader_.has_value());
  EXPECT_EQ(contents_of(*reader_), was);
}

TEST_F(Refresh, AnotherStoreInItsPlaceIsAnErrorAndChangesNothing) {
  create();
  put(1, 1);
  open_reader();
  const Model was = model_;
  store_.reset();
  const auto names = disk_->list(kStorePath);
  ASSERT_TRUE(succeeded(names));
  for (const std::string& name : *names) ASSERT_TRUE(succeeded(disk_->remove(file(name))));
  create();
  put(2, 2);
  EXPECT_TRUE(failed_with(ErrorCode::changed, reader_->refresh()));
  EXPECT_EQ(contents_of(*reader_), was);
}

TEST_F(Refresh, OfAWriterIsNothingNewAndOfAClosedStoreAnError) {
  create();
  put(1, 1);
  EXPECT_FALSE(*store_->refresh());
  open_reader();
  ASSERT_TRUE(succeeded(reader_->close()));
  EXPECT_TRUE(failed_with(ErrorCode::closed, reader_->refresh()));
}

TEST_F(Refresh, AnErrorChangesNothingAndTheNextOneGoesOn) {
  create();
  ASSERT_TRUE(put_many(0, 10));
  open_reader();
  const Model was = model_;
  ASSERT_TRUE(put_many(5, 20, 77));
  for (std::uint64_t call = 0;; ++call) {
    ASSERT_LT(call, 200U);
    disk_->set_hook([left = call](const os::SimulatedCall&) mutable {
      return os::SimulatedOutcome{.fail_with = left-- == 0 ? EIO : 0};
    });
    const auto refreshed = reader_->refresh();
    disk_->set_hook({});
    if (refreshed) break;
    ASSERT_EQ(contents_of(*reader_), was);
  }
  EXPECT_EQ(contents_of(*reader_), model_);
}

// It may have read a part of what is new by then.
TEST_F(Refresh, TheChangesAreRightAfterAnErrorToo) {
  constexpr std::uint64_t kBatches = 8;
  create();
  ASSERT_TRUE(put_many(0, 10));
  for (std::uint64_t call = 0;; ++call) {
    ASSERT_LT(call, 200U);
    SCOPED_TRACE(call);
    open_reader();
    const std::uint64_t first = store_->view().lsn();
    for (std::uint64_t id = 0; id < kBatches; ++id) put(id, 100 + call * kBatches + id);
    disk_->set_hook([left = call](const os::SimulatedCall&) mutable {
      if (left == 0) return os::SimulatedOutcome{.fail_with = EIO};
      --left;
      return os::SimulatedOutcome{};
    });
    const auto refreshed = reader_->refresh();
    disk_->set_hook({});
    EXPECT_TRUE(follows(!refreshed));
    for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
      const auto changes = reader_->view().changes(first + batch);
      ASSERT_TRUE(succeeded(changes));
      EXPECT_EQ(changes->size(), kBatches - batch);
    }
    if (refreshed) break;
  }
}

}  // namespace
}  // namespace quire::vector
