// Promise 6: creating never destroys before it can succeed, whatever call fails or loses power.
#include <functional>
#include <set>

#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

constexpr std::uint64_t kSize = 2 * kPage + 10;

class CreationTest : public SimulatedDiskTest {
 protected:
  using Action = std::function<Result<MappedFile>(Disk&)>;

  static Result<MappedFile> create(Disk& disk) { return Factory::create(disk, kPath, kSize, {}); }
  static Result<MappedFile> replace(Disk& disk) {
    return Factory::create_or_replace(disk, kPath, kSize, {});
  }
  static Result<MappedFile> either(Disk& disk) {
    return Factory::open_or_create(disk, kPath, kSize, {});
  }

  // Runs the action on fresh disks prepared by `prepare`, cutting the power before each of its calls.
  // Returns all contents that were found under the name afterwards.
  std::set<std::string> cut_at_every_call(const Action& action,
                                          const std::function<void(Disk&)>& prepare) {
    std::set<std::string> found;
    for (std::uint64_t number = 0;; ++number) {
      Disk disk;
      prepare(disk);
      const std::uint64_t target = disk.calls() + number;
      std::vector<std::unique_ptr<Disk>> after;
      disk.set_hook([&](const os::SimulatedCall& call) {
        for (int i = 0; call.number == target && i < 32; ++i) {
          after.push_back(disk.power_cut(os::Survivors::random, random_));
        }
        return os::SimulatedOutcome{};
      });
      EXPECT_TRUE(action(disk));
      if (after.empty()) return found;
      for (const auto& survivor : after) found.insert(read(*survivor));
    }
  }

  // Runs the action, failing each of its calls in turn; `check` looks at the disk after each.
  void fail_every_call(const Action& action, const std::function<void(Disk&)>& prepare,
                       const std::function<void(Disk&, const Error&)>& check) {
    const Held before = held();
    for (std::uint64_t number = 0;; ++number) {
      {
        Disk disk;
        prepare(disk);
        const std::uint64_t target = disk.calls() + number;
        bool failed = false;
        disk.set_hook([&](const os::SimulatedCall& call) {
          const bool now = call.number == target;
          failed = failed || now;
          return os::SimulatedOutcome{.fail_with = now ? EIO : 0};
        });
        const auto result = action(disk);
        disk.set_hook(nullptr);
        if (!failed) return;
        if (!result) check(disk, result.error());
      }
      EXPECT_EQ(held(), before) << "call " << number;
    }
  }

  static std::vector<std::string> names_of(Disk& disk) { return disk.list("/").value(); }
};

const std::string kZeros(kSize, '\0');
void nothing(os::SimulatedFileSystem& /*disk*/) {}

TEST_F(CreationTest, APowerCutLeavesNoFileOrAWholeOne) {
  EXPECT_EQ(cut_at_every_call(&create, &nothing), (std::set<std::string>{"not_found", kZeros}));
  EXPECT_EQ(cut_at_every_call(&either, &nothing), (std::set<std::string>{"not_found", kZeros}));
}

TEST_F(CreationTest, APowerCutLeavesTheOldFileOrTheNewOne) {
  const auto old = [](Disk& disk) { put(disk, kPath, "old"); };
  EXPECT_EQ(cut_at_every_call(&replace, old), (std::set<std::string>{"old", kZeros}));
}

TEST_F(CreationTest, WhatWasCreatedStays) {
  ASSERT_TRUE(create(disk_));
  EXPECT_EQ(read(*cut_power()), kZeros);
  ASSERT_TRUE(Factory::create_or_replace(disk_, kPath, 3, {}));
  EXPECT_EQ(read(*cut_power()), std::string(3, '\0'));
}

TEST_F(CreationTest, AFailedCallLeavesNothingBehind) {
  int failures = 0;
  const auto check = [&](Disk& disk, const Error& error) {
    ++failures;
    EXPECT_EQ(error.path(), kPath) << error.message();
    const bool in_place = error.code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(names_of(disk),
              in_place ? std::vector<std::string>{"file"} : std::vector<std::string>{})
        << error.message();
  };
  fail_every_call(&create, &nothing, check);
  fail_every_call(&either, &nothing, check);
  EXPECT_GE(failures, 10);
}

TEST_F(CreationTest, AFailedReplacementLeavesTheOldFile) {
  const auto old = [](Disk& disk) { put(disk, kPath, "old"); };
  fail_every_call(&replace, old, [&](Disk& disk, const Error& error) {
    EXPECT_EQ(names_of(disk), std::vector<std::string>{"file"});
    EXPECT_EQ(read(disk), error.code() == ErrorCode::outcome_unknown ? kZeros : "old");
  });
}

TEST_F(CreationTest, AnUnsyncedDirectoryIsSaid) {
  fail_next("sync_directory", EIO);
  const auto file = create(disk_);
  EXPECT_EQ(code_of(file), "outcome_unknown");
  EXPECT_EQ(file.error().system_code(), EIO);
  EXPECT_EQ(read(disk_), kZeros) << "the file is in place";
}

TEST_F(CreationTest, AFullDiskLeavesNothingBehind) {
  for (const bool can_allocate : {true, false}) {
    Disk disk;
    disk.set_allocate_supported(can_allocate);
    disk.set_capacity(kPage);
    EXPECT_EQ(code_of(create(disk)), "no_space");
    EXPECT_EQ(names_of(disk), std::vector<std::string>{});
  }
}

TEST_F(CreationTest, WithoutAllocationZerosTakeTheSpace) {
  disk_.set_allocate_supported(false);
  MappedFile file = create(disk_).value();
  EXPECT_EQ(disk_.info(kPath).value().allocated_bytes, 3 * kPage);
  EXPECT_TRUE(file.allocation_guaranteed());
}

TEST_F(CreationTest, ALostRaceOpensWhatWon) {
  bool done = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "rename" && !done) {
      done = true;
      put(disk_, kPath, "theirs");
    }
    return os::SimulatedOutcome{};
  });
  const MappedFile file = either(disk_).value();
  EXPECT_EQ(text(file, 0, file.size()), "theirs");
  EXPECT_EQ(names_of(disk_), std::vector<std::string>{"file"});
}

TEST_F(CreationTest, AFileThatAppearsMeanwhileIsNotReplaced) {
  bool done = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "rename" && !done) {
      done = true;
      put(disk_, kPath, "theirs");
    }
    return os::SimulatedOutcome{};
  });
  EXPECT_EQ(code_of(create(disk_)), "exists");
  EXPECT_EQ(read(disk_), "theirs");
}

TEST_F(CreationTest, AFileThatComesAndGoesIsBusy) {
  disk_.set_hook([&](const os::SimulatedCall& call) {
    const bool renames = std::string_view(call.operation) == "rename";
    return os::SimulatedOutcome{.fail_with = renames ? EEXIST : 0};
  });
  EXPECT_EQ(code_of(either(disk_)), "busy");
  EXPECT_EQ(names_of(disk_), std::vector<std::string>{});
}

}  // namespace
}  // namespace quire::mapped
