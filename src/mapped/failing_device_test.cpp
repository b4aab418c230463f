// Promises 3 and 4 on a device that really fails: a bad page is an error, not a signal, and a flush
// that has failed is not forgotten. Needs root, for the disk.
#include <gmock/gmock.h>

#include <csignal>
#include <cstring>
#include <string>
#include <string_view>

#include "mapped/failing_device_fixture.hpp"
#include "quire/fault_guard.hpp"

namespace quire::mapped {
namespace {

using testing::AnyOf;
using testing::Matcher;

// ---- A device that cannot be read: the first half of a file is there, the other gives EIO.

class UnreadableDeviceTest : public FailingDeviceTest {
 protected:
  static constexpr std::uint64_t kSize = 16 * kMiB;
  static constexpr std::uint64_t kLost = kSize / 2;  // the first byte that cannot be read

  // All of it on the device, and none of it in memory.
  void SetUp() override {
    FailingDeviceTest::SetUp();
    if (HasFatalFailure()) return;
    MappedFile file = create(kSize);
    ASSERT_TRUE(file.fill(0, kSize, std::byte{'d'}));
    ASSERT_TRUE(file.close());
    disk().remount();
    disk().lose(path(), kLost);
  }

  std::span<std::byte> buffer(std::uint64_t length) { return std::span(buffer_).first(length); }
  std::string read(const MappedFile& file, std::uint64_t offset, std::uint64_t length) {
    const auto done = file.read_into(offset, buffer(length));
    return done ? text(buffer(length)) : code_of(done);
  }

 private:
  std::vector<std::byte> buffer_ = std::vector<std::byte>(4 * kMiB);
};

// Less than a page, a page, and as much as is copied in another way if the guard is off.
class UnreadableBytesTest : public UnreadableDeviceTest,
                            public testing::WithParamInterface<std::uint64_t> {};

INSTANTIATE_TEST_SUITE_P(Of, UnreadableBytesTest, testing::Values(64, kPage, 4 * kMiB),
                         testing::PrintToStringParamName());

TEST_P(UnreadableBytesTest, ReadingThemIsAnError) {
  const MappedFile file = open(path(), Access::read_only);
  EXPECT_EQ(read(file, kLost, GetParam()), "io");
  EXPECT_EQ(read(file, kSize - GetParam(), GetParam()), "io");
  EXPECT_EQ(read(file, kLost - GetParam() / 2, GetParam()), "io") << "half of it is there";
}

TEST_P(UnreadableBytesTest, ThoseBeforeAreStillRead) {
  const MappedFile file = open(path());
  EXPECT_EQ(read(file, kLost, GetParam()), "io");
  EXPECT_EQ(read(file, 0, GetParam()), std::string(GetParam(), 'd'));
  EXPECT_EQ(read(file, kLost - GetParam(), GetParam()), std::string(GetParam(), 'd'));
}

// A part of a page needs the rest of it from the device.
TEST_P(UnreadableBytesTest, WritingIntoThemIsAnError) {
  MappedFile file = open(path());
  EXPECT_EQ(code_of(file.write(kLost + 100, buffer(GetParam()))), "io");
  EXPECT_EQ(code_of(file.fill(kLost + 100, GetParam(), std::byte{'n'})), "io");
  EXPECT_EQ(code_of(file.write(kLost - GetParam(), buffer(GetParam()))), "ok");
  EXPECT_EQ(code_of(file.flush()), "ok") << "what can be written is";
}

// Whole pages need nothing from the device, if they do not go through the map.
TEST_P(UnreadableBytesTest, WritingOverThemIsAnErrorByTheFlushAtTheLatest) {
  MappedFile file = open(path());
  auto done = file.write(kLost, buffer(GetParam()));
  if (done) done = file.flush();
  EXPECT_EQ(code_of(done), "io");
}

TEST_P(UnreadableBytesTest, GuardedCodeLeavesThemWithAnError) {
  MappedFile file = open(path());
  const auto last_of = [](auto bytes) noexcept { return std::to_integer<char>(bytes.back()); };
  EXPECT_EQ(code_of(file.guarded({kLost, GetParam()}, last_of)), "io");
  EXPECT_EQ(file.guarded({kLost - GetParam(), GetParam()}, last_of).value(), 'd');
  const auto store = [](std::span<std::byte> bytes) noexcept { bytes.back() = std::byte{'n'}; };
  EXPECT_EQ(code_of(file.mutable_guarded({kLost, GetParam()}, store)), "io");
  EXPECT_EQ(code_of(file.mutable_guarded({kLost - GetParam(), GetParam()}, store)), "ok");
}

TEST_F(UnreadableDeviceTest, TheErrorSaysWhatAndWhere) {
  const auto failed = open(path()).read_into(kLost + 100, buffer(10));
  EXPECT_EQ(failed.error().message(), "read " + path() +
                                          " [8388708, 8388718): io: the device could "
                                          "not give or take a page");
}

TEST_F(UnreadableDeviceTest, LargeCallsWorkWithoutTheHandler) {
  MappedFile file = open(path());
  ASSERT_EQ(read(file, kLost, 64), "io");
  ::signal(SIGBUS, SIG_DFL);
  ASSERT_FALSE(fault_guard_installed());
  EXPECT_EQ(read(file, kLost, 4 * kMiB), "io");
  EXPECT_EQ(code_of(file.write(kLost + 100, buffer(4 * kMiB))), "io");
  EXPECT_EQ(code_of(file.fill(kLost + 100, 4 * kMiB, std::byte{'n'})), "io");
  reinstall_fault_guard();
  EXPECT_EQ(read(file, kLost, 64), "io");
}

TEST_F(UnreadableDeviceTest, TheOpenFileGoesOnWithTheMendedDevice) {
  MappedFile file = open(path());
  ASSERT_EQ(read(file, kLost, 4), "io");
  disk().mend();
  EXPECT_EQ(read(file, kLost, 4), std::string(4, '\0'));
  EXPECT_TRUE(file.write(kLost, as_bytes("new ")));
  EXPECT_TRUE(file.flush());
}

// ---- A device that cannot be written: it fails behind the caller's back, at write-back.

struct Failure {
  const char* name;
  void (*begin)(const FailingDisk&, const std::string& file);
  void (*end)(const FailingDisk&);
  Matcher<std::string> code;
  friend void PrintTo(const Failure& failure, std::ostream* out) { *out << failure.name; }
};

class UnwritableDeviceTest : public FailingDeviceTest, public testing::WithParamInterface<Failure> {
 protected:
  static constexpr std::uint64_t kSize = 8 * kMiB;
  static constexpr ByteRange kPart{kMiB, 100};

  // A durable file of 'o's.
  MappedFile old_file() const {
    MappedFile file = create(kSize);
    EXPECT_TRUE(file.fill(0, kSize, std::byte{'o'}));
    EXPECT_TRUE(file.flush());
    return file;
  }
  static void write_new(MappedFile& file) {
    EXPECT_EQ(code_of(file.fill(kPart.offset, kPart.length, std::byte{'n'})), "ok");
  }
  // An old file with new bytes that its device did not take.
  MappedFile poisoned_file() const {
    MappedFile file = old_file();
    begin_failure();
    write_new(file);
    EXPECT_THAT(code_of(file.flush()), failure());
    return file;
  }
  void begin_failure() const { GetParam().begin(disk(), path()); }
  void end_failure() const { GetParam().end(disk()); }
  static const Matcher<std::string>& failure() { return GetParam().code; }

  static std::string part(const MappedFile& file) { return text(file, kPart.offset, kPart.length); }
  // What a computer would read that was started anew.
  std::string durable_part() const {
    disk().remount();
    return part(open(path(), Access::read_only));
  }

  const std::string new_part_ = std::string(kPart.length, 'n');
};

INSTANTIATE_TEST_SUITE_P(
    By, UnwritableDeviceTest,
    testing::Values(Failure{"BlocksThatAreGone",
                            [](const auto& disk, const auto& file) { disk.lose(file, 0); },
                            [](const auto& disk) { disk.mend(); }, Matcher<std::string>("io")},
                    // Not every kernel tells them apart.
                    Failure{"NoSpaceBeneath",
                            [](const auto& disk, const auto& file) { disk.starve(file); },
                            [](const auto& disk) { disk.feed(); },
                            AnyOf(std::string("no_space"), std::string("io"))}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(UnwritableDeviceTest, FlushTellsAndKeepsTelling) {
  MappedFile file = old_file();
  begin_failure();
  write_new(file);
  EXPECT_THAT(code_of(file.flush()), failure());
  EXPECT_EQ(code_of(file.flush()), "read_only_after_error");
  end_failure();
  EXPECT_EQ(code_of(file.flush()), "read_only_after_error") << "the device is well, the data lost";
  EXPECT_EQ(code_of(file.flush_range(kPart)), "read_only_after_error");
}

TEST_P(UnwritableDeviceTest, FlushRangeTellsAndKeepsTelling) {
  MappedFile file = old_file();
  begin_failure();
  write_new(file);
  EXPECT_THAT(code_of(file.flush_range(kPart)), failure());
  end_failure();
  EXPECT_EQ(code_of(file.flush_range(kPart)), "read_only_after_error");
  EXPECT_EQ(code_of(file.flush_range({0, 1})), "read_only_after_error") << "of any range";
  EXPECT_EQ(code_of(file.flush()), "read_only_after_error");
}

TEST_P(UnwritableDeviceTest, FlushTellsThroughEveryHandle) {
  MappedFile file = old_file();
  MappedFile opened_before = open(path());
  begin_failure();
  write_new(file);
  EXPECT_THAT(code_of(file.flush()), failure());
  EXPECT_EQ(code_of(opened_before.flush()), "read_only_after_error");
  EXPECT_EQ(code_of(open(path()).flush()), "read_only_after_error");
  EXPECT_EQ(code_of(open(path(), Access::read_only).flush()), "read_only_after_error");
}

TEST_P(UnwritableDeviceTest, NothingIsChangedAfterAFailedFlush) {
  MappedFile file = poisoned_file();
  EXPECT_EQ(code_of(file.write(0, as_bytes("more"))), "read_only_after_error");
  EXPECT_EQ(code_of(file.fill(0, 1, std::byte{'m'})), "read_only_after_error");
  EXPECT_EQ(code_of(file.grow(2 * kSize)), "read_only_after_error");
  EXPECT_EQ(code_of(file.shrink(0)), "read_only_after_error");
  EXPECT_EQ(file.size(), kSize);
  EXPECT_EQ(text(file, 0, 4), "oooo");
  EXPECT_EQ(part(file), new_part_) << "and reading goes on";
}

TEST_P(UnwritableDeviceTest, WhatIsWrittenAgainIsDurable) {
  MappedFile file = poisoned_file();
  end_failure();
  ASSERT_TRUE(file.reopen_after_error());
  write_new(file);
  EXPECT_EQ(code_of(file.flush()), "ok");
  EXPECT_EQ(code_of(file.close()), "ok");
  EXPECT_EQ(durable_part(), new_part_);
}

TEST_P(UnwritableDeviceTest, ARangeThatIsWrittenAgainIsDurable) {
  MappedFile file = old_file();
  begin_failure();
  write_new(file);
  EXPECT_THAT(code_of(file.flush_range(kPart)), failure());
  end_failure();
  ASSERT_TRUE(file.reopen_after_error());
  write_new(file);
  EXPECT_EQ(code_of(file.flush_range(kPart)), "ok");
  EXPECT_EQ(code_of(file.close()), "ok");
  EXPECT_EQ(durable_part(), new_part_);
}

// By the flush, or by the write before it if the page has to be read again.
TEST_P(UnwritableDeviceTest, AFailureThatGoesOnIsToldAgain) {
  MappedFile file = poisoned_file();
  ASSERT_TRUE(file.reopen_after_error());
  auto done = file.fill(kPart.offset, kPart.length, std::byte{'n'});
  if (done) done = file.flush();
  EXPECT_THAT(code_of(done), failure());
}

TEST_P(UnwritableDeviceTest, CloseTells) {
  MappedFile file = old_file();
  begin_failure();
  write_new(file);
  EXPECT_THAT(code_of(file.close()), failure());
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(code_of(open(path()).close()), "read_only_after_error") << "it is not forgotten";
}

TEST_P(UnwritableDeviceTest, WhatFailedInTheBackgroundIsTold) {
  MappedFile file = old_file();
  begin_failure();
  write_new(file);
  // As the system does by itself, some time after a store; this descriptor is told, too.
  const Descriptor other(path());
  EXPECT_NE(
      ::sync_file_range(other.number(), 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER),
      0);
  end_failure();
  EXPECT_THAT(code_of(file.flush()), failure());
}

TEST_P(UnwritableDeviceTest, AStoreThroughASpanIsToldAsWell) {
  MappedFile file = old_file();
  begin_failure();
  file.mutable_bytes(kPart.offset, kPart.length).value()[0] = std::byte{'n'};
  EXPECT_THAT(code_of(file.flush()), failure());
}

TEST_P(UnwritableDeviceTest, OtherFilesOfTheDeviceGoOn) {
  auto other = MappedFile::create(path("other"), 2 * kMiB);
  ASSERT_TRUE(other && other->fill(0, 2 * kMiB, std::byte{'o'}) && other->flush());
  const MappedFile file = poisoned_file();
  write_new(*other);
  EXPECT_EQ(code_of(other->flush()), "ok");
}

// ---- A full disk, with the extents and the delayed allocation of ext4.

class FullExt4Test : public FailingDeviceTest {
 protected:
  std::uint64_t free_bytes() const { return std::filesystem::space(directory()).available; }

  // Leaves `left` bytes.
  void fill_the_disk(std::uint64_t left = 0) const {
    const Descriptor filler(path("filler"), O_RDWR | O_CREAT);
    off_t end = 0;
    for (std::uint64_t step = kMiB; step >= kPage; step /= 2) {
      while (free_bytes() >= left + step &&
             ::fallocate(filler.number(), 0, end, static_cast<off_t>(step)) == 0) {
        end += static_cast<off_t>(step);
      }
    }
  }
  void free_the_disk() const { std::filesystem::remove(path("filler")); }

  static constexpr std::uint64_t kSize = 4 * kMiB;
};

TEST_F(FullExt4Test, CreatingTooMuchLeavesNothingBehind) {
  const std::uint64_t before = free_bytes();
  EXPECT_EQ(code_of(MappedFile::create(path(), 2 * kDisk)), "no_space");
  EXPECT_EQ(names(), std::vector<std::string>{"lost+found"});
  EXPECT_EQ(free_bytes(), before);
}

// ext4 allocates what there is before it finds that it is not enough.
TEST_F(FullExt4Test, GrowingTooMuchGivesBackWhatItGot) {
  MappedFile file = create(kSize);
  const std::uint64_t before = free_bytes();
  EXPECT_EQ(code_of(file.grow(2 * kDisk)), "no_space");
  EXPECT_EQ(file.size(), kSize);
  EXPECT_EQ(std::filesystem::file_size(path()), kSize);
  EXPECT_EQ(free_bytes(), before);
  EXPECT_EQ(code_of(file.grow(2 * kSize)), "ok");
}

// Every second page: each store splits an extent, which the file system keeps space for.
TEST_F(FullExt4Test, AllocatedBytesTakeStoresInAnyOrder) {
  MappedFile file = create(kSize);
  EXPECT_TRUE(file.allocation_guaranteed());
  fill_the_disk();
  for (const std::uint64_t first : {kPage, std::uint64_t{0}}) {
    for (std::uint64_t at = first; at < kSize; at += 2 * kPage) {
      ASSERT_EQ(code_of(file.fill(at, kPage, std::byte{'n'})), "ok");
    }
    ASSERT_EQ(code_of(file.flush()), "ok");
  }
  ASSERT_TRUE(file.close());
  disk().remount();
  EXPECT_EQ(contents(path()), std::string(kSize, 'n'));
}

TEST_F(FullExt4Test, AHoleThatMeetsAFullDiskIsAnError) {
  MappedFile file = create(kSize, {.sparse = true});
  EXPECT_FALSE(file.allocation_guaranteed());
  fill_the_disk();
  EXPECT_EQ(code_of(file.write(kPage, as_bytes("new"))), "no_space");
  EXPECT_EQ(code_of(file.fill(0, kSize, std::byte{'n'})), "no_space");
  const auto store = [](auto bytes) noexcept { bytes[0] = std::byte{'n'}; };
  EXPECT_EQ(code_of(file.mutable_guarded({0, 1}, store)), "no_space");
  EXPECT_EQ(text(file, kPage, 3), std::string(3, '\0')) << "and reading goes on";
}

TEST_F(FullExt4Test, AHoleIsFilledWhenThereIsSpaceAgain) {
  MappedFile file = create(kSize, {.sparse = true});
  fill_the_disk();
  ASSERT_EQ(code_of(file.write(kPage, as_bytes("new"))), "no_space");
  free_the_disk();
  EXPECT_EQ(code_of(file.write(kPage, as_bytes("new"))), "ok");
  EXPECT_EQ(code_of(file.close()), "ok");
  disk().remount();
  EXPECT_EQ(text(open(path()), kPage, 3), "new");
}

// A store into a hole takes its space at once, although ext4 chooses the blocks later.
TEST_F(FullExt4Test, AStoreThatWasTakenIsFlushedOnAFullDisk) {
  MappedFile file = create(kSize, {.sparse = true});
  ASSERT_TRUE(file.write(kPage, as_bytes("new")));
  fill_the_disk();
  EXPECT_EQ(code_of(file.close()), "ok");
  disk().remount();
  EXPECT_EQ(text(open(path()), kPage, 3), "new");
}

}  // namespace
}  // namespace quire::mapped
