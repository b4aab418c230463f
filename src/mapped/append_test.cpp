// Appending, giving space back.
#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

using AppendTest = MappedFileTest;

std::uint64_t allocated(const std::string& name) {
  struct stat info{};
  EXPECT_EQ(::stat(name.c_str(), &info), 0);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

TEST_F(AppendTest, TheFileHasWhatWasAppendedAndNoMore) {
  MappedFile file = create(0);
  EXPECT_EQ(file.append(as_bytes("one")).value(), 0U);
  EXPECT_EQ(file.append(as_bytes("two")).value(), 3U);
  EXPECT_EQ(contents(path()), "onetwo") << "while it is open";
  EXPECT_EQ(text(file, 0, 6), "onetwo");
  EXPECT_EQ(file.append({}).value(), 6U);
}

TEST_F(AppendTest, SpansTakenBeforeStayGood) {
  MappedFile file = create(0);
  ASSERT_TRUE(file.append(as_bytes("first")));
  const auto first = file.bytes(0, 5).value();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(file.append(as_bytes(std::string(1000, 'x'))));
  EXPECT_EQ(text(first), "first");
}

TEST_F(AppendTest, SpaceTakenAheadIsGivenBack) {
  MappedFile file = create(0);
  ASSERT_TRUE(file.append(as_bytes("x")));
  if (allocated(path()) <= kPage) GTEST_SKIP() << "this file system takes nothing ahead";
  ASSERT_TRUE(file.trim());
  EXPECT_LE(allocated(path()), kPage);
  ASSERT_TRUE(file.append(as_bytes("x")));
  ASSERT_TRUE(file.close());
  EXPECT_LE(allocated(path()), kPage);
  {
    MappedFile again = open(path());
    ASSERT_TRUE(again.append(as_bytes("x")));
  }
  EXPECT_LE(allocated(path()), kPage) << "a destructor does too";
  EXPECT_EQ(contents(path()), "xxx");
}

TEST_F(AppendTest, TheReservationIsTheLimit) {
  MappedFile file = create(0, {.reserve = 2 * kMiB});
  const std::vector<std::byte> much(2 * kMiB - 3);
  ASSERT_TRUE(file.append(much));
  EXPECT_EQ(code_of(file.append(as_bytes("four"))), "capacity");
  EXPECT_TRUE(file.append(as_bytes("two")));
}

TEST_F(AppendTest, ForeignGrowthIsNotOverwritten) {
  MappedFile file = create(3);
  cut(path(), 10);
  EXPECT_EQ(code_of(file.append(as_bytes("x"))), "changed");
  ASSERT_TRUE(file.refresh());
  EXPECT_EQ(file.append(as_bytes("x")).value(), 10U);
}

TEST_F(AppendTest, ClosingIsGoodAlsoIfSomeoneElseMadeTheFileLonger) {
  MappedFile file = create(0);
  ASSERT_TRUE(file.append(as_bytes("mine")));
  cut(path(), 10'000);
  EXPECT_TRUE(file.trim());
  EXPECT_TRUE(file.append({}));
  EXPECT_TRUE(file.close());
  EXPECT_EQ(std::filesystem::file_size(path()), 10'000U) << "and its bytes are left";
}

TEST_F(AppendTest, SpaceTakenAheadIsNotTakenForThatOfAHole) {
  MappedFile file = create(16 * kPage, {.sparse = true});
  ASSERT_TRUE(file.close());
  file = open(path());
  ASSERT_TRUE(file.append(as_bytes("x")));
  EXPECT_FALSE(file.allocation_guaranteed());
  ASSERT_TRUE(file.refresh());
  EXPECT_FALSE(file.allocation_guaranteed());
  EXPECT_FALSE(open(path(), Access::read_only).allocation_guaranteed());
}

TEST_F(AppendTest, ReadOnlyFilesRefuse) {
  put(path(), "x");
  MappedFile file = open(path(), Access::read_only);
  EXPECT_EQ(code_of(file.append(as_bytes("x"))), "wrong_mode");
  EXPECT_EQ(code_of(file.trim()), "wrong_mode");
  EXPECT_EQ(code_of(file.punch_hole({0, 1})), "wrong_mode");
}

TEST_F(AppendTest, AHoleReadsAsZerosAndGivesItsSpaceBack) {
  MappedFile file = create(64 * kPage);
  ASSERT_TRUE(file.fill(0, 64 * kPage, std::byte{'x'}));
  ASSERT_TRUE(file.flush());
  const std::uint64_t before = allocated(path());
  const auto span = file.bytes(0, 64 * kPage).value();
  ASSERT_TRUE(file.punch_hole({kPage - 1, 32 * kPage}));
  EXPECT_EQ(text(span.subspan(kPage - 2, 2)), std::string("x\0", 2));
  EXPECT_EQ(text(span.subspan(33 * kPage - 2, 2)), std::string("\0x", 2));
  EXPECT_EQ(file.size(), 64 * kPage);
  EXPECT_LT(allocated(path()), before);
  EXPECT_FALSE(file.allocation_guaranteed());
  EXPECT_EQ(code_of(file.punch_hole({64 * kPage, 1})), "out_of_range");
}

TEST_F(AppendTest, BytesMoveWithinTheFileAlsoOntoThemselves) {
  put(path(), "0123456789");
  MappedFile file = open(path());
  ASSERT_TRUE(file.copy_within({0, 6}, 2));
  EXPECT_EQ(contents(path()), "0101234589");
  ASSERT_TRUE(file.copy_within({2, 6}, 0));
  EXPECT_EQ(contents(path()), "0123454589");
  EXPECT_EQ(code_of(file.copy_within({5, 6}, 0)), "out_of_range");
  EXPECT_EQ(code_of(file.copy_within({0, 6}, 5)), "out_of_range");
  EXPECT_EQ(code_of(open(path(), Access::read_only).copy_within({0, 1}, 1)), "wrong_mode");
}

TEST_F(AppendTest, MovingBytesOfACutFileIsAnError) {
  MappedFile file = create(4 * kPage);
  cut(path(), kPage);
  EXPECT_EQ(code_of(file.copy_within({0, 10}, 2 * kPage)), "truncated");
  EXPECT_EQ(code_of(file.copy_within({2 * kPage, 10}, 0)), "truncated");
}

class AppendOnSimulatedDiskTest : public SimulatedDiskTest {};

TEST_F(AppendOnSimulatedDiskTest, AFailedAppendLeavesTheFileAsItWas) {
  MappedFile file = make(10).value();
  fail_next("write", EIO);
  EXPECT_EQ(code_of(file.append(as_bytes("lost"))), "io");
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(read(disk_).size(), 10U);
  EXPECT_EQ(file.append(as_bytes("kept")).value(), 10U);
}

TEST_F(AppendOnSimulatedDiskTest, AnAppendWrittenInPartIsTakenBack) {
  MappedFile file = make(10).value();
  int writes = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) != "write") return os::SimulatedOutcome{};
    return writes++ == 0 ? os::SimulatedOutcome{.fail_with = 0, .write_limit = 2}
                         : os::SimulatedOutcome{.fail_with = ENOSPC};
  });
  EXPECT_EQ(code_of(file.append(as_bytes("four"))), "no_space");
  EXPECT_EQ(read(disk_).size(), 10U);
}

TEST_F(AppendOnSimulatedDiskTest, WithoutSpaceToTakeAheadItAppendsWhatFits) {
  disk_.set_capacity(8 * kPage);
  MappedFile file = make(0).value();
  std::uint64_t size = 0;
  while (file.append(std::vector<std::byte>(1000, std::byte{1}))) size += 1000;
  EXPECT_GE(size, 7 * kPage);
  EXPECT_EQ(file.size(), size);
  EXPECT_EQ(read(disk_).size(), size);
}

TEST_F(AppendOnSimulatedDiskTest, WhatWasFlushedOutlivesThePowerWithTheSize) {
  MappedFile file = make(0).value();
  ASSERT_TRUE(file.append(as_bytes("kept")));
  ASSERT_TRUE(file.flush());
  ASSERT_TRUE(file.append(as_bytes("unflushed")));
  EXPECT_EQ(read(*cut_power()), "kept");
}

}  // namespace
}  // namespace quire::mapped
