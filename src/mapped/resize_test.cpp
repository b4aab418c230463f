// Growing and shrinking when calls fail: promises 2 and 5.
#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

class ResizeTest : public SimulatedDiskTest {
 protected:
  // Published and on disk.
  void expect_size(const MappedFile& file, std::uint64_t size) {
    EXPECT_EQ(file.size(), size);
    EXPECT_EQ(read(disk_).size(), size);
  }
};

TEST_F(ResizeTest, TheNewSizeIsPublishedAfterTheAllocation) {
  MappedFile file = make(5).value();
  std::uint64_t size_then = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "allocate") size_then = file.size();
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(file.grow(kPage));
  EXPECT_EQ(size_then, 5U);
}

TEST_F(ResizeTest, TheLowerSizeIsPublishedBeforeTheCut) {
  MappedFile file = make(kPage).value();
  std::uint64_t size_then = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "truncate") size_then = file.size();
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(file.shrink(5));
  EXPECT_EQ(size_then, 5U);
}

TEST_F(ResizeTest, ABusyShrinkMakesNoCall) {
  MappedFile file = make(kPage).value();
  const Pin pin = file.pin(10, 10).value();
  const std::uint64_t before = disk_.calls();
  EXPECT_EQ(code_of(file.shrink(19)), "busy");
  EXPECT_EQ(disk_.calls(), before);
  expect_size(file, kPage);
}

TEST_F(ResizeTest, AFailedGrowthChangesNothing) {
  MappedFile file = make(5).value();
  for (const bool can_allocate : {true, false}) {
    disk_.set_allocate_supported(can_allocate);
    for (std::uint64_t number = 0;; ++number) {
      fail_call(number, EIO);
      const auto grown = file.grow(kPage);
      disk_.set_hook(nullptr);
      if (grown) break;
      EXPECT_EQ(code_of(grown), "io");
      expect_size(file, 5);
    }
    ASSERT_TRUE(file.shrink(5));
  }
}

TEST_F(ResizeTest, AFullDiskIsAnErrorAtGrowth) {
  MappedFile file = make(5).value();
  disk_.set_capacity(2 * kPage);
  for (const bool can_allocate : {true, false}) {
    disk_.set_allocate_supported(can_allocate);
    const auto failed = file.grow(10 * kPage);
    EXPECT_EQ(code_of(failed), "no_space");
    EXPECT_EQ(failed.error().path(), kPath);
    expect_size(file, 5);
  }
}

TEST_F(ResizeTest, GrowthWithoutAllocationWritesZeros) {
  disk_.set_allocate_supported(false);
  MappedFile file = make(5).value();
  ASSERT_TRUE(file.write(0, as_bytes("hello")));
  ASSERT_TRUE(file.grow(3 * kMiB));
  EXPECT_EQ(disk_.info(kPath).value().allocated_bytes, 3 * kMiB);
  EXPECT_EQ(text(file, 0, 6), std::string("hello\0", 6));
  EXPECT_TRUE(file.allocation_guaranteed());
}

TEST_F(ResizeTest, AFailedShrinkRestoresTheSize) {
  MappedFile file = make(kPage).value();
  for (const char* call : {"stat", "truncate"}) {
    fail_next(call, EIO);
    EXPECT_EQ(code_of(file.shrink(5)), "io");
    disk_.set_hook(nullptr);
    expect_size(file, kPage);
  }
}

TEST_F(ResizeTest, WhatAnotherProcessAppendedIsNotCut) {
  MappedFile file = make(kPage).value();
  MappedFile other = open();
  ASSERT_TRUE(other.grow(3 * kPage));
  EXPECT_EQ(code_of(file.shrink(5)), "changed");
  EXPECT_EQ(code_of(file.grow(2 * kPage)), "changed");
  EXPECT_EQ(read(disk_).size(), 3 * kPage);
  EXPECT_EQ(file.size(), kPage);
  EXPECT_EQ(file.refresh().value(), 3 * kPage);
  EXPECT_TRUE(file.shrink(5));
}

TEST_F(ResizeTest, WhatAnotherProcessCutIsNotMadeAHole) {
  MappedFile file = make(3 * kPage).value();
  ASSERT_TRUE(open().shrink(5));
  EXPECT_EQ(code_of(file.grow(4 * kPage)), "truncated");
  EXPECT_EQ(code_of(file.shrink(kPage)), "truncated");
  EXPECT_EQ(read(disk_).size(), 5U);
}

}  // namespace
}  // namespace quire::mapped
