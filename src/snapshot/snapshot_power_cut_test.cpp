// Publishing and restoring with the power cut before every call, and with every call failing.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "snapshot/snapshot_access.hpp"
#include "snapshot/snapshot_test_fixture.hpp"
#include "source/source_access.hpp"

namespace quire::snapshot {
namespace {

const std::string kSnapshotPath = "/photos.quire";
const std::string kRestoredPath = "/restored";

class SnapshotPowerCutTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    ASSERT_TRUE(succeeded(put_many(0, 40)));
  }

  Result<SnapshotInfo> publish_to(os::FileSystem& disk, const ReadView& view) {
    auto sink = source::open_file_sink(disk, kSnapshotPath, {});
    if (!sink) return std::unexpected(sink.error());
    return write_snapshot(view, **sink, {.block_bytes = 3 * kDimension});
  }

  // What the file holds: its vectors; nothing if there is no file.
  static std::optional<Model> published(os::FileSystem& disk) {
    auto source = source::open_file_source(disk, kSnapshotPath);
    if (!source) {
      EXPECT_TRUE(failed_with(ErrorCode::not_found, source));
      return std::nullopt;
    }
    const Snapshot snapshot = opened(*source);
    EXPECT_TRUE(snapshot.verify()->ok());
    return contents_of(snapshot.scan());
  }

  static std::optional<Model> restored(os::FileSystem& disk) {
    auto store = vector::StoreAccess::open(disk, kRestoredPath, vector::StoreMode::read_write);
    if (!store) {
      EXPECT_TRUE(failed_with(ErrorCode::not_found, store));
      return std::nullopt;
    }
    EXPECT_TRUE(store->verify()->ok());
    return vector::contents_of(*store);
  }

  // Runs `work` with the power cut before each of its calls and after it, in four ways; `look` sees each
  // machine that results.
  void cut_everywhere(const std::function<bool(os::FileSystem&)>& work,
                      const std::function<void(os::SimulatedFileSystem&)>& look) {
    const auto cut = [&] {
      for (const auto survivors : {os::Survivors::none, os::Survivors::all, os::Survivors::random,
                                   os::Survivors::random}) {
        const auto after = disk_->power_cut(survivors, random_);
        ++cuts_;
        if (!HasFailure()) look(*after);
      }
    };
    disk_->set_hook([&](const os::SimulatedCall& call) {
      if (call.operation != std::string("read")) cut();
      return os::SimulatedOutcome{};
    });
    EXPECT_TRUE(work(*disk_));
    disk_->set_hook(nullptr);
    cut();
  }

  int cuts_ = 0;
};

TEST_F(SnapshotPowerCutTest, PublishingLeavesTheOldFileOrTheNew) {
  ASSERT_TRUE(succeeded(publish_to(*disk_, store_->view())));
  const Model old = model_;
  put(7, 1000);
  put(1000, 7);
  const ReadView view = store_->view();
  std::set<bool> seen;
  cut_everywhere([&](os::FileSystem& disk) { return publish_to(disk, view).has_value(); },
                 [&](os::SimulatedFileSystem& disk) {
                   const auto found = published(disk);
                   ASSERT_TRUE(found == old || found == model_);
                   seen.insert(found == model_);
                 });
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_GT(cuts_, 40);
  EXPECT_EQ(published(*disk_->power_cut(os::Survivors::none, random_)), model_);
}

TEST_F(SnapshotPowerCutTest, PublishingForTheFirstTimeLeavesNothingOrAll) {
  const ReadView view = store_->view();
  cut_everywhere([&](os::FileSystem& disk) { return publish_to(disk, view).has_value(); },
                 [&](os::SimulatedFileSystem& disk) {
                   const auto found = published(disk);
                   EXPECT_TRUE(!found || found == model_);
                 });
  EXPECT_EQ(published(*disk_), model_);
}

TEST_F(SnapshotPowerCutTest, WhateverCallFailsTheOldFileStaysAndNothingLiesBeside) {
  const ReadView old_view = store_->view();
  ASSERT_TRUE(succeeded(publish_to(*disk_, old_view)));
  const Model old = model_;
  put(7, 1000);
  const ReadView view = store_->view();
  for (std::uint64_t number = 0;; ++number) {
    const std::uint64_t target = disk_->calls() + number;
    bool failed = false;
    std::string operation;
    disk_->set_hook([&](const os::SimulatedCall& call) {
      if (call.number != target) return os::SimulatedOutcome{};
      failed = true;
      operation = call.operation;
      return os::SimulatedOutcome{.fail_with = EIO};
    });
    const auto made = publish_to(*disk_, view);
    disk_->set_hook(nullptr);
    if (!failed) {
      EXPECT_GT(number, 8U);
      break;
    }
    const auto found = published(*disk_);
    if (made || made.error().code() == ErrorCode::outcome_unknown) {
      EXPECT_EQ(found, model_) << operation;
      ASSERT_TRUE(succeeded(publish_to(*disk_, old_view)));
    } else {
      EXPECT_EQ(found, old) << operation;
    }
    const auto names = disk_->list("/").value();
    for (const std::string& name : names) {
      EXPECT_EQ(name.find(".quire-partial"), std::string::npos) << operation;
    }
  }
}

TEST_F(SnapshotPowerCutTest, RestoringLeavesNoStoreOrAWholeOne) {
  const Snapshot snapshot = opened(in_memory(publish(3)));
  std::set<bool> seen;
  cut_everywhere(
      [&](os::FileSystem& disk) {
        return SnapshotAccess::restore(disk, snapshot, kRestoredPath, {}).has_value();
      },
      [&](os::SimulatedFileSystem& disk) {
        const auto found = restored(disk);
        ASSERT_TRUE(!found || found == model_);
        seen.insert(found.has_value());
        if (found) return;
        // What was left is in nobody's way.
        ASSERT_TRUE(succeeded(SnapshotAccess::restore(disk, snapshot, kRestoredPath, {})));
        EXPECT_EQ(restored(disk), model_);
      });
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ(restored(*disk_->power_cut(os::Survivors::none, random_)), model_);
}

TEST_F(SnapshotPowerCutTest, AFullDiskAtTheLastStepOfARestoreIsGivenBackItsSpace) {
  const Snapshot snapshot = opened(in_memory(publish(3)));
  disk_->set_hook([](const os::SimulatedCall& call) {
    const bool at_manifest = call.path.find("MANIFEST") != std::string::npos;
    const bool now = at_manifest && call.operation == std::string("write");
    return os::SimulatedOutcome{.fail_with = now ? ENOSPC : 0};
  });
  EXPECT_TRUE(failed_with(ErrorCode::no_space,
                          SnapshotAccess::restore(*disk_, snapshot, kRestoredPath, {})));
  disk_->set_hook(nullptr);
  EXPECT_EQ(*disk_->list(kRestoredPath), std::vector<std::string>{"LOCK"});
}

TEST_F(SnapshotPowerCutTest, ARestoredStoreGoesOnLikeAnyOther) {
  const Snapshot snapshot = opened(in_memory(publish(3)));
  const auto report = SnapshotAccess::restore(*disk_, snapshot, kRestoredPath,
                                              {.durability = Durability::process_crash});
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, model_.size());
  {
    auto store = vector::StoreAccess::open(*disk_, kRestoredPath, vector::StoreMode::read_write);
    ASSERT_TRUE(succeeded(store));
    EXPECT_EQ(store->info()->durability, Durability::process_crash);
    EXPECT_EQ(store->info()->lsn, 1U);
    ASSERT_TRUE(succeeded(store->put(500, vector_of(500, kDimension))));
    ASSERT_TRUE(succeeded(store->remove(0)));
  }
  model_[500] = vector_of(500, kDimension);
  model_.erase(0);
  EXPECT_EQ(restored(*disk_), model_);
}

TEST_F(SnapshotPowerCutTest, RestoringChangesNoStoreThatIsThere) {
  const Snapshot snapshot = opened(in_memory(publish(3)));
  put(0, 77);
  EXPECT_TRUE(failed_with(ErrorCode::exists,
                          SnapshotAccess::restore(*disk_, snapshot, vector::kStorePath, {})));
  EXPECT_EQ(vector::contents_of(*store_), model_);
}

TEST_F(SnapshotPowerCutTest, RestoringAnEmptySnapshotGivesAnEmptyStore) {
  auto made = vector::StoreAccess::create(
      *disk_, "/empty", {.dimension = kDimension, .element_type = ElementType::u8});
  const Snapshot snapshot = opened(in_memory(SnapshotTest::publish(made->view(), 3)));
  ASSERT_TRUE(succeeded(SnapshotAccess::restore(*disk_, snapshot, kRestoredPath, {})));
  EXPECT_EQ(restored(*disk_), Model{});
}

}  // namespace
}  // namespace quire::snapshot
