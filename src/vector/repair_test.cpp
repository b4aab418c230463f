// Repair: a damaged store opens again, holds what is proven, and the report lists everything else. Every byte
// of a small store is flipped, whole sectors and files go, and the power is cut at every call of a repair.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

#include "vector/repair.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

class RepairTest : public StoreTest {
 protected:
  using Versions = std::map<std::uint64_t, std::vector<std::vector<std::uint8_t>>>;

  // 8 vectors in a checkpoint, of which one is removed and two are replaced there, and 4 batches in the log.
  void make_and_crash() {
    create();
    ASSERT_TRUE(put_many(0, 8));
    put(3, 103);
    ASSERT_TRUE(succeeded(store_->remove(5)));
    model_.erase(5);
    ASSERT_TRUE(succeeded(store_->checkpoint()));
    states_.emplace(store_->view().lsn(), model_);
    for (std::uint64_t i = 6; i < 10; ++i) {
      put(i, 100 + i);
      states_.emplace(store_->view().lsn(), model_);
    }
    store_.reset();
  }

  Result<RepairReport> repair_it(const RepairOptions& options = {}) {
    return repair(*disk_, kStorePath, options);
  }

  // The store opens, is whole, and what it holds is what was there before the batches that the report
  // calls lost, but for the vectors that it lists.
  void expect_repaired(const RepairReport& report, os::SimulatedFileSystem& disk) {
    auto opened = StoreAccess::open(disk, kStorePath, StoreMode::read_write);
    ASSERT_TRUE(succeeded(opened));
    const auto verified = opened->verify();
    ASSERT_TRUE(succeeded(verified));
    EXPECT_TRUE(verified->ok());
    const Model& wanted = wanted_after(report, *opened);
    std::set<std::uint64_t> left_out;
    for (const Damage& damage : report.damaged) {
      if (damage.id) left_out.insert(*damage.id);
    }
    const Model contents = contents_of(*opened);
    EXPECT_EQ(contents.size(), report.rows);
    for (const auto& [id, row] : contents) {
      const bool is_doubtful = std::ranges::binary_search(report.doubtful, id);
      const auto found = wanted.find(id);
      const bool is_right = found != wanted.end() && found->second == row;
      EXPECT_TRUE(is_right || is_doubtful) << "id " << id << " is wrong, and nobody says so";
    }
    std::size_t missing = 0;
    for (const auto& [id, row] : wanted) {
      if (!contents.contains(id) && !left_out.contains(id)) ++missing;
    }
    EXPECT_LE(missing, report.lost_entries) << "vectors are gone that nobody lists";
  }

  const Model& wanted_after(const RepairReport& report, const VectorStore& store) {
    if (report.lost_batches) return states_.at(report.lost_batches->first_lsn - 1);
    if (store.recovery().dropped_bytes > 0 || report.dropped_bytes > 0) {
      return states_.at(store.view().lsn());  // a torn tail: it or opening reports it
    }
    return model_;
  }

  std::vector<std::string> names() { return disk_->list(kStorePath).value(); }

  void overwrite(const std::string& name, std::uint64_t offset, std::size_t length, int value) {
    auto opened = disk_->open(file(name), os::OpenMode::read_write, 0);
    ASSERT_TRUE(succeeded(opened));
    const std::vector<std::byte> bytes(length, static_cast<std::byte>(value));
    ASSERT_TRUE(succeeded((*opened)->write_all(offset, bytes)));
  }

  std::map<std::uint64_t, Model> states_;  // by LSN
};

TEST_F(RepairTest, AWholeStoreIsLeftAsItIs) {
  make_and_crash();
  const auto before = names();
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_FALSE(report->needed);
  EXPECT_EQ(report->rows, model_.size());
  EXPECT_EQ(names(), before);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(RepairTest, ALogWhoseHeaderIsLostIsLostAndTheReportSaysSo) {
  make_and_crash();
  overwrite("log-2.wal", 0, 512, 0xff);
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_FALSE(report->lost_nothing());
  ASSERT_TRUE(report->lost_batches.has_value());
  reopen();
  EXPECT_EQ(contents_of(*store_), states_.at(report->lost_batches->first_lsn - 1));
}

TEST_F(RepairTest, OpeningRemovesNothingWhileARepairMayBeUnfinished) {
  make_and_crash();
  for (const std::string name : {"repair-1.unfinished", "gen-7.rows", "log-1.wal"}) {
    ASSERT_TRUE(disk_->open(file(name), os::OpenMode::create_new, 0644).has_value()) << name;
  }
  reopen();
  EXPECT_TRUE(disk_->info(file("gen-7.rows")).has_value());
  EXPECT_TRUE(disk_->info(file("log-1.wal")).has_value());
  store_.reset();
  ASSERT_TRUE(succeeded(disk_->remove(file("repair-1.unfinished"))));
  reopen();
  EXPECT_FALSE(disk_->info(file("gen-7.rows")).has_value());
  EXPECT_FALSE(disk_->info(file("log-1.wal")).has_value());
}

TEST_F(RepairTest, EveryFlippedByteCanBeRepaired) {
  make_and_crash();
  const bool nightly = std::getenv("QUIRE_NIGHTLY") != nullptr;
  std::map<std::string, int> losses;
  for (const std::string& name : names()) {
    const std::uint64_t end = std::min<std::uint64_t>(disk_->info(file(name))->size, 4096 + 800);
    for (std::uint64_t offset = 0; offset < end; ++offset) {
      if (offset >= 128 && offset < 4080 && offset % 256 != 0 && !nightly) continue;
      auto copy = disk_->power_cut(os::Survivors::all, random_);
      ASSERT_TRUE(succeeded(copy->flip(file(name), offset, std::byte{0x20})));
      const auto report = repair(*copy, kStorePath, {});
      ASSERT_TRUE(succeeded(report)) << name << " flipped at " << offset;
      losses[name] += report->lost_nothing() ? 0 : 1;
      expect_repaired(*report, *copy);
      if (HasFailure()) FAIL() << name << " flipped at " << offset;
    }
  }
  EXPECT_EQ(losses["MANIFEST"], 0);
  EXPECT_EQ(losses["gen-1.slots"], 0) << "one wrong byte is set right";
  EXPECT_EQ(losses["gen-1.rows"], 5 * 16) << "rows that count and are not in the log";
  EXPECT_GT(losses["log-2.wal"], 0);
}

TEST_F(RepairTest, EverySectorThatGoesCanBeRepairedOrIsRefused) {
  make_and_crash();
  int refused = 0;
  for (const std::string& name : names()) {
    for (std::uint64_t offset = 0; offset < 4096 + 1024; offset += 64) {
      if (disk_->info(file(name))->size < offset + 64) continue;
      for (const int value : {0, 0xff}) {
        auto copy = disk_->power_cut(os::Survivors::all, random_);
        auto opened = *copy->open(file(name), os::OpenMode::read_write, 0);
        const std::vector<std::byte> bytes(64, static_cast<std::byte>(value));
        ASSERT_TRUE(succeeded(opened->write_all(offset, bytes)));
        const auto report = repair(*copy, kStorePath, {});
        if (!report) {
          EXPECT_TRUE(report.error().code() == ErrorCode::corrupt ||
                      report.error().code() == ErrorCode::format_version);
          ++refused;
          continue;
        }
        expect_repaired(*report, *copy);
        if (HasFailure()) FAIL() << name << " at " << offset << " value " << value;
      }
    }
  }
  EXPECT_LE(refused, 4) << "of a MANIFEST that says another version";
}

// A device that has lost a sector says so each time.
TEST_F(RepairTest, EverySectorThatCannotBeReadCanBeRepairedOrIsRefused) {
  make_and_crash();
  int refused = 0;
  for (const std::string& name : names()) {
    if (name == "LOCK") continue;
    const std::uint64_t size = disk_->info(file(name))->size;
    for (std::uint64_t sector = 0; sector < std::min<std::uint64_t>(size, 4096 + 2048);
         sector += 512) {
      auto copy = disk_->power_cut(os::Survivors::all, random_);
      copy->set_hook([&](const os::SimulatedCall& call) {
        const bool reads = std::string(call.operation) == "read" && call.path == file(name);
        const bool fails = reads && call.range.overlaps({sector, 512});
        return os::SimulatedOutcome{.fail_with = fails ? EIO : 0};
      });
      const auto report = repair(*copy, kStorePath, {});
      copy->set_hook({});
      if (!report) {
        EXPECT_TRUE(failed_with(ErrorCode::corrupt, report)) << name << " at " << sector;
        ++refused;
        continue;
      }
      expect_repaired(*report, *copy);
      if (HasFailure()) FAIL() << name << " at " << sector;
    }
  }
  EXPECT_EQ(refused, 0);
}

TEST_F(RepairTest, ADamagedRowIsLeftOutAndListed) {
  make_and_crash();
  overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_TRUE(report->needed);
  EXPECT_EQ(report->lost_vectors, 1U);
  ASSERT_EQ(report->damaged.size(), 1U);
  EXPECT_EQ(report->damaged[0].id, 2U);
  EXPECT_EQ(report->damaged[0].range, (ByteRange{4096 + 2 * kDimension, kDimension}));
  model_.erase(2);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(failed_with(ErrorCode::not_found, store_->get<std::uint8_t>(2)));
}

TEST_F(RepairTest, AnOlderVersionNeverTakesThePlaceOfADamagedOne) {
  make_and_crash();
  // The second of id 3's two rows: the first is whole.
  overwrite("gen-1.rows", 4096 + 8 * kDimension, kDimension, 7);
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->damaged[0].id, 3U);
  reopen();
  EXPECT_FALSE(store_->view().contains(3));
}

TEST_F(RepairTest, TheLogEndsBeforeADurableBatchThatIsDamaged) {
  make_and_crash();
  const std::uint64_t first = states_.begin()->first;
  overwrite("log-2.wal", 4096 + 112 + 60, 8, 0xaa);  // the second of the four
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open()));
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  ASSERT_TRUE(report->lost_batches.has_value());
  EXPECT_EQ(report->lost_batches->first_lsn, first + 2);
  EXPECT_EQ(report->lost_batches->last_lsn, first + 4);
  EXPECT_GT(report->lost_batches->bytes, 3 * 104U);
  reopen();
  EXPECT_EQ(contents_of(*store_), states_.at(first + 1));
  put(77, 77);
  EXPECT_EQ(store_->view().lsn(), first + 5) << "the numbers of lost batches are not given again";
}

TEST_F(RepairTest, ALostEntryPutsOlderVectorsInDoubt) {
  make_and_crash();
  overwrite("gen-1.slots", 4096 + 8 * 48, 48, 0x5a);  // the entry that replaced id 3
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->lost_entries, 1U);
  // 6 and 7 were put again in the log; 5 was removed after the lost entry.
  EXPECT_EQ(report->doubtful, (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
  reopen();
  EXPECT_EQ(*store_->get<std::uint8_t>(3), vector_of(3, kDimension)) << "old, and in the list";
}

TEST_F(RepairTest, DoubtfulVectorsCanBeDropped) {
  make_and_crash();
  overwrite("gen-1.slots", 4096 + 8 * 48, 48, 0x5a);
  const auto report = repair_it({.drop_doubtful = true});
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, 4U);
  reopen();
  EXPECT_EQ(store_->view().ids(), (std::vector<std::uint64_t>{6, 7, 8, 9}));
}

TEST_F(RepairTest, WhereEveryLostEntryPutANewVectorNothingIsInDoubt) {
  create();
  ASSERT_TRUE(put_many(0, 8));
  ASSERT_TRUE(succeeded(store_->close()));
  states_.emplace(1, model_);
  overwrite("gen-1.slots", 4096 + 2 * 48, 2 * 48, 0x5a);
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->lost_entries, 2U);
  EXPECT_TRUE(report->doubtful.empty());
  model_.erase(2);
  model_.erase(3);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(RepairTest, AMissingManifestIsFoundAgain) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->remove(file("MANIFEST"))));
  EXPECT_TRUE(failed_with(ErrorCode::not_found, open()));
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_TRUE(report->needed);
  EXPECT_TRUE(report->lost_nothing());
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

// They lie behind those of the next checkpoint, with LSNs that count by then.
TEST_F(RepairTest, EntriesOfACheckpointThatCameToNothingAreNotTakenForOthers) {
  create(Durability::checkpoint_only);
  put(1, 1);
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  Model expected = model_;
  ASSERT_TRUE(put_many(2, 2));
  disk_->set_hook([&](const os::SimulatedCall& call) {
    return os::SimulatedOutcome{.fail_with = call.path == file("MANIFEST.tmp") ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space, store_->checkpoint()));
  disk_->set_hook({});
  reopen();
  EXPECT_EQ(contents_of(*store_), expected);
  put(4, 4);
  expected[4] = model_[4];
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  reopen();  // with a log that says how far the entries go
  store_.reset();
  ASSERT_TRUE(succeeded(disk_->remove(file("MANIFEST"))));
  const auto report = repair_it({.durability = Durability::checkpoint_only});
  ASSERT_TRUE(succeeded(report));
  EXPECT_TRUE(report->lost_nothing());
  reopen();
  EXPECT_EQ(contents_of(*store_), expected);
}

TEST_F(RepairTest, ItDoesNotGuessWhichOfTwoGenerationsCounts) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->remove(file("MANIFEST"))));
  ASSERT_TRUE(disk_->open(file("gen-2.rows"), os::OpenMode::create_new, 0644).has_value());
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, repair_it()));
}

TEST_F(RepairTest, FilesOfDifferentStoresAreNotMixed) {
  make_and_crash();
  auto other = StoreAccess::create(*disk_, "/other",
                                   {.dimension = kDimension, .element_type = ElementType::u8});
  ASSERT_TRUE(succeeded(other));
  ASSERT_TRUE(succeeded(disk_->remove(file("MANIFEST"))));
  std::vector<std::byte> rows(4096);
  auto from = disk_->open("/other/gen-1.rows", os::OpenMode::read, 0).value();
  ASSERT_TRUE(succeeded(from->read_exactly(0, rows)));
  auto to = disk_->open(file("gen-1.rows"), os::OpenMode::read_write, 0).value();
  ASSERT_TRUE(succeeded(to->write_all(0, rows)));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, repair_it()));
}

TEST_F(RepairTest, AStoreOfAFutureVersionIsLeftAlone) {
  make_and_crash();
  overwrite("MANIFEST", 8, 1, 9);
  overwrite("MANIFEST", 100, 8, 9);
  EXPECT_TRUE(failed_with(ErrorCode::format_version, repair_it()));
}

TEST_F(RepairTest, ADirectoryWithoutAStoreIsLeftAlone) {
  ASSERT_TRUE(succeeded(disk_->make_directory(kStorePath)));
  EXPECT_TRUE(failed_with(ErrorCode::not_found, repair_it()));
  EXPECT_TRUE(disk_->list(kStorePath)->empty());
}

// An empty log behind it says that it was durable, as a record would.
TEST_F(RepairTest, TheLastRecordBeforeAnEmptyLogIsALossThatIsTold) {
  create(Durability::process_crash);
  states_.emplace(0, model_);
  for (std::uint64_t i = 1; i < 3; ++i) {
    put(i, i);
    states_.emplace(store_->view().lsn(), model_);
  }
  end_in_a_failed_checkpoint();
  ASSERT_TRUE(succeeded(disk_->flip(file("log-1.wal"), 4096 + 112 + 70, std::byte{1})));

  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_FALSE(report->lost_nothing());
  ASSERT_TRUE(report->lost_batches.has_value());
  EXPECT_EQ(report->lost_batches->first_lsn, 2U);
  expect_repaired(*report, *disk_);
}

TEST_F(RepairTest, ALogThatIsMissingIsALossThatIsTold) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->remove(file("log-2.wal"))));
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  ASSERT_TRUE(report->lost_batches.has_value());
  reopen();
  EXPECT_EQ(contents_of(*store_), states_.begin()->second);
}

TEST_F(RepairTest, WithoutTheListItIsRefused) {
  make_and_crash();
  ASSERT_TRUE(succeeded(disk_->remove(file("gen-1.slots"))));
  const auto before = names();
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, repair_it()));
  EXPECT_EQ(names(), before);
}

TEST_F(RepairTest, ADurableRecordWhoseRowsAreDamagedCostsTheseRows) {
  create();
  ASSERT_TRUE(put_many(0, 4));
  ASSERT_TRUE(succeeded(store_->close()));
  options_.direct_batch_bytes = 1;
  reopen();
  ASSERT_TRUE(put_many(2, 3, 100));  // rows 4, 5, 6: past the log
  ASSERT_TRUE(put_many(4, 1, 200));  // row 7, in place of row 6
  store_.reset();
  overwrite("gen-1.rows", 4096 + 5 * kDimension, 2 * kDimension, 7);
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, open()));
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->lost_vectors, 1U) << "row 6 was dead";
  model_.erase(3);
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(RepairTest, ADryRunChangesNothing) {
  make_and_crash();
  overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  const auto before = names();
  const auto report = repair_it({.dry_run = true});
  ASSERT_TRUE(succeeded(report));
  EXPECT_TRUE(report->needed);
  EXPECT_EQ(report->rows, model_.size() - 1);
  EXPECT_EQ(names(), before);
  EXPECT_EQ(repair_it()->rows, report->rows);
}

TEST_F(RepairTest, TheDamagedFilesStayUnderOtherNames) {
  make_and_crash();
  overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  const auto report = repair_it();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->kept, (std::vector<std::string>{"gen-1.rows.damaged-1", "gen-1.slots.damaged-1",
                                                    "log-2.wal.damaged-1"}));
  reopen();
  ASSERT_TRUE(succeeded(store_->close()));
  store_.reset();
  const auto after = names();
  for (const std::string& name : report->kept) {
    EXPECT_TRUE(std::ranges::find(after, name) != after.end()) << name;
  }
  EXPECT_TRUE(std::ranges::find(after, "repair-1.txt") != after.end());
  // Another repair takes other names.
  overwrite("gen-2.rows", 4096, kDimension, 7);
  EXPECT_EQ(repair_it()->kept[0], "gen-2.rows.damaged-2");
}

TEST_F(RepairTest, AStoreThatIsOpenForWritingIsBusy) {
  create();
  put(1, 1);
  EXPECT_TRUE(failed_with(ErrorCode::busy, repair_it()));
}

// The power goes at any call of a repair: repairing what is there then ends as the first would have.
class RepairPowerCutTest : public RepairTest {
 protected:
  void cut_everywhere(const std::function<void()>& damage_it) {
    make_and_crash();
    damage_it();
    disk_ = disk_->power_cut(os::Survivors::all, random_);  // so that all of it is durable
    const auto report = repair_it({.dry_run = true});
    ASSERT_TRUE(succeeded(report));
    const bool can_be_opened = open(StoreMode::read_only).has_value();
    int cuts = 0;
    disk_->set_hook([&](const os::SimulatedCall&) {
      for (const auto survivors : {os::Survivors::none, os::Survivors::all, os::Survivors::random,
                                   os::Survivors::random}) {
        if (HasFailure()) break;
        auto after = disk_->power_cut(survivors, random_);
        if (can_be_opened) {
          EXPECT_TRUE(succeeded(StoreAccess::open(*after, kStorePath, StoreMode::read_only)));
        }
        const auto again = repair(*after, kStorePath, {});
        EXPECT_TRUE(succeeded(again));
        EXPECT_TRUE(!again || report->lost_batches || !again->lost_batches);
        const auto left = after->list(kStorePath).value();
        EXPECT_TRUE(std::ranges::none_of(left, is_unfinished_repair));
        expect_repaired(*report, *after);
        ++cuts;
      }
      return os::SimulatedOutcome{};
    });
    ASSERT_TRUE(succeeded(repair_it()));
    disk_->set_hook({});
    expect_repaired(*report, *disk_);
    EXPECT_GT(cuts, 40);
  }
};

TEST_F(RepairPowerCutTest, OfADamagedRow) {
  cut_everywhere([this] { overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7); });
}

// Its header never came to the disk; a repair that is cut short must not make it look like a log that is lost.
TEST_F(RepairPowerCutTest, OfADamagedRowBeforeALogThatWasBeingMade) {
  cut_everywhere([this] {
    auto log = disk_->open(file("log-3.wal"), os::OpenMode::create_new, 0644);
    ASSERT_TRUE(succeeded(log));
    ASSERT_TRUE(succeeded((*log)->truncate(4096 + 512)));
    overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  });
  EXPECT_TRUE(std::ranges::count(names(), "log-3.wal.damaged-1") == 1);
}

// The same log, of a repair that was itself cut short while it made its own.
TEST_F(RepairPowerCutTest, OfADamagedRowAfterARepairThatWasCutShort) {
  cut_everywhere([this] {
    overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
    disk_->set_hook([this](const os::SimulatedCall& call) {
      const bool hit = call.path == file("log-3.wal") && std::string(call.operation) == "write";
      return os::SimulatedOutcome{.fail_with = hit ? EIO : 0};
    });
    EXPECT_FALSE(repair_it().has_value());
    disk_->set_hook({});
  });
}

TEST_F(RepairPowerCutTest, OfALogThatLostABatch) {
  cut_everywhere([this] { overwrite("log-2.wal", 4096 + 112 + 60, 8, 0xaa); });
}

TEST_F(RepairPowerCutTest, OfAMissingManifestAndADamagedRow) {
  cut_everywhere([this] {
    ASSERT_TRUE(succeeded(disk_->remove(file("MANIFEST"))));
    ASSERT_TRUE(succeeded(disk_->sync_directory(kStorePath)));
    overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  });
}

TEST_F(RepairPowerCutTest, OfALostEntryAndAWrongManifest) {
  cut_everywhere([this] {
    overwrite("MANIFEST", 60, 1, 0x77);
    overwrite("gen-1.slots", 4096 + 8 * 48, 48, 0x5a);
  });
}

// A writer that was killed need not have synced its last records; that is no loss of something durable.
TEST_F(RepairPowerCutTest, OfAStoreWhoseLogIsNotDurable) {
  create(Durability::process_crash);
  ASSERT_TRUE(put_many(0, 8));
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  put(20, 20);
  store_.reset();
  overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  ASSERT_TRUE(succeeded((*disk_->open(file("gen-1.rows"), os::OpenMode::read_write, 0))->sync()));
  int cuts = 0;
  disk_->set_hook([&](const os::SimulatedCall&) {
    for (const auto survivors : {os::Survivors::none, os::Survivors::random}) {
      auto after = disk_->power_cut(survivors, random_);
      const auto again = repair(*after, kStorePath, {});
      EXPECT_TRUE(succeeded(again));
      EXPECT_FALSE(again && again->lost_batches);
      EXPECT_TRUE(succeeded(StoreAccess::open(*after, kStorePath, StoreMode::read_write)));
      ++cuts;
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(succeeded(repair_it()));
  disk_->set_hook({});
  EXPECT_GT(cuts, 40);
}

TEST_F(RepairTest, ARepairThatFailsAnywhereChangesNothingOrRepairs) {
  make_and_crash();
  overwrite("gen-1.rows", 4096 + 2 * kDimension, kDimension, 7);
  const auto report = repair_it({.dry_run = true});
  for (std::uint64_t call = 0;; ++call) {
    auto disk = disk_->power_cut(os::Survivors::all, random_);
    std::uint64_t calls = 0;
    disk->set_hook([&](const os::SimulatedCall&) {
      return os::SimulatedOutcome{.fail_with = calls++ == call ? ENOSPC : 0};
    });
    const bool is_done = repair(*disk, kStorePath, {}).has_value();
    disk->set_hook({});
    auto again = repair(*disk->power_cut(os::Survivors::all, random_), kStorePath, {});
    EXPECT_TRUE(succeeded(again)) << "call " << call;
    if (HasFailure()) return;
    if (is_done && calls <= call) break;
  }
}

}  // namespace
}  // namespace quire::vector
