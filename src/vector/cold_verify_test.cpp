// Verifying past the page cache: what is right in memory and wrong on the disk is found.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "vector/format.hpp"
#include "vector/readable_file.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

constexpr VerifyOptions kCold{.cold = true};

class ColdVerify : public StoreTest {
 protected:
  void rot(const std::string& name, std::uint64_t offset) {
    ASSERT_TRUE(succeeded(disk_->flip_on_disk(file(name), offset, std::byte{0x10})));
  }

  // The damage that a look at the disk finds and one at the cache does not.
  static std::vector<Damage> found_cold(const VectorStore& store) {
    const auto cached = store.verify();
    EXPECT_TRUE(succeeded(cached));
    EXPECT_TRUE(cached && cached->ok());
    const auto cold = store.verify({}, kCold);
    EXPECT_TRUE(succeeded(cold));
    return cold ? cold->damaged : std::vector<Damage>();
  }

  void make_unreadable(const std::string& name, ByteRange bad) {
    disk_->set_hook([path = file(name), bad](const os::SimulatedCall& call) {
      const bool hit =
          std::string(call.operation) == "read" && call.path == path && call.range.overlaps(bad);
      return os::SimulatedOutcome{.fail_with = hit ? EIO : 0};
    });
  }

  // 20 vectors in a checkpoint and 3 in the log.
  void fill() {
    create();
    ASSERT_TRUE(put_many(0, 20));
    ASSERT_TRUE(succeeded(store_->checkpoint()));
    for (std::uint64_t id = 20; id < 23; ++id) put(id, id);
  }
};

TEST_F(ColdVerify, NamesARowThatIsWrongOnTheDiskAlone) {
  fill();
  rot("gen-1.rows", 4096 + 7 * kDimension + 3);
  const auto damaged = found_cold(*store_);
  ASSERT_EQ(damaged.size(), 1U);
  EXPECT_EQ(damaged[0].id, 7U);
  EXPECT_EQ(damaged[0].file, file("gen-1.rows"));
  EXPECT_EQ(damaged[0].range, (ByteRange{4096 + 7 * kDimension, kDimension}));
  EXPECT_EQ(contents_of(*store_), model_);
}

TEST_F(ColdVerify, LooksAtEveryFile) {
  const std::vector<std::pair<std::string, std::uint64_t>> places{
      {"MANIFEST", 50},
      {"gen-1.rows", 60},
      {"gen-1.rows", 4096 + 21 * kDimension},
      {"gen-1.slots", 60},
      {"gen-1.slots", 4096 + 2 * 48 + 9},
      {"log-2.wal", 60},
      {"log-2.wal", 4096 + 70},
  };
  for (const StoreMode mode : {StoreMode::read_write, StoreMode::read_only}) {
    for (const auto& [name, offset] : places) {
      disk_ = std::make_unique<os::SimulatedFileSystem>();
      fill();
      if (mode == StoreMode::read_only) {
        store_.reset();
        store_.emplace(*open(mode));
      }
      EXPECT_TRUE(found_cold(*store_).empty());
      rot(name, offset);
      const auto damaged = found_cold(*store_);
      ASSERT_FALSE(damaged.empty()) << name << " " << offset;
      EXPECT_EQ(damaged[0].file, file(name)) << offset;
      store_.reset();
    }
  }
}

TEST_F(ColdVerify, AReaderBesideAWriterLooksAtTheLogsToo) {
  fill();
  auto reader = *open(StoreMode::read_only);
  put(23, 23);
  EXPECT_TRUE(found_cold(reader).empty());
  ASSERT_TRUE(*reader.refresh());
  rot("log-2.wal", 4096 + 70);
  EXPECT_FALSE(found_cold(reader).empty());
  // The checkpoint has what that log had.
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  EXPECT_TRUE(found_cold(reader).empty());
}

TEST_F(ColdVerify, WhatWasNotSyncedIsSyncedFirst) {
  create(Durability::process_crash);
  ASSERT_TRUE(put_many(0, 20));
  EXPECT_TRUE(found_cold(*store_).empty());
  ASSERT_TRUE(put_many(20, 20));
  auto reader = *open(StoreMode::read_only);
  EXPECT_TRUE(found_cold(reader).empty());
}

TEST_F(ColdVerify, RowsThatOnlyTheLogHasAreNotMissing) {
  create();
  for (std::uint64_t id = 0; id < 5; ++id) put(id, id);
  lose_power();
  auto reader = *open(StoreMode::read_only);
  EXPECT_EQ(contents_of(reader), model_);
  EXPECT_TRUE(found_cold(reader).empty());
  rot("log-1.wal", 4096 + 70);
  EXPECT_FALSE(found_cold(reader).empty());
}

TEST_F(ColdVerify, SaysWhereTheFileSystemHasNoWayPastItsCache) {
  fill();
  disk_->set_direct_reads_supported(false);
  const auto refused = store_->verify({}, kCold);
  ASSERT_TRUE(failed_with(ErrorCode::unsupported, refused));
  EXPECT_EQ(refused.error().path(), file("MANIFEST"));
  EXPECT_TRUE(succeeded(store_->verify()));
}

TEST_F(ColdVerify, ARowThatTheDiskCannotReadIsDamageOfThatRow) {
  fill();
  make_unreadable("gen-1.rows", {4096 + 3 * kDimension, 1});
  const auto report = store_->verify({}, kCold);
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(report));
  ASSERT_EQ(report->damaged.size(), 1U);
  EXPECT_EQ(report->damaged[0].id, 3U);
  EXPECT_EQ(report->rows, 23U);
}

TEST_F(ColdVerify, SectorsThatCannotBeReadAreListedAndTheRestIsCompared) {
  const std::vector<std::pair<std::string, ByteRange>> places{
      {"MANIFEST", {0, 256}},       {"gen-1.rows", {0, 1024}}, {"gen-1.slots", {512, 512}},
      {"gen-1.slots", {4096, 512}}, {"log-2.wal", {0, 512}},   {"log-2.wal", {4096, 512}},
      {"log-2.wal", {8192, 1024}},  // space taken ahead
  };
  for (const StoreMode mode : {StoreMode::read_write, StoreMode::read_only}) {
    for (const auto& [name, range] : places) {
      SCOPED_TRACE(name + " " + std::to_string(range.offset));
      disk_ = std::make_unique<os::SimulatedFileSystem>();
      fill();
      if (mode == StoreMode::read_only) {
        store_.reset();
        store_.emplace(*open(mode));
      }
      make_unreadable(name, range);
      const auto report = store_->verify({}, kCold);
      disk_->set_hook({});
      ASSERT_TRUE(succeeded(report));
      EXPECT_EQ(report->rows, 23U);
      const auto is_that = [&](const Damage& damage) {
        return damage.file == file(name) && damage.range == range &&
               damage.what == "the device cannot read it";
      };
      EXPECT_EQ(std::ranges::count_if(report->damaged, is_that), 1);
      store_.reset();
    }
  }
}

TEST_F(ColdVerify, AnUnreadableSectorOfTheSlotsHidesNoOtherDamageAndIsListedOnce) {
  fill();
  rot("gen-1.slots", 4096 + 19 * 48 + 9);
  make_unreadable("gen-1.slots", {4096, 512});
  const auto report = store_->verify({}, kCold);
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(report));
  ASSERT_EQ(report->damaged.size(), 2U);
  EXPECT_EQ(report->damaged[0].range, (ByteRange{4096 + 19 * 48, 48}));
  EXPECT_EQ(report->damaged[1].range, (ByteRange{4096, 512}));
}

// A log that names rows reads them too, also where their file's header cannot be had.
TEST_F(ColdVerify, AnUnreadableHeaderOfTheRowsDoesNotHideTheRest) {
  create(Durability::power_loss, {.direct_batch_bytes = 1});
  ASSERT_TRUE(put_many(0, 20));
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool fails = std::string(call.operation) == "read" && call.path == file("gen-1.rows") &&
                       call.range.overlaps({0, kSectorBytes + kHeaderBytes});
    return os::SimulatedOutcome{.fail_with = fails ? EIO : 0};
  });
  for (const VerifyOptions& options : {VerifyOptions{}, kCold}) {
    const auto report = store_->verify({}, options);
    ASSERT_TRUE(succeeded(report));
    EXPECT_EQ(report->rows, 20U);
    const auto is_listed = [&](const Damage& damage) {
      return damage.file == file("gen-1.rows") && damage.range.contains({0, kHeaderBytes}) &&
             damage.what == "the device cannot read it";
    };
    EXPECT_EQ(std::ranges::count_if(report->damaged, is_listed), 1);
  }
  disk_->set_hook({});
}

TEST_F(ColdVerify, AFileThatCannotBeOpenedDoesNotHideTheRest) {
  fill();
  rot("gen-1.rows", 4096 + 7 * kDimension + 3);
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool fails = std::string(call.operation) == "open" && call.path == file("gen-1.slots");
    return os::SimulatedOutcome{.fail_with = fails ? EIO : 0};
  });
  const auto report = store_->verify({}, kCold);
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(report));
  ASSERT_EQ(report->damaged.size(), 2U);
  EXPECT_EQ(report->damaged[0].file, file("gen-1.slots"));
  EXPECT_EQ(report->damaged[1].id, 7U);
}

TEST_F(ColdVerify, AListOfUnreadableSectorsHasAnEnd) {
  create(Durability::process_crash);
  ASSERT_TRUE(put_many(0, 220'000));  // 20,600 sectors of entries
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool fails =
        std::string(call.operation) == "read" && call.path == file("gen-1.slots") &&
        call.range.end() > kHeaderBytes &&
        (call.range.length > kSectorBytes || call.range.offset / kSectorBytes % 2 == 0);
    return os::SimulatedOutcome{.fail_with = fails ? EIO : 0};
  });
  const auto report = store_->verify();
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->damaged.size(), 10'000U);
}

// Which may take long, for a large file: writers do not wait for it.
TEST_F(ColdVerify, GivesUpWhatIsCachedOfALargeFileOnceAndBeforeAllElse) {
  create(Durability::power_loss, {.direct_batch_bytes = 1});
  ASSERT_TRUE(put_many(0, 20));
  for (const char* name : {"gen-1.rows", "gen-1.slots"}) {
    int advised = 0;
    bool has_read = false;
    disk_->set_hook([&](const os::SimulatedCall& call) {
      has_read |= std::string(call.operation) == "read";
      if (call.path == file(name) && std::string(call.operation) == "advise") {
        ++advised;
        EXPECT_FALSE(has_read);
      }
      return os::SimulatedOutcome{};
    });
    EXPECT_TRUE(store_->verify({}, kCold)->ok());
    disk_->set_hook({});
    EXPECT_EQ(advised, 1) << name;
  }
}

TEST_F(ColdVerify, ADeviceThatGivesUpWaitingIsAsOneThatFails) {
  fill();
  disk_->set_hook([&](const os::SimulatedCall& call) {
    const bool hit = std::string(call.operation) == "read" && call.path == file("gen-1.slots") &&
                     call.range.overlaps({4096, 512});
    return os::SimulatedOutcome{.fail_with = hit ? ETIMEDOUT : 0};
  });
  const auto report = store_->verify({}, kCold);
  disk_->set_hook({});
  ASSERT_TRUE(succeeded(report));
  ASSERT_EQ(report->damaged.size(), 1U);
  EXPECT_EQ(report->damaged[0].range, (ByteRange{4096, 512}));
}

TEST(ColdVerifyOfRealFiles, FindsAFlippedByteAndNothingElse) {
  std::string home = std::filesystem::temp_directory_path() / "quire-XXXXXX";
  ASSERT_NE(::mkdtemp(home.data()), nullptr);
  const std::string directory = home + "/store";
  auto store = *VectorStore::create(directory, {.dimension = 100});
  for (std::uint64_t id = 0; id < 50; ++id) {
    ASSERT_TRUE(store.put(id, std::vector<float>(100, static_cast<float>(id))));
  }
  const auto good = store.verify({}, kCold);
  const bool has_direct_reads = good || good.error().code() != ErrorCode::unsupported;
  if (has_direct_reads) {
    ASSERT_TRUE(succeeded(good));
    EXPECT_TRUE(good->ok());
    EXPECT_EQ(good->rows, 50U);
    std::fstream rows(directory + "/gen-1.rows", std::ios::in | std::ios::out | std::ios::binary);
    rows.seekp(4096 + 9 * 400 + 5);
    rows.put('\x55');
    rows.close();
    const auto report = store.verify({}, kCold);
    ASSERT_TRUE(succeeded(report));
    ASSERT_EQ(report->damaged.size(), 1U);
    EXPECT_EQ(report->damaged[0].id, 9U);
  }
  ASSERT_TRUE(store.close());
  std::filesystem::remove_all(home);
  if (!has_direct_reads) GTEST_SKIP() << "no direct reads here";
}

}  // namespace
}  // namespace quire::vector
