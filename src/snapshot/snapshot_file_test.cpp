// Snapshots in real files, and what others do to those while they are open.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

class SnapshotFileTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    std::string pattern = std::filesystem::temp_directory_path() / "quire-snapshot-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    ASSERT_TRUE(succeeded(put_many(0, 5000)));
    ASSERT_TRUE(succeeded(create_snapshot(store_->view(), path(), {.block_bytes = 4096})));
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path path() const { return directory_ / "points.quire"; }

  void overwrite_byte(std::uint64_t offset) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put('x');
  }

  Result<Snapshot> open_by_calls() const {
    auto source = open_file_source(path().string());
    return source ? Snapshot::open(*source) : std::unexpected(source.error());
  }

  std::filesystem::path directory_;
};

TEST_F(SnapshotFileTest, IsMappedAndReadInPlace) {
  const auto snapshot = Snapshot::open(path());
  ASSERT_TRUE(succeeded(snapshot));
  const auto matrix = snapshot->matrix<std::uint8_t>();
  ASSERT_TRUE(succeeded(matrix));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix->data()) % 4096, 0U) << "a page of memory";
  const auto row = snapshot->find<std::uint8_t>(17);
  EXPECT_EQ(row->elements().data(), matrix->data() + std::size_t{17} * kDimension) << "no copy";
  EXPECT_TRUE(contents_of(snapshot->scan()) == model_);
}

// Whether its blocks were compared before or not.
TEST_F(SnapshotFileTest, AMapThatIsCutIsAnErrorAndNoSignal) {
  const auto fresh = Snapshot::open(path());
  const auto used = Snapshot::open(path());
  ASSERT_TRUE(succeeded(used->matrix_bytes()));
  ASSERT_TRUE(succeeded(fresh->ids()));
  std::filesystem::resize_file(path(), 8192);
  std::vector<std::byte> out(kDimension);
  for (const Snapshot& snapshot : {*fresh, *used}) {
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.get(4999, out)));
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.nearest(vector_of(1, kDimension), 3)));
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.verify()));
    EXPECT_TRUE(
        failed_with(ErrorCode::changed, restore_snapshot(snapshot, directory_ / "restored")));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "restored" / "MANIFEST"));
  }
}

// The page in which the file now ends does not fault: behind the end it reads as zeros.
TEST_F(SnapshotFileTest, ZerosOfAMapThatIsCutInsideAPageAreNotBelieved) {
  const auto used = Snapshot::open(path());
  ASSERT_TRUE(succeeded(used->matrix_bytes()));
  ASSERT_TRUE(succeeded(used->ids()));
  std::vector<std::byte> out(kDimension);
  const std::uint64_t size = used->info().bytes;
  for (const std::uint64_t cut : {size - 1, size - 300, std::uint64_t{4096 + 100 * kDimension}}) {
    std::filesystem::resize_file(path(), cut);
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->get(101, out))) << cut;
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->contains(101))) << cut;
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->ids())) << cut;
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->nearest(vector_of(1, kDimension), 3)));
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->scan().next())) << cut;
    EXPECT_TRUE(failed_with(ErrorCode::changed, used->verify())) << cut;
  }
}

// What it gives then is not promised; that it gives something is.
TEST_F(SnapshotFileTest, AMapWhoseIdsAreOverwrittenCrashesNobody) {
  for (std::uint64_t id = 10'000; id < 20'000; id += 3) put(id, id);
  ASSERT_TRUE(succeeded(create_snapshot(store_->view(), path(), {.block_bytes = 4096})));
  const auto snapshot = Snapshot::open(path());
  ASSERT_TRUE(succeeded(snapshot->ids()));
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(4096 + snapshot->size() * kDimension));
  const std::string ones(20'000, '\xff');
  file.write(ones.data(), static_cast<std::streamsize>(ones.size()));
  file.close();
  for (std::uint64_t id = 0; id < 20'000; id += 7) ignore_error(snapshot->find_bytes(id));
  ignore_error(snapshot->ids());
  ignore_error(snapshot->nearest(vector_of(1, kDimension), 3));
  EXPECT_FALSE(snapshot->verify()->ok());
}

TEST_F(SnapshotFileTest, StopsAndDeadlinesEndWorkInAMapToo) {
  const auto snapshot = Snapshot::open(path());
  std::stop_source stop;
  stop.request_stop();
  const ReadOptions stopped{.stop = stop.get_token()};
  const ReadOptions late{.deadline = std::chrono::steady_clock::now()};
  for (const auto& [options, code] :
       {std::pair(stopped, ErrorCode::cancelled), std::pair(late, ErrorCode::timeout)}) {
    EXPECT_TRUE(failed_with(code, snapshot->find_bytes(1, options)));
    EXPECT_TRUE(failed_with(code, snapshot->ids(options)));
    EXPECT_TRUE(failed_with(code, snapshot->scan().next(options)));
    EXPECT_TRUE(failed_with(code, snapshot->verify({}, options)));
    EXPECT_TRUE(failed_with(code, snapshot->nearest(vector_of(1, kDimension), 3, {}, options)));
  }
}

TEST_F(SnapshotFileTest, AFileThatIsWrittenInPlaceIsChanged) {
  const auto snapshot = open_by_calls();
  ASSERT_TRUE(succeeded(snapshot));
  overwrite_byte(5000);
  EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot->find_bytes(17)));
}

TEST_F(SnapshotFileTest, AFileThatIsReplacedStaysReadable) {
  const Model before = model_;
  for (const auto& snapshot : {Snapshot::open(path()), open_by_calls()}) {
    ASSERT_TRUE(succeeded(snapshot));
    put(1, 1'000'000 + model_.size());
    ASSERT_TRUE(succeeded(create_snapshot(store_->view(), path())));
    EXPECT_TRUE(contents_of(snapshot->scan()) == before);
    EXPECT_TRUE(contents_of(Snapshot::open(path())->scan()) == model_);
  }
}

TEST_F(SnapshotFileTest, MayBeToldToReplaceNothing) {
  EXPECT_TRUE(failed_with(ErrorCode::exists, create_snapshot(store_->view(), path(), {},
                                                             {.if_exists = IfExists::fail})));
  EXPECT_TRUE(contents_of(Snapshot::open(path())->scan()) == model_);
}

TEST_F(SnapshotFileTest, WhatIsNotThereOrNoFileIsSaid) {
  EXPECT_TRUE(failed_with(ErrorCode::not_found, Snapshot::open(directory_ / "nothing")));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, Snapshot::open(directory_)));
  EXPECT_TRUE(failed_with(ErrorCode::not_found,
                          create_snapshot(store_->view(), directory_ / "no" / "directory")));
  EXPECT_TRUE(
      failed_with(ErrorCode::invalid_argument, create_snapshot(store_->view(), directory_)));
}

}  // namespace
}  // namespace quire::snapshot
