// Damage is found, never served: flipped bytes, cut and missing files, files of other stores.
#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "base/checksum.hpp"
#include "vector/log_writer.hpp"
#include "vector/store_core.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class DamagedStore : public StoreTest {
 protected:
  // 8 vectors in a checkpoint and 4 batches in the log.
  void make_and_crash() {
    create();
    ASSERT_TRUE(put_many(0, 8));
    ASSERT_TRUE(succeeded(store_->checkpoint()));
    for (std::uint64_t i = 6; i < 10; ++i) put(i, 100 + i);
    store_.reset();
  }

  std::uint64_t size_of(const std::string& name) { return disk_->info(file(name))->size; }

  void cut(const std::string& name, std::uint64_t size) {
    auto opened = disk_->open(file(name), os::OpenMode::read_write, 0);
    ASSERT_TRUE(succeeded(opened));
    ASSERT_TRUE(succeeded((*opened)->truncate(size)));
  }

  // What the store shows after `name` was flipped at `offset`: refused, reported, or as if nothing were.
  enum class Outcome { refused, reported, harmless };
  Outcome open_flipped(const std::string& name, std::uint64_t offset) {
    auto copy = disk_->power_cut(os::Survivors::all, random_);
    EXPECT_TRUE(succeeded(copy->flip(file(name), offset, std::byte{0x20})));
    auto opened = StoreAccess::open(*copy, kStorePath, StoreMode::read_write);
    if (!opened) return Outcome::refused;
    Outcome outcome = Outcome::harmless;
    if (opened->recovery().dropped_bytes > 0 || !opened->verify()->ok())
      outcome = Outcome::reported;
    const ReadView view = opened->view();
    for (const std::uint64_t id : view.ids()) {
      const auto row = opened->get<std::uint8_t>(id);
      if (!row) {
        EXPECT_EQ(row.error().code(), ErrorCode::corrupt);
        EXPECT_EQ(outcome, Outcome::reported) << "get found what verify did not";
        continue;
      }
      // Dropping the last batch may bring the vector before it back; nothing else may be served.
      const bool known =
          *row == model_[id] || (outcome == Outcome::reported && *row == vector_of(id, kDimension));
      EXPECT_TRUE(known) << name << " flipped at " << offset << ": id " << id << " is wrong";
    }
    if (outcome == Outcome::harmless) {
      EXPECT_EQ(view.size(), model_.size()) << name << offset;
    }
    return outcome;
  }
};

TEST_F(DamagedStore, EveryFlippedByteOfEveryFileIsFoundOrHarmless) {
  make_and_crash();
  const auto names = *disk_->list(kStorePath);
  ASSERT_EQ(names,
            (std::vector<std::string>{"LOCK", "MANIFEST", "MANIFEST.tmp", "gen-1.rows",
                                      "gen-1.slots", "log-2.wal", "spare-1.tmp", "spare-2.tmp"}));
  const bool nightly = std::getenv("QUIRE_NIGHTLY") != nullptr;
  std::map<std::string, std::map<Outcome, int>> counts;
  for (const std::string& name : names) {
    // What is allocated ahead is slack: the rows' 12 and the log's 4 records are enough.
    const std::uint64_t end = std::min<std::uint64_t>(size_of(name), 4096 + 800);
    for (std::uint64_t offset = 0; offset < end; ++offset) {
      // The padding of headers is covered by their one checksum: by day every 16th byte of it.
      if (offset >= 128 && offset < 4080 && offset % 16 != 0 && !nightly) continue;
      ++counts[name][open_flipped(name, offset)];
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(counts["MANIFEST"][Outcome::harmless], 0);
  EXPECT_EQ(counts["gen-1.slots"][Outcome::reported], 0);
  EXPECT_GE(counts["gen-1.slots"][Outcome::refused], 8 * 48);
  EXPECT_GE(counts["gen-1.rows"][Outcome::reported], 6 * 16) << "the rows of the checkpoint";
  EXPECT_GE(counts["log-2.wal"][Outcome::refused], 3 * 112) << "all records but the last";
}

TEST_F(DamagedStore, TheErrorNamesFileAndPlace) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->flip(file("gen-1.slots"), 4096 + 2 * 48 + 9, std::byte{1})));
  const auto refused = open();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_EQ(refused.error().message(),
            "open /store/gen-1.slots [4192, 4240): corrupt: the checksum of entry 2 is wrong");
}

TEST_F(DamagedStore, VerifyNamesEachDamagedRow) {
  create();
  ASSERT_TRUE(put_many(0, 20));
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  ASSERT_TRUE(put_many(5, 1, 500));  // row 5 is dead now: slack
  for (const std::uint64_t row : {3U, 5U, 11U}) {
    ASSERT_TRUE(
        succeeded(disk_->flip(file("gen-1.rows"), 4096 + row * kDimension, std::byte{0x80})));
  }
  const auto report = store_->verify();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, 20U);
  ASSERT_EQ(report->damaged.size(), 2U);
  EXPECT_EQ(report->damaged[0].id, 3U);
  EXPECT_EQ(report->damaged[1].id, 11U);
  EXPECT_EQ(report->damaged[1].file, file("gen-1.rows"));
  EXPECT_EQ(report->damaged[1].range, (ByteRange{4096 + 11 * kDimension, kDimension}));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, store_->get<std::uint8_t>(3)));
  EXPECT_TRUE(succeeded(store_->get<std::uint8_t>(4)));
}

TEST_F(DamagedStore, VerifySeesWhatBecameOfFilesWhileOpen) {
  create();
  ASSERT_TRUE(put_many(0, 4));
  ASSERT_TRUE(succeeded(disk_->flip(file("MANIFEST"), 50, std::byte{1})));
  ASSERT_TRUE(succeeded(disk_->flip(file("gen-1.rows"), 60, std::byte{1})));
  ASSERT_TRUE(succeeded(disk_->flip(file("gen-1.slots"), 60, std::byte{1})));
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4100, std::byte{1})));
  const auto report = store_->verify();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->damaged.size(), 4U);
}

TEST_F(DamagedStore, ADurableRecordThatIsGoneIsDamageAndNotATail) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 4096 + 70, std::byte{1})));
  const auto refused = open();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_NE(refused.error().message().find("batch 2"), std::string::npos)
      << refused.error().message();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 4096 + 70, std::byte{1})));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_) << "refusing changed nothing";
}

TEST_F(DamagedStore, OneLaterRecordIsEnoughToTellDamageFromATail) {
  make_and_crash();
  // The last record but one: only the last says that it was durable.
  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 4096 + 2 * 112 + 70, std::byte{1})));
  const auto refused = open();
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, refused));
  EXPECT_NE(refused.error().message().find("batch 4"), std::string::npos)
      << refused.error().message();
}

TEST_F(DamagedStore, ASyncedRecordThatIsGoneIsDamageToo) {
  create(Durability::process_crash);
  put(1, 1);
  put(2, 2);
  ASSERT_TRUE(succeeded(store_->sync()));
  put(3, 3);
  store_.reset();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 70, std::byte{1})));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open()));
}

TEST_F(DamagedStore, ATornTailIsDroppedAndReported) {
  create();
  put(1, 1);
  const Model durable = model_;
  // The power goes while the next record is written: only its first sector arrives.
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool sync = std::string(call.operation) == "sync" && call.path == file("log-1.wal");
    return os::SimulatedOutcome{.fail_with = sync ? EIO : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::outcome_unknown, put_many(2, 40)));
  store_.reset();
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 1000, std::byte{4})));
  disk_ = disk_->power_cut(os::Survivors::all, random_);
  reopen();
  EXPECT_EQ(contents_of(*store_), durable);
  EXPECT_GT(store_->recovery().dropped_bytes, 0U);
  EXPECT_EQ(store_->recovery().dropped_from, file("log-1.wal"));
}

TEST_F(DamagedStore, ADroppedRecordDoesNotComeBack) {
  create(Durability::process_crash);
  put(1, 1);
  put(2, 2);
  store_.reset();
  // The first record is torn, and nothing says that either was durable: both are dropped.
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 70, std::byte{1})));
  model_.clear();
  reopen();
  EXPECT_GT(store_->recovery().dropped_bytes, 0U);
  put(3, 3);  // where the torn one was, and as long: the second would be next again
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// The checkpoint that began the next log made the one before it durable, and then failed.
TEST_F(DamagedStore, ARecordBeforeAnEmptyLogIsNoTail) {
  create(Durability::process_crash);
  put(1, 1);
  put(2, 2);
  end_in_a_failed_checkpoint();

  const std::uint64_t in_the_last_record = 4096 + 112 + 70;
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), in_the_last_record, std::byte{1})));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open()));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open(StoreMode::read_only)));
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), in_the_last_record, std::byte{1})));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(DamagedStore, DamageBeforeTheRecordsOfALaterLogIsRefused) {
  // A log write fails, so the next record begins log 2.
  create(Durability::process_crash);
  put(1, 1);
  put(2, 2);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool log = call.path == file("log-1.wal") && std::string(call.operation) == "write";
    return os::SimulatedOutcome{.fail_with = log ? ENOSPC : 0};
  });
  EXPECT_FALSE(store_->put(9, vector_of(9, kDimension)));
  disk_->set_hook({});
  put(3, 3);
  store_.reset();

  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 50, std::byte{1})));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open())) << "records behind a bad header";
  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 50, std::byte{1})));

  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 70, std::byte{1})));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open())) << "a hole before the records of log 2";
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 70, std::byte{1})));
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(DamagedStore, CutFilesAreRefused) {
  make_and_crash();
  const std::vector<std::pair<std::string, std::uint64_t>> cuts{
      {"MANIFEST", 255}, {"MANIFEST", 0},       {"gen-1.rows", 4096 + 8 * 16 - 1},
      {"gen-1.rows", 3}, {"gen-1.slots", 4200}, {"log-2.wal", 100}};
  for (const auto& [name, size] : cuts) {
    auto keep = disk_->power_cut(os::Survivors::all, random_);
    cut(name, size);
    const auto refused = open();
    EXPECT_TRUE(failed_with(ErrorCode::truncated, refused)) << name << " at " << size;
    EXPECT_TRUE(!refused && refused.error().path().ends_with(name));
    disk_ = std::move(keep);
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(DamagedStore, MissingFilesAreRefusedAndNeverMeanEmpty) {
  make_and_crash();
  for (const std::string name : {"gen-1.rows", "gen-1.slots", "log-2.wal"}) {
    auto keep = disk_->power_cut(os::Survivors::all, random_);
    ASSERT_TRUE(succeeded(disk_->remove(file(name))));
    const auto refused = open();
    ASSERT_FALSE(refused) << name;
    EXPECT_NE(refused.error().message().find(name), std::string::npos) << refused.error().message();
    disk_ = std::move(keep);
  }
}

TEST_F(DamagedStore, AFileOfAnotherStoreIsRefused) {
  make_and_crash();
  const Model first = model_;
  ASSERT_TRUE(succeeded(StoreAccess::create(
      *disk_, "/other", {.dimension = kDimension, .element_type = ElementType::u8})));
  for (const std::string name : {"gen-1.rows", "gen-1.slots"}) {
    auto from = *disk_->open("/other/" + name, os::OpenMode::read, 0);
    std::vector<std::byte> header(4096);
    ASSERT_TRUE(succeeded(from->read_exactly(0, header)));
    auto to = *disk_->open(file(name), os::OpenMode::read_write, 0);
    std::vector<std::byte> own(4096);
    ASSERT_TRUE(succeeded(to->read_exactly(0, own)));
    ASSERT_TRUE(succeeded(to->write_all(0, header)));
    EXPECT_TRUE(failed_with(ErrorCode::corrupt, open())) << name;
    ASSERT_TRUE(succeeded(to->write_all(0, own)));
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), first);
}

TEST_F(DamagedStore, WhatAnotherStoreWroteBehindItsHeadersIsNeverServed) {
  // As a file system may show that gave the blocks of a removed store to this one.
  const auto make = [&](const std::string& directory, bool checkpointed) {
    auto made = StoreAccess::create(*disk_, directory,
                                    {.dimension = kDimension, .element_type = ElementType::u8});
    ASSERT_TRUE(succeeded(made));
    ASSERT_TRUE(succeeded(made->put(1, vector_of(directory.size(), kDimension))));
    if (checkpointed) {
      ASSERT_TRUE(succeeded(made->close()));
    }
  };
  for (const std::string name : {"log-1.wal", "gen-1.slots"}) {
    const bool checkpointed = name == "gen-1.slots";
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    make("/other", checkpointed);
    make(kStorePath + "s", checkpointed);
    auto from = *disk_->open("/other/" + name, os::OpenMode::read, 0);
    std::vector<std::byte> body(static_cast<std::size_t>(from->info()->size) - 4096);
    ASSERT_TRUE(succeeded(from->read_exactly(4096, body)));
    auto to = *disk_->open(kStorePath + "s/" + name, os::OpenMode::read_write, 0);
    ASSERT_TRUE(succeeded(to->write_all(4096, body)));
    auto opened = StoreAccess::open(*disk_, kStorePath + "s", StoreMode::read_write);
    if (checkpointed) {
      EXPECT_TRUE(failed_with(ErrorCode::corrupt, opened));
    } else {
      ASSERT_TRUE(succeeded(opened));
      EXPECT_EQ(opened->view().size(), 0U);
      EXPECT_GT(opened->recovery().dropped_bytes, 0U);
    }
  }
}

TEST_F(DamagedStore, ALogUnderAnotherNumberIsRefused) {
  create();
  std::vector<std::byte> header(4096);
  ASSERT_TRUE(
      succeeded((*disk_->open(file("log-1.wal"), os::OpenMode::read, 0))->read_exactly(0, header)));
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  put(2, 2);
  store_.reset();
  auto log = *disk_->open(file("log-2.wal"), os::OpenMode::read_write, 0);
  ASSERT_TRUE(succeeded(log->write_all(0, header)));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open()));
}

TEST_F(DamagedStore, AFutureFormatIsRefusedByItsName) {
  make_and_crash();
  for (const std::string name : {"MANIFEST", "gen-1.rows", "gen-1.slots", "log-2.wal"}) {
    ASSERT_TRUE(succeeded(disk_->flip(file(name), 8, std::byte{2})));  // version 1 becomes 3
    const auto refused = open();
    EXPECT_TRUE(failed_with(ErrorCode::format_version, refused)) << name;
    EXPECT_NE(refused.error().message().find("format version 3"), std::string::npos);
    ASSERT_TRUE(succeeded(disk_->flip(file(name), 8, std::byte{2})));
  }
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(DamagedStore, AReaderRefusesDamageToo) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-2.wal"), 4096 + 70, std::byte{1})));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open(StoreMode::read_only)));
}

// Records that are whole, each with a head or an operation that no writer gives it.
class StrangeRecord : public StoreTest {
 protected:
  // A store with one vector in a checkpoint and an empty log.
  void SetUp() override {
    create();
    put(1, 1);
    ASSERT_TRUE(succeeded(store_->close()));
    store_.reset();
    manifest_ = *read_manifest(*disk_, kStorePath);
    row_ = vector_of(2, kDimension);
    const auto bytes = std::as_bytes(std::span(row_));
    head_ = {.lsn = 2, .durable_lsn = 1, .generation = 1};
    operation_ = {.kind = OperationKind::put,
                  .id = 2,
                  .row = manifest_.row_limit,
                  .row_checksum = base::checksum(bytes)};
  }

  // Of batch 2, with the vector.
  void append() {
    auto log = LogWriter::open_empty(*disk_, kStorePath, manifest_.identity, manifest_.first_log);
    ASSERT_TRUE(succeeded(log));
    const std::span<const std::byte> row = std::as_bytes(std::span(row_));
    ASSERT_TRUE(succeeded(log->append(head_, {&operation_, 1}, {&row, 1})));
  }

  void expect_dropped() {
    append();
    reopen();
    EXPECT_EQ(contents_of(*store_), model_);
    EXPECT_GT(store_->recovery().dropped_bytes, 0U);
  }

  Manifest manifest_;
  RecordHead head_;
  Operation operation_;
  std::vector<std::uint8_t> row_;
};

TEST_F(StrangeRecord, AnUsualOneIsTaken) {
  append();
  reopen();
  model_[2] = row_;
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(StrangeRecord, OfARowOfTheCheckpointIsDropped) {
  operation_.row = 0;
  expect_dropped();
}

TEST_F(StrangeRecord, OfAnotherGenerationIsDropped) {
  head_.generation = 2;
  expect_dropped();
}

TEST_F(StrangeRecord, OfAPartThatIsNotTheNextIsDropped) {
  head_.part = 1;
  expect_dropped();
}

}  // namespace
}  // namespace quire::vector
