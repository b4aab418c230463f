// What the simulated file system takes away, and what it must keep.
#include "os/simulated_file_system.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

namespace quire::os {
namespace {

std::vector<std::byte> filled(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

class PowerCut : public ::testing::Test {
 protected:
  std::unique_ptr<File> create(const std::string& path) {
    auto file = disk_.open(path, OpenMode::create_new, 0644);
    EXPECT_TRUE(file) << file.error().message();
    return *std::move(file);
  }
  std::unique_ptr<SimulatedFileSystem> cut(Survivors survivors) {
    return disk_.power_cut(survivors, random_);
  }
  static std::vector<std::byte> content(SimulatedFileSystem& disk, const std::string& path) {
    auto file = disk.open(path, OpenMode::read, 0);
    if (!file) return {};
    std::vector<std::byte> bytes(static_cast<std::size_t>((*file)->info()->size));
    EXPECT_TRUE((*file)->read_exactly(0, bytes));
    return bytes;
  }

  SimulatedFileSystem disk_;
  Random random_{1};
};

TEST_F(PowerCut, WhatIsNotSyncedMayVanish) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(100, 1)));
  ASSERT_TRUE(file->sync());
  EXPECT_TRUE(cut(Survivors::none)->list("/")->empty()) << "the name was not synced";
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(file->write_all(50, filled(100, 2)));
  EXPECT_EQ(content(*cut(Survivors::none), "/a"), filled(100, 1));
  EXPECT_EQ(content(*cut(Survivors::all), "/a").size(), 150U);
}

TEST_F(PowerCut, ADirectReadSeesWhatIsDurable) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(5000, 1)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(file->write_all(4000, filled(1000, 2)));
  auto direct = *disk_.open("/a", OpenMode::read_direct, 0);
  std::vector<std::byte> seen(5000);
  ASSERT_TRUE(direct->read_exactly(0, seen));
  EXPECT_EQ(seen, filled(5000, 1));
  ASSERT_TRUE(direct->sync());
  ASSERT_TRUE(direct->read_exactly(0, seen));
  EXPECT_EQ(seen[4500], std::byte{2});
}

TEST_F(PowerCut, NoSyncMendsWhatTheDiskLostUnderACleanPage) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(8192, 1)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.flip_on_disk("/a", 100, std::byte{2}));
  ASSERT_TRUE(file->write_all(5000, filled(1, 9)));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(content(disk_, "/a")[100], std::byte{1});
  auto direct = *disk_.open("/a", OpenMode::read_direct, 0);
  std::vector<std::byte> seen(8192);
  ASSERT_TRUE(direct->read_exactly(0, seen));
  EXPECT_EQ(seen[100], std::byte{3});
  EXPECT_EQ(seen[5000], std::byte{9});
  ASSERT_TRUE(file->write_all(0, filled(1, 1))) << "the same byte, and so no change";
  ASSERT_TRUE(file->write_all(1, filled(1, 7)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(direct->read_exactly(0, seen));
  EXPECT_EQ(seen[100], std::byte{1}) << "the page was written anew";
}

TEST_F(PowerCut, AnySubsetOfSectorsSurvives) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(8192, 1)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(file->write_all(0, filled(8192, 2)));
  std::set<std::vector<std::byte>> seen;
  for (int i = 0; i < 200; ++i) {
    const auto bytes = content(*cut(Survivors::random), "/a");
    for (std::size_t at = 0; at < bytes.size(); at += 512) {
      const std::vector<std::byte> sector(bytes.begin() + static_cast<long>(at),
                                          bytes.begin() + static_cast<long>(at) + 512);
      EXPECT_TRUE(sector == filled(512, 1) || sector == filled(512, 2)) << "sectors are atomic";
    }
    seen.insert(bytes);
  }
  EXPECT_GT(seen.size(), 50U);
}

TEST_F(PowerCut, StoresThroughAMapCountAsWrites) {
  auto file = create("/a");
  ASSERT_TRUE(file->truncate(4096));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  auto mapping = file->map(MapAccess::read_write, 4096);
  ASSERT_TRUE(mapping);
  mapping->data()[7] = std::byte{9};
  EXPECT_EQ(content(*cut(Survivors::none), "/a")[7], std::byte{0});
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(content(*cut(Survivors::none), "/a")[7], std::byte{9});
}

TEST_F(PowerCut, ARenameMaySurviveWithoutTheDataItNames) {
  auto old_file = create("/a");
  ASSERT_TRUE(old_file->write_all(0, filled(10, 1)));
  ASSERT_TRUE(old_file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  auto new_file = create("/a.tmp");
  ASSERT_TRUE(new_file->write_all(0, filled(10, 2)));
  ASSERT_TRUE(disk_.rename("/a.tmp", "/a", IfExists::replace));
  std::set<std::size_t> sizes;
  for (int i = 0; i < 100; ++i) sizes.insert(content(*cut(Survivors::random), "/a").size());
  EXPECT_TRUE(sizes.contains(0)) << "an unsynced file under the new name is empty";
  EXPECT_TRUE(sizes.contains(10));
}

TEST_F(PowerCut, AnySizeSinceTheLastSyncMaySurvive) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(100, 1)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(file->write_all(0, filled(5000, 2)));
  ASSERT_TRUE(file->truncate(300));
  std::set<std::size_t> sizes;
  for (int i = 0; i < 100; ++i) sizes.insert(content(*cut(Survivors::random), "/a").size());
  EXPECT_EQ(sizes, (std::set<std::size_t>{100, 300, 5000}));
}

TEST_F(PowerCut, AnySubsetOfNamesSurvives) {
  auto old_file = create("/a");
  ASSERT_TRUE(disk_.sync_directory("/"));
  auto new_file = create("/b");
  ASSERT_TRUE(disk_.remove("/a"));
  std::set<std::vector<std::string>> seen;
  for (int i = 0; i < 100; ++i) seen.insert(*cut(Survivors::random)->list("/"));
  EXPECT_EQ(seen, (std::set<std::vector<std::string>>{{}, {"a"}, {"b"}, {"a", "b"}}));
}

TEST_F(PowerCut, ARenameIsAtomicAndDurableOnceItsDirectoryIsSynced) {
  auto old_file = create("/a");
  auto new_file = create("/a.tmp");
  ASSERT_TRUE(new_file->write_all(0, filled(10, 2)));
  ASSERT_TRUE(new_file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(disk_.rename("/a.tmp", "/a", IfExists::replace));
  for (int i = 0; i < 100; ++i) {
    const auto after = cut(Survivors::random);
    const bool renamed = *after->list("/") == std::vector<std::string>{"a"};
    EXPECT_EQ(content(*after, "/a"), renamed ? filled(10, 2) : filled(0, 0));
    EXPECT_EQ(content(*after, "/a.tmp"), renamed ? filled(0, 0) : filled(10, 2));
  }
  ASSERT_TRUE(disk_.sync_directory("/"));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(content(*cut(Survivors::random), "/a"), filled(10, 2));
}

TEST_F(PowerCut, APageMayBeWrittenBackAtAnyTime) {
  auto file = create("/a");
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(file->truncate(4096));
  ASSERT_TRUE(file->sync());
  disk_.write_back_one_in(1, 1);
  ASSERT_TRUE(file->write_all(0, filled(100, 3)));
  EXPECT_EQ(content(*cut(Survivors::none), "/a")[0], std::byte{3});
}

TEST_F(PowerCut, CallsFailAsTheHookSays) {
  auto file = create("/a");
  disk_.set_hook([](const SimulatedCall& call) {
    SimulatedOutcome outcome;
    if (std::string(call.operation) == "sync") outcome.fail_with = EIO;
    if (std::string(call.operation) == "write") outcome.write_limit = 3;
    return outcome;
  });
  EXPECT_EQ(file->pwrite(0, filled(10, 1)).value(), 3U);
  EXPECT_TRUE(file->write_all(0, filled(10, 1))) << "short writes are gone on with";
  EXPECT_EQ(file->sync().error().code(), ErrorCode::io);
  disk_.set_hook({});
  EXPECT_EQ(file->sync().error().code(), ErrorCode::read_only_after_error);
  EXPECT_EQ((*disk_.open("/a", OpenMode::read_write, 0))->sync().error().code(),
            ErrorCode::read_only_after_error)
      << "through any handle";
  file->forget_sync_failure();
  EXPECT_TRUE(file->sync());
}

TEST_F(PowerCut, WhatAFailedSyncDidNotWriteIsCleanUntilItIsWrittenAgain) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(4 * 4096, 1)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(file->write_all(0, filled(3 * 4096, 2)));
  disk_.set_hook([](const SimulatedCall&) { return SimulatedOutcome{.fail_with = EIO}; });
  EXPECT_FALSE(file->sync());
  disk_.set_hook({});
  file->forget_sync_failure();
  ASSERT_TRUE(file->write_all(3 * 4096, filled(4096, 3)));
  ASSERT_TRUE(file->write_all(4096 + 10, filled(1, 2)));  // the same as is read there
  auto mapping = file->map(MapAccess::read_write, 4 * 4096);
  ASSERT_TRUE(mapping);
  mapping->data()[2 * 4096] = std::byte{4};
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(content(disk_, "/a")[7], std::byte{2}) << "what was dropped is still read";
  const auto durable = content(*cut(Survivors::none), "/a");
  EXPECT_EQ(durable[7], std::byte{1}) << "no later sync writes it";
  EXPECT_EQ(durable[4096 + 7], std::byte{2}) << "a write makes its whole page dirty";
  EXPECT_EQ(durable[2 * 4096], std::byte{4});
  EXPECT_EQ(durable[2 * 4096 + 7], std::byte{2}) << "so does a store through a map";
  EXPECT_EQ(durable[3 * 4096], std::byte{3});
}

TEST_F(PowerCut, ADeviceThatGivesUpWaitingForAReadHasFailed) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(10, 1)));
  disk_.set_hook([](const SimulatedCall&) { return SimulatedOutcome{.fail_with = ETIMEDOUT}; });
  std::vector<std::byte> bytes(10);
  const auto read = file->read_exactly(0, bytes);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::io);
  EXPECT_EQ(read.error().system_code(), ETIMEDOUT);
  EXPECT_EQ(read.error().path(), "/a");
  EXPECT_EQ(read.error().range(), (ByteRange{0, 10}));
}

TEST_F(PowerCut, AHookMayCount) {
  auto file = create("/a");
  disk_.set_hook([left = 2](const SimulatedCall&) mutable {
    return SimulatedOutcome{.fail_with = left-- == 0 ? EIO : 0};
  });
  EXPECT_TRUE(file->write_all(0, filled(1, 1)));
  EXPECT_TRUE(file->write_all(0, filled(1, 1)));
  EXPECT_FALSE(file->write_all(0, filled(1, 1)));
  EXPECT_TRUE(file->write_all(0, filled(1, 1)));
}

TEST_F(PowerCut, TheDiskGetsFull) {
  disk_.set_capacity(8192);
  auto file = create("/a");
  EXPECT_TRUE(file->write_all(0, filled(8192, 1)));
  EXPECT_EQ(file->write_all(8192, filled(1, 1)).error().code(), ErrorCode::no_space);
  EXPECT_EQ(file->allocate({8192, 4096}).error().code(), ErrorCode::no_space);
  EXPECT_TRUE(file->write_all(0, filled(8192, 2))) << "what is there can be written again";
}

TEST_F(PowerCut, DamageIsDurable) {
  auto file = create("/a");
  ASSERT_TRUE(file->write_all(0, filled(10, 0)));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk_.sync_directory("/"));
  ASSERT_TRUE(disk_.flip("/a", 4, std::byte{0x10}));
  EXPECT_EQ(content(*cut(Survivors::none), "/a")[4], std::byte{0x10});
}

}  // namespace
}  // namespace quire::os
