// Copy-on-write: really private, really writable.
#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

class PrivateCopyTest : public MappedFileTest {
 protected:
  // A file of `pages` pages, each filled with its letter, and a private copy of it.
  MappedFile copy_of(std::uint64_t pages) {
    std::string content;
    for (std::uint64_t i = 0; i < pages; ++i) content += std::string(kPage, letter(i));
    put(path(), content);
    return open(path(), Access::copy_on_write);
  }
  static char letter(std::uint64_t page) { return static_cast<char>('a' + page); }
  // What another process does.
  void write_outside(std::uint64_t offset, std::string_view bytes) {
    MappedFile file = open(path());
    ASSERT_TRUE(file.write(offset, as_bytes(bytes)));
  }
};

TEST_F(PrivateCopyTest, StoresStayPrivate) {
  MappedFile copy = copy_of(2);
  ASSERT_TRUE(copy.write(10, as_bytes("mine")));
  copy.mutable_bytes(kPage, 1).value()[0] = std::byte{'!'};
  EXPECT_EQ(text(copy, 10, 4), "mine");
  EXPECT_EQ(text(open(path(), Access::copy_on_write), 10, 4), "aaaa");
  ASSERT_TRUE(copy.close());
  EXPECT_EQ(contents(path()), std::string(kPage, 'a') + std::string(kPage, 'b'));
}

TEST_F(PrivateCopyTest, ForeignWritesShowThroughUntouchedPagesAlone) {
  MappedFile copy = copy_of(2);
  ASSERT_TRUE(copy.write(0, as_bytes("mine")));
  write_outside(0, "theirs");
  write_outside(kPage, "theirs");
  EXPECT_EQ(text(copy, 0, 6), "mineaa");
  EXPECT_EQ(text(copy, kPage, 6), "theirs");
}

TEST_F(PrivateCopyTest, ChangedRangesAreThePagesThatDiffer) {
  MappedFile copy = copy_of(6);
  ASSERT_TRUE(copy.write(kPage + 5, as_bytes("x")));
  ASSERT_TRUE(copy.write(2 * kPage, as_bytes("x")));
  ASSERT_TRUE(copy.write(4 * kPage, as_bytes("e"))) << "stored into with what it held";
  ASSERT_TRUE(copy.write(5 * kPage, as_bytes("x")));
  const std::vector<ByteRange> expected{{kPage, 2 * kPage}, {5 * kPage, kPage}};
  EXPECT_EQ(copy.changed_ranges().value(), expected);
}

TEST_F(PrivateCopyTest, TheLastRangeEndsWithTheFile) {
  put(path(), std::string(kPage + 100, 'a'));
  MappedFile copy = open(path(), Access::copy_on_write);
  ASSERT_TRUE(copy.write(kPage + 50, as_bytes("x")));
  EXPECT_EQ(copy.changed_ranges().value(), (std::vector<ByteRange>{{kPage, 100}}));
  ASSERT_TRUE(copy.commit());
  EXPECT_EQ(contents(path()).size(), kPage + 100);
}

TEST_F(PrivateCopyTest, ChangesAreFoundInLargeFiles) {
  create(40 * kMiB, {.sparse = true});
  MappedFile copy = open(path(), Access::copy_on_write);
  ASSERT_TRUE(copy.fill(kMiB, 3 * kMiB, std::byte{1}));
  ASSERT_TRUE(copy.write(39 * kMiB, as_bytes("x")));
  const std::vector<ByteRange> expected{{kMiB, 3 * kMiB}, {39 * kMiB, kPage}};
  EXPECT_EQ(copy.changed_ranges().value(), expected);
}

TEST_F(PrivateCopyTest, CommitWritesTheChangesAndFollowsTheFileAgain) {
  MappedFile copy = copy_of(3);
  ASSERT_TRUE(copy.write(kPage, as_bytes("mine")));
  write_outside(0, "theirs");
  ASSERT_TRUE(copy.commit());
  EXPECT_EQ(contents(path()).substr(0, 6), "theirs") << "an untouched page is not written back";
  EXPECT_EQ(contents(path()).substr(kPage, 6), "minebb");
  EXPECT_TRUE(copy.changed_ranges().value().empty());
  write_outside(kPage, "THEIRS");
  EXPECT_EQ(text(copy, kPage, 6), "THEIRS");
}

TEST_F(PrivateCopyTest, CommitLeavesNothingDirty) {
  MappedFile copy = copy_of(8);
  ASSERT_TRUE(open(path()).flush());
  if (dirty_pages(path()) != 0U) GTEST_SKIP() << "this file system is memory: nothing gets clean";
  ASSERT_TRUE(copy.fill(0, 8 * kPage, std::byte{1}));
  ASSERT_TRUE(copy.commit());
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(PrivateCopyTest, DiscardGoesBackToTheFile) {
  MappedFile copy = copy_of(2);
  ASSERT_TRUE(copy.lock_in_memory({0, kPage}));
  ASSERT_TRUE(copy.write(10, as_bytes("mine")));
  ASSERT_TRUE(copy.discard());
  EXPECT_EQ(text(copy, 10, 4), "aaaa");
  EXPECT_TRUE(copy.changed_ranges().value().empty());
}

TEST_F(PrivateCopyTest, AdviceForgetsNoStore) {
  MappedFile copy = copy_of(2);
  ASSERT_TRUE(copy.write(10, as_bytes("mine")));
  EXPECT_TRUE(copy.advise({0, 2 * kPage}, AccessHint::dont_need));
  ignore_error(copy.advise({0, 2 * kPage}, MemoryAdvice::page_out));
  EXPECT_EQ(text(copy, 10, 4), "mine");
}

TEST_F(PrivateCopyTest, AWindowIsCommittedInItsPlace) {
  put(path(), std::string(3 * kPage, 'a'));
  MappedFile copy =
      MappedFile::open_window(path(), Access::copy_on_write, {kPage - 10, 20}).value();
  ASSERT_TRUE(copy.write(5, as_bytes("mine")));
  EXPECT_EQ(copy.changed_ranges().value(), (std::vector<ByteRange>{{0, 10}}));
  ASSERT_TRUE(copy.write(15, as_bytes("too")));
  ASSERT_TRUE(copy.commit());
  std::string expected(3 * kPage, 'a');
  expected.replace(kPage - 5, 4, "mine").replace(kPage + 5, 3, "too");
  EXPECT_EQ(contents(path()), expected);
}

TEST_F(PrivateCopyTest, TheSizeIsFixed) {
  MappedFile copy = copy_of(2);
  EXPECT_EQ(code_of(copy.grow(3 * kPage)), "wrong_mode");
  EXPECT_EQ(code_of(copy.shrink(1)), "wrong_mode");
  EXPECT_EQ(code_of(copy.append(as_bytes("x"))), "wrong_mode");
  EXPECT_EQ(code_of(copy.punch_hole({0, 1})), "wrong_mode");
  EXPECT_EQ(copy.reserved(), 2 * kPage);
}

TEST_F(PrivateCopyTest, AFlushThatWouldFlushNothingIsRefused) {
  MappedFile copy = copy_of(1);
  EXPECT_EQ(code_of(copy.flush()), "wrong_mode");
  EXPECT_EQ(code_of(copy.flush_range({0, 1})), "wrong_mode");
}

TEST_F(PrivateCopyTest, OnlyPrivateCopiesCommit) {
  put(path(), "x");
  MappedFile file = open(path());
  EXPECT_EQ(code_of(file.changed_ranges()), "wrong_mode");
  EXPECT_EQ(code_of(file.commit()), "wrong_mode");
  EXPECT_EQ(code_of(file.discard()), "wrong_mode");
  EXPECT_EQ(code_of(MappedFile().commit()), "closed");
}

TEST_F(PrivateCopyTest, CommittingToACutFileIsAnErrorAndMakesItNoLonger) {
  MappedFile copy = copy_of(3);
  ASSERT_TRUE(copy.write(2 * kPage, as_bytes("mine")));
  cut(path(), kPage);
  EXPECT_EQ(code_of(copy.changed_ranges()), "truncated");
  EXPECT_EQ(code_of(copy.commit()), "truncated");
  EXPECT_EQ(contents(path()).size(), kPage);
}

TEST_F(PrivateCopyTest, AnEmptyFileHasNothingToCommit) {
  put(path(), "");
  MappedFile copy = open(path(), Access::copy_on_write);
  EXPECT_EQ(copy.size(), 0U);
  EXPECT_TRUE(copy.changed_ranges().value().empty());
  EXPECT_TRUE(copy.commit());
  EXPECT_TRUE(copy.discard());
}

class PrivateCopyOnSimulatedDiskTest : public SimulatedDiskTest {};

TEST_F(PrivateCopyOnSimulatedDiskTest, WhatWasCommittedOutlivesThePower) {
  put(disk_, kPath, std::string(3 * kPage, 'a'));
  MappedFile copy = open(Access::copy_on_write);
  ASSERT_TRUE(copy.write(kPage, as_bytes("mine")));
  ASSERT_TRUE(copy.commit());
  EXPECT_EQ(read(*cut_power()).substr(kPage, 5), "minea");
}

TEST_F(PrivateCopyOnSimulatedDiskTest, AFailedCommitLosesNothingAndCanBeRepeated) {
  put(disk_, kPath, std::string(3 * kPage, 'a'));
  for (const char* operation : {"stat", "open", "write", "sync"}) {
    MappedFile copy = open(Access::copy_on_write);
    ASSERT_TRUE(copy.write(kPage, as_bytes(operation)));
    fail_next(operation, EIO);
    EXPECT_EQ(code_of(copy.commit()), "io") << operation;
    EXPECT_EQ(text(copy, kPage, 4), std::string(operation).substr(0, 4));
    disk_.set_hook({});
    ASSERT_TRUE(copy.reopen_after_error());
    EXPECT_TRUE(copy.commit()) << operation;
    EXPECT_EQ(read(*cut_power()).substr(kPage, 4), std::string(operation).substr(0, 4))
        << "durable, and not only in the cache as the failed one left it";
  }
}

}  // namespace
}  // namespace quire::mapped
