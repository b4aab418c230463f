// Restoring where calls fail, and where somebody else is quicker.
#include <gtest/gtest.h>

#include <cerrno>

#include "snapshot/snapshot_access.hpp"
#include "snapshot/snapshot_test_fixture.hpp"
#include "vector/format.hpp"

namespace quire::snapshot {
namespace {

const std::string kRestoredPath = "/restored";

class RestoreTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    ASSERT_TRUE(succeeded(put_many(0, 40)));
    snapshot_.emplace(opened(in_memory(publish(3))));
  }
  Result<RestoreReport> restore() {
    return SnapshotAccess::restore(*disk_, *snapshot_, kRestoredPath, {});
  }
  // What is there; nothing if there is no store.
  std::optional<Model> restored() {
    auto store = vector::StoreAccess::open(*disk_, kRestoredPath, vector::StoreMode::read_only);
    if (!store) {
      EXPECT_TRUE(failed_with(ErrorCode::not_found, store));
      return std::nullopt;
    }
    EXPECT_TRUE(store->verify()->ok());
    return vector::contents_of(*store);
  }
  std::string restored_file(const std::string& name) const {
    return os::join_path(kRestoredPath, name);
  }
  bool is_there(const std::string& path) { return disk_->info(path).has_value(); }

  std::optional<Snapshot> snapshot_;
};

TEST_F(RestoreTest, WhateverCallFailsThereIsNoStoreOrAWholeOneAndNoErrorIsAnother) {
  bool has_failed = true;
  for (std::uint64_t number = 0; has_failed; ++number) {
    const Content content = publish(3);
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    const std::uint64_t target = disk_->calls() + number;
    has_failed = false;
    std::string failed;
    bool is_late = false;  // MANIFEST was begun
    disk_->set_hook([&](const os::SimulatedCall& call) {
      if (call.path.find(vector::kManifestName) != std::string::npos) is_late = true;
      if (call.number != target) return os::SimulatedOutcome{};
      has_failed = true;
      failed = std::string(call.operation) + " " + call.path;
      return os::SimulatedOutcome{.fail_with = EIO};
    });
    const auto report = restore();
    disk_->set_hook(nullptr);
    const auto found = restored();
    EXPECT_TRUE(!found || found == model_) << failed;
    if (report) {
      EXPECT_EQ(found, model_) << failed;
      continue;
    }
    EXPECT_EQ(report.error().code(), ErrorCode::io) << failed << ": " << report.error().message();
    if (is_late || !is_there(kRestoredPath)) continue;
    const auto names = disk_->list(kRestoredPath).value();
    for (const std::string& name : names) EXPECT_EQ(name, vector::kLockName) << failed;
  }
}

TEST_F(RestoreTest, MakesNoStoreOnANetworkFileSystemUnlessAskedTo) {
  disk_->set_kind({.name = "NFS", .is_network = true});
  EXPECT_TRUE(failed_with(ErrorCode::unsupported, restore()));
  EXPECT_FALSE(is_there(kRestoredPath));
  RestoreSnapshotOptions options;
  options.allow_network_file_system = true;
  EXPECT_TRUE(succeeded(SnapshotAccess::restore(*disk_, *snapshot_, kRestoredPath, options)));
}

// Between the first look at the directory and the lock.
TEST_F(RestoreTest, AStoreThatSomebodyElseMadeMeanwhileIsNotTouched) {
  bool is_made = false;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (call.path == restored_file(vector::kLockName) && !is_made) {
      is_made = true;
      auto other = vector::StoreAccess::create(
          *disk_, kRestoredPath, {.dimension = kDimension, .element_type = ElementType::u8});
      EXPECT_TRUE(succeeded(other));
      EXPECT_TRUE(succeeded(other->put(77, vector_of(77, kDimension))));
    }
    return os::SimulatedOutcome{};
  });
  const auto report = restore();
  disk_->set_hook(nullptr);
  ASSERT_TRUE(is_made);
  EXPECT_TRUE(failed_with(ErrorCode::exists, report));
  EXPECT_EQ(restored(), (Model{{77, vector_of(77, kDimension)}}));
}

TEST_F(RestoreTest, WritesTheFilesThatTheDocumentDescribes) {
  ASSERT_TRUE(succeeded(restore()));
  EXPECT_EQ(disk_->info(restored_file(vector::rows_name(1)))->size, 4096U + 40U * kDimension);
  const std::string log = restored_file(vector::log_name(1));
  const auto file = disk_->open(log, os::OpenMode::read, 0);
  ASSERT_TRUE(succeeded(file));
  std::vector<std::byte> bytes(vector::kHeaderBytes);
  ASSERT_TRUE(succeeded((*file)->read_exactly(0, bytes)));
  const auto header = vector::FileHeader::decode(bytes, vector::FileRole::log, log);
  ASSERT_TRUE(succeeded(header));
  EXPECT_EQ(header->first_lsn, 2U);
}

}  // namespace
}  // namespace quire::snapshot
