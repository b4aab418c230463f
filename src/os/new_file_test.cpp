// A new file appears whole or not at all, and makers of one name never touch each other's.
#include "os/new_file.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "os/new_file_fixture.hpp"
#include "os/simulated_file_system.hpp"

namespace quire::os {
namespace {

using Disk = SimulatedFileSystem;

const std::string kPath = "/file";
const std::string kOld = "old";
const std::string kNew(9000, 'n');

class NewFileTest : public testing::Test {
 protected:
  // A durable file that nobody has open.
  static void put(Disk& disk, const std::string& path, std::string_view text,
                  std::uint32_t permissions = 0644) {
    auto file = disk.open(path, OpenMode::create_new, permissions).value();
    EXPECT_TRUE(file->write_all(0, std::as_bytes(std::span(text))));
    EXPECT_TRUE(file->sync());
    EXPECT_TRUE(disk.sync_directory("/"));
  }
  void put(const std::string& path, std::string_view text) { put(disk_, path, text); }

  // The code of the error if it cannot be read.
  static std::string read(Disk& disk, const std::string& path = kPath) {
    auto file = disk.open(path, OpenMode::read, 0);
    if (!file) return code_of(file);
    std::string text((*file)->info()->size, '\0');
    EXPECT_TRUE((*file)->read_exactly(0, std::as_writable_bytes(std::span(text))));
    return text;
  }
  std::string read(const std::string& path = kPath) { return read(disk_, path); }
  Names names() { return disk_.list("/").value(); }

  NewFile begin(const std::string& path = kPath, IfExists if_exists = IfExists::replace) {
    return NewFile::create(disk_, path, if_exists).value();
  }
  // Does something right before the next call of this kind, once.
  void before_next(const std::string& operation, const std::function<void()>& what) {
    disk_.set_hook([=, done = std::make_shared<bool>(false)](const SimulatedCall& call) {
      if (!*done && operation == call.operation) {
        *done = true;
        what();
      }
      return SimulatedOutcome{};
    });
  }
  // From now on calls of this kind fail; with 0 none do.
  void fail(const std::string& operation, int errno_value) {
    disk_.set_hook([=](const SimulatedCall& call) {
      return SimulatedOutcome{.fail_with = operation == call.operation ? errno_value : 0};
    });
  }
  // Runs `action` on a fresh disk once for each of its calls, `at_call` being told when it comes.
  static void for_every_call(const std::function<void(Disk&)>& prepare,
                             const std::function<void(Disk&)>& action,
                             const std::function<SimulatedOutcome(Disk&)>& at_call) {
    bool came = true;
    for (std::uint64_t number = 0; came; ++number) {
      Disk disk;
      prepare(disk);
      came = false;
      disk.set_hook([&, target = disk.calls() + number](const SimulatedCall& call) {
        if (call.number != target) return SimulatedOutcome{};
        came = true;
        return at_call(disk);
      });
      action(disk);
    }
  }

  Random random_{20240607};
  Disk disk_;
};

void nothing(Disk& /*disk*/) {}

TEST_F(NewFileTest, AppearsOnceItIsInPlace) {
  put(kPath, kOld);
  {
    NewFile file = begin();
    fill(file, kNew);
    EXPECT_EQ(names(), (Names{"file", "file.quire-partial"}));
    EXPECT_EQ(read(), kOld);
    ASSERT_TRUE(file.put_in_place());
  }
  EXPECT_EQ(names(), Names{"file"});
  EXPECT_EQ(read(*disk_.power_cut(Survivors::none, random_)), kNew);
}

TEST_F(NewFileTest, DroppedLeavesWhatWasThere) {
  put(kPath, kOld);
  {
    NewFile file = begin();
    const NewFile moved = std::move(file);
  }
  EXPECT_EQ(names(), Names{"file"});
  EXPECT_EQ(read(), kOld);
}

TEST_F(NewFileTest, DroppedAfterItsFileWasTakenAndClosedLeavesNothing) {
  {
    NewFile file = begin();
    file.take_file().reset();
  }
  EXPECT_EQ(names(), Names{});
}

TEST_F(NewFileTest, APowerCutAtAnyCallLeavesOldOrNewAndTheNextCreationCleansUp) {
  for (const bool has_old : {true, false}) {
    const auto prepare = [&](Disk& disk) { has_old ? put(disk, kPath, kOld) : nothing(disk); };
    std::set<std::string> found;
    const auto cut = [&](Disk& disk) {
      for (int i = 0; i < 32; ++i) {
        const auto after = disk.power_cut(Survivors::random, random_);
        found.insert(read(*after));
        EXPECT_TRUE(write_new(*after, kPath, "next"));
        EXPECT_EQ(after->list("/").value(), Names{"file"});
      }
      return SimulatedOutcome{};
    };
    for_every_call(prepare, [](Disk& disk) { EXPECT_TRUE(write_new(disk, kPath, kNew)); }, cut);
    EXPECT_EQ(found, (std::set<std::string>{has_old ? kOld : "not_found", kNew}));
  }
}

TEST_F(NewFileTest, AFailureAtAnyCallLeavesOldOrNewAndNothingBeside) {
  int failures = 0;
  const auto prepare = [](Disk& disk) { put(disk, kPath, kOld, 0400); };
  const auto check = [&](Disk& disk) {
    const auto done = write_new(disk, kPath, kNew);
    disk.set_hook({});
    failures += done ? 0 : 1;
    const bool in_place = done || done.error().code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(read(disk), in_place ? kNew : kOld) << code_of(done);
    EXPECT_EQ(disk.list("/").value(), Names{"file"});
  };
  for (const int errno_value : {EIO, EAGAIN, ENOSPC}) {
    for_every_call(prepare, check,
                   [&](Disk&) { return SimulatedOutcome{.fail_with = errno_value}; });
  }
  EXPECT_GE(failures, 20);
}

TEST_F(NewFileTest, FailingForEverFromAnyCallLeavesOldOrNew) {
  bool broken = false;
  const auto prepare = [&](Disk& disk) {
    put(disk, kPath, kOld);
    broken = false;
  };
  const auto check = [&](Disk& disk) {
    const auto done = write_new(disk, kPath, kNew);
    disk.set_hook({});
    const bool in_place = done || done.error().code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(read(disk), in_place ? kNew : kOld);
    EXPECT_LE(disk.list("/")->size(), 2U) << "the file, and at most one that could not be removed";
  };
  for_every_call(prepare, check, [](Disk& disk) {
    disk.set_hook([](const SimulatedCall&) { return SimulatedOutcome{.fail_with = EIO}; });
    return SimulatedOutcome{.fail_with = EIO};
  });
}

TEST_F(NewFileTest, SaysWhenTheDirectoryCouldNotBeSynced) {
  fail("sync_directory", EIO);
  const auto done = write_new(disk_, kPath, kNew);
  EXPECT_EQ(code_of(done), "outcome_unknown");
  EXPECT_EQ(done.error().system_code(), EIO);
  EXPECT_EQ(read(), kNew);
}

TEST_F(NewFileTest, ReplacesNothingUnlessItMay) {
  NewFile late = begin(kPath, IfExists::fail);
  put(kPath, kOld);
  EXPECT_EQ(code_of(late.put_in_place()), "exists");
  EXPECT_EQ(code_of(NewFile::create(disk_, kPath, IfExists::fail)), "exists");
  EXPECT_EQ(read(), kOld);
}

TEST_F(NewFileTest, TheDeadMakersFilesAreRemovedAndTheLivingOnesAreNot) {
  put("/file.quire-partial", "left by a dead process");
  NewFile first = begin();
  fill(first, "first");
  EXPECT_EQ(names(), Names{"file.quire-partial"}) << "in its place";
  NewFile second = begin();
  fill(second, "second");
  EXPECT_EQ(names(), (Names{"file.quire-partial", "file.quire-partial-1"}));
  ASSERT_TRUE(first.put_in_place());
  EXPECT_EQ(read(), "first");
  ASSERT_TRUE(second.put_in_place());
  EXPECT_EQ(read(), "second");
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(NewFileTest, TooManyLivingMakersAreTold) {
  std::vector<NewFile> files;
  for (int i = 0; i < NewFile::kMostBeside; ++i) files.push_back(begin());
  EXPECT_EQ(code_of(NewFile::create(disk_, kPath, IfExists::replace)), "capacity");
  files.pop_back();
  EXPECT_TRUE(write_new(disk_, kPath, kNew));
}

// Step 2: between its making and its locking a file looks like one that a dead process left.
TEST_F(NewFileTest, AFileTakenForALeftoverIsMadeAgain) {
  std::vector<NewFile> thief;
  before_next("lock", [&] {
    thief.push_back(begin());
    fill(thief.back(), "theirs");
  });
  NewFile file = begin();
  fill(file, "ours");
  ASSERT_EQ(thief.size(), 1U);
  EXPECT_EQ(names(), (Names{"file.quire-partial", "file.quire-partial-1"}));
  ASSERT_TRUE(thief.back().put_in_place());
  EXPECT_EQ(read(), "theirs");
  ASSERT_TRUE(file.put_in_place());
  EXPECT_EQ(read(), "ours");
}

TEST_F(NewFileTest, AFileThatAThiefHasLockedIsMadeAgain) {
  std::unique_ptr<File> thief;
  before_next("lock", [&] {
    thief = disk_.open("/file.quire-partial", OpenMode::read_write, 0).value();
    ASSERT_TRUE(thief->try_lock(LockKind::exclusive));
  });
  NewFile file = begin();
  fill(file, kNew);
  EXPECT_EQ(names(), (Names{"file.quire-partial", "file.quire-partial-1"}))
      << "the thief has not removed it yet";
  ASSERT_TRUE(file.put_in_place());
  EXPECT_EQ(read(), kNew);
}

// Step 3: between its opening and its locking a living maker's file may go to its place.
TEST_F(NewFileTest, AFileThatGoesToItsPlaceIsNotRemoved) {
  NewFile living = begin();
  fill(living, "living");
  before_next("open", [&] { before_next("lock", [&] { ASSERT_TRUE(living.put_in_place()); }); });
  NewFile next = begin();
  EXPECT_EQ(read(), "living");
  EXPECT_EQ(names(), (Names{"file", "file.quire-partial-1"}));
}

// Step 3: two may take one file for a leftover. The second must not remove what the first made.
TEST_F(NewFileTest, TwoWhoFindALeftoverDoNotRemoveEachOthers) {
  put("/file.quire-partial", "left by a dead process");
  std::vector<NewFile> other;
  before_next("open", [&] {
    before_next("lock", [&] {
      other.push_back(begin());
      fill(other.back(), "other");
    });
  });
  NewFile file = begin();
  fill(file, kNew);
  ASSERT_TRUE(other.back().put_in_place());
  EXPECT_EQ(read(), "other");
  ASSERT_TRUE(file.put_in_place());
  EXPECT_EQ(read(), kNew);
  EXPECT_EQ(names(), Names{"file"});
}

// With a file that was taken and closed the lock is gone: the name may be another's by now.
TEST_F(NewFileTest, DroppedAfterItsFileWasClosedSparesWhoTookOverTheName) {
  std::vector<NewFile> other;
  {
    NewFile file = begin();
    file.take_file().reset();
    other.push_back(begin());
    EXPECT_EQ(names(), Names{"file.quire-partial"});
  }
  EXPECT_EQ(names(), Names{"file.quire-partial"});
  ASSERT_TRUE(other.back().put_in_place());
}

TEST_F(NewFileTest, WhereNobodyCanSayWhoseAFileIsOnlyOneIsMade) {
  before_next("lock", [&] { fail("stat", EIO); });
  EXPECT_EQ(code_of(NewFile::create(disk_, kPath, IfExists::replace)), "io");
  fail("", 0);
  EXPECT_EQ(names(), Names{"file.quire-partial"}) << "and stays, as it may be another's";
  ASSERT_TRUE(write_new(disk_, kPath, kNew));
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(NewFileTest, WithoutLocksMakersKeepApartAndRemoveNothing) {
  fail("lock", ENOLCK);
  put("/file.quire-partial", "perhaps somebody is filling it");
  NewFile first = begin();
  NewFile second = begin();
  fill(first, "first");
  fill(second, "second");
  EXPECT_EQ(names(), (Names{"file.quire-partial", "file.quire-partial-1", "file.quire-partial-2"}));
  ASSERT_TRUE(first.put_in_place());
  ASSERT_TRUE(second.put_in_place());
  EXPECT_EQ(read(), "second");
  {
    const NewFile dropped = begin();
  }
  EXPECT_EQ(names(), (Names{"file", "file.quire-partial"}));
}

TEST_F(NewFileTest, WhoGotNoLockDoesNotTakeAnothersFileForHisOwn) {
  std::vector<NewFile> files;
  fail("lock", ENOLCK);
  files.push_back(begin());
  fail("", 0);
  NewFile other = begin();
  fill(other, "half of");
  EXPECT_EQ(names(), Names{"file.quire-partial"}) << "taken over";
  EXPECT_EQ(code_of(files.back().put_in_place()), "busy");
  files.clear();
  EXPECT_EQ(names(), Names{"file.quire-partial"}) << "it is the other's";
  ASSERT_TRUE(other.put_in_place());
  EXPECT_EQ(read(), "half of");
}

TEST_F(NewFileTest, TheLockEndsWhenTheFileIsInPlace) {
  NewFile file = begin();
  const std::unique_ptr<File> kept = file.take_file();
  const auto locked_by_another = [&](const std::string& path) {
    return code_of(
        disk_.open(path, OpenMode::read_write, 0).value()->try_lock(LockKind::exclusive));
  };
  EXPECT_EQ(locked_by_another("/file.quire-partial"), "busy");
  ASSERT_TRUE(file.put_in_place());
  EXPECT_EQ(locked_by_another("/file"), "ok");
}

TEST_F(NewFileTest, AReadOnlyFileIsWritableOnlyWhileItLiesBeside) {
  put(disk_, kPath, kOld, 0444);
  NewFile replacing = begin();
  EXPECT_EQ(disk_.info("/file.quire-partial")->permissions, 0644U)
      << "or who is not root could not remove what is left of it";
  ASSERT_TRUE(replacing.put_in_place());
  EXPECT_EQ(disk_.info("/file")->permissions, 0444U);
  NewFile first = NewFile::create(disk_, "/first", IfExists::fail, 0040).value();
  EXPECT_EQ(disk_.info("/first.quire-partial")->permissions, 0640U);
  ASSERT_TRUE(first.put_in_place());
  EXPECT_EQ(disk_.info("/first")->permissions, 0040U);
}

}  // namespace
}  // namespace quire::os
