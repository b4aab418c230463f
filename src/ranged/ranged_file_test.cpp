// Ranged files: opening, allocating, growing, syncing, closing.
#include <array>
#include <limits>
#include <utility>

#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST_F(RangedFileTest, AllOfANewFileCanBeAllocated) {
  auto file = create(100);
  EXPECT_EQ(file.unallocated(), 100U);
  EXPECT_EQ(file.allocate(100)->range(), (ByteRange{0, 100}));
}

TEST_F(RangedFileTest, RefusesWhatIsNotLeftAndTellsWhatIs) {
  auto file = create(100);
  const auto held = file.allocate(60).value();
  const auto refused = file.allocate(41);
  EXPECT_EQ(code_of(refused), ErrorCode::capacity);
  EXPECT_THAT(message_of(refused), HasSubstr("/file"));
  EXPECT_THAT(message_of(refused), HasSubstr("the end has 40"));
  EXPECT_EQ(code_of(file.allocate(0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(file.allocate(kMax)), ErrorCode::capacity);
  EXPECT_EQ(code_of(file.allocate_at({90, 11})), ErrorCode::out_of_range);
  EXPECT_EQ(file.allocate_up_to(41)->size(), 40U);
}

// Ranges were rounded up to 4096 before, so that a record of 100 bytes could not be written alone.
TEST_F(RangedFileTest, RangesHaveTheSizeAndTheAlignmentAskedFor) {
  auto file = create(20'000);
  const auto a = file.allocate(100).value();
  const auto b = file.allocate(100, 64).value();
  const auto c = file.allocate(100, 4096).value();
  EXPECT_EQ(list({a.range(), b.range(), c.range()}), "0+100 128+100 4096+100");
}

// Opening began at byte 0 again before, and the next writer overwrote what was there.
TEST_F(RangedFileTest, WhatAFileHasIsKeptWhenItIsOpenedAgain) {
  {
    auto file = create(10);
    ASSERT_TRUE(file.allocate(10)->write(as_bytes("0123456789")));
    ASSERT_TRUE(file.close());
  }
  auto file = open().value();
  EXPECT_EQ(code_of(file.allocate(1)), ErrorCode::capacity);
  EXPECT_EQ(code_of(file.allocate_at({0, 1})), ErrorCode::busy);
  ASSERT_TRUE(file.grow(20));
  auto range = file.allocate(10).value();
  EXPECT_EQ(range.range(), (ByteRange{10, 10}));
  ASSERT_TRUE(range.write(as_bytes("abcdefghij")));
  EXPECT_EQ(content(0, 20), "0123456789abcdefghij");
}

TEST_F(RangedFileTest, WhatAFileHasIsHandedOutWhenThatIsAskedFor) {
  ASSERT_TRUE(create(10).close());
  auto file = open({.existing = ExistingBytes::overwrite}).value();
  EXPECT_EQ(file.allocate(10)->range(), (ByteRange{0, 10}));
}

// Two openings handed out the same bytes before.
TEST_F(RangedFileTest, ASecondOpeningForWritingIsBusy) {
  auto file = create(10);
  EXPECT_EQ(code_of(open()), ErrorCode::busy);
  EXPECT_EQ(code_of(open({.existing = ExistingBytes::overwrite})), ErrorCode::busy);
  EXPECT_EQ(code_of(RangedAccess::create(disk_, kPath, 10, {})), ErrorCode::exists);
  EXPECT_EQ(code_of(RangedAccess::create(disk_, kPath, 10, {}, IfExists::replace)),
            ErrorCode::busy);
  ASSERT_TRUE(file.close());
  EXPECT_TRUE(open());
}

TEST_F(RangedFileTest, ReadersComeBesideAWriter) {
  auto file = create(10);
  auto range = file.allocate(10).value();
  ASSERT_TRUE(range.write(as_bytes("shared")));
  auto reader = open({}, Access::read_only).value();
  EXPECT_EQ(text(reader.read({0, 6})->span()), "shared");
  EXPECT_EQ(code_of(reader.allocate(1)), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(reader.allocate_up_to(1)), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(reader.allocate_at({0, 1})), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(reader.grow(20)), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(reader.sync_all()), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(reader.unchecked().write_all_at(0, as_bytes("x"))), ErrorCode::wrong_mode);
  EXPECT_EQ(reader.unallocated(), 0U);
  EXPECT_TRUE(reader.close());
}

TEST_F(RangedFileTest, RefusesWhatCannotBeMeant) {
  EXPECT_EQ(code_of(open()), ErrorCode::not_found);
  ASSERT_TRUE(create(10).close());
  EXPECT_EQ(code_of(open({}, Access::copy_on_write)), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(open({.existing = ExistingBytes::overwrite, .resume = true})),
            ErrorCode::invalid_argument);
}

TEST_F(RangedFileTest, OpensOrCreates) {
  auto file = RangedAccess::open_or_create(disk_, kPath, 10, {}).value();
  EXPECT_EQ(file.unallocated(), 10U);
  ASSERT_TRUE(file.close());
  file = RangedAccess::open_or_create(disk_, kPath, 999, {}).value();
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(file.unallocated(), 0U);
}

TEST_F(RangedFileTest, ReplacesAFileThatIsThere) {
  ASSERT_TRUE(create(10).close());
  auto file = RangedAccess::create(disk_, kPath, 20, {}, IfExists::replace).value();
  EXPECT_EQ(file.size(), 20U);
  EXPECT_EQ(file.unallocated(), 20U);
}

TEST_F(RangedFileTest, AFileOfNoBytesCanGrow) {
  auto file = create(0);
  EXPECT_EQ(code_of(file.allocate_up_to(1)), ErrorCode::capacity);
  ASSERT_TRUE(file.grow(10));
  EXPECT_TRUE(file.allocate(10));
}

TEST_F(RangedFileTest, GrowsWhileRangesAreHeld) {
  auto file = create(10);
  auto range = file.allocate(10).value();
  const auto before = range.mutable_bytes();
  ASSERT_TRUE(file.grow(1 << 20));
  EXPECT_EQ(range.mutable_bytes().data(), before.data());
  EXPECT_TRUE(range.write(as_bytes("0123456789")));
  EXPECT_EQ(file.allocate((1 << 20) - 10)->range(), (ByteRange{10, (1 << 20) - 10}));
  EXPECT_EQ(code_of(file.grow(5)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(file.grow(kMax)), ErrorCode::capacity);
  EXPECT_EQ(file.size(), 1U << 20);
}

TEST_F(RangedFileTest, AGrowthThatFailsChangesNothing) {
  auto file = create(4096);
  disk_.set_capacity(8192);
  EXPECT_EQ(code_of(file.grow(1 << 20)), ErrorCode::no_space);
  EXPECT_EQ(file.size(), 4096U);
  EXPECT_EQ(file.unallocated(), 4096U);
}

TEST_F(RangedFileTest, CloseWaitsForNobodyAndIsBusyWhileRangesLive) {
  auto file = create(10);
  {
    const auto range = file.allocate(10).value();
    const auto closed = file.close();
    EXPECT_EQ(code_of(closed), ErrorCode::busy);
    EXPECT_THAT(message_of(closed), HasSubstr("ranges of the file live"));
    EXPECT_TRUE(file.is_open());
  }
  EXPECT_TRUE(file.close());
  EXPECT_FALSE(file.is_open());
}

TEST_F(RangedFileTest, AClosedFileSaysSo) {
  RangedFile file;
  EXPECT_EQ(code_of(file.allocate(1)), ErrorCode::closed);
  EXPECT_EQ(code_of(file.allocate_up_to(1)), ErrorCode::closed);
  EXPECT_EQ(code_of(file.allocate_at({0, 1})), ErrorCode::closed);
  EXPECT_EQ(code_of(file.grow(1)), ErrorCode::closed);
  EXPECT_EQ(code_of(file.sync_all()), ErrorCode::closed);
  EXPECT_EQ(code_of(file.sync(std::span<const WriteReceipt>())), ErrorCode::closed);
  EXPECT_EQ(code_of(file.coverage()), ErrorCode::closed);
  EXPECT_EQ(code_of(file.bytes({0, 0})), ErrorCode::closed);
  EXPECT_EQ(code_of(file.read({0, 0})), ErrorCode::closed);
  EXPECT_EQ(code_of(file.reopen_after_error()), ErrorCode::closed);
  EXPECT_EQ(code_of(file.close()), ErrorCode::closed);
  EXPECT_EQ(code_of(file.finish()), ErrorCode::closed);
  EXPECT_EQ(code_of(file.unchecked().write_all_at(0, as_bytes("x"))), ErrorCode::closed);
  EXPECT_EQ(code_of(file.unchecked().sync_all()), ErrorCode::closed);
  EXPECT_EQ(file.unchecked().size(), 0U);
  EXPECT_EQ(file.size(), 0U);
  EXPECT_EQ(file.path(), "");
}

TEST_F(RangedFileTest, ReadsAnythingOfTheFile) {
  auto file = create(100);
  auto range = file.allocate_at({50, 10}).value();
  ASSERT_TRUE(range.write(as_bytes("0123456789")));
  EXPECT_EQ(text(*file.bytes({50, 10})), "0123456789");
  EXPECT_EQ(text(file.read({52, 3})->span()), "234");
  std::array<std::byte, 4> out{};
  ASSERT_TRUE(file.read_into(56, out));
  EXPECT_EQ(text(out), "6789");
  EXPECT_EQ(code_of(file.bytes({99, 2})), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(file.read({101, 0})), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(file.read_into(98, out)), ErrorCode::out_of_range);
}

// What survives a power cut is what a sync was asked for.
TEST_F(RangedFileTest, ASyncedReceiptIsDurableAndTheRestIsNot) {
  auto file = create(3 * 4096);
  auto first = file.allocate(4096).value();
  auto second = file.allocate(4096).value();
  const auto receipt = first.write(as_bytes("durable")).value();
  ASSERT_TRUE(second.write(as_bytes("not yet")));
  ASSERT_TRUE(file.sync(receipt));
  const auto after = disk_.power_cut(os::Survivors::none, random_);
  auto found = RangedAccess::open(*after, kPath, Access::read_only, {}).value();
  EXPECT_EQ(text(found.read({0, 7})->span()), "durable");
  EXPECT_EQ(text(found.read({4096, 7})->span()), std::string(7, '\0'));
}

TEST_F(RangedFileTest, ManyReceiptsAreSyncedAtOnce) {
  constexpr std::uint64_t kPieces = 40;
  auto file = create(2 * kPieces * 4096);
  std::vector<WriteReceipt> receipts;
  std::vector<FileRange> ranges;
  for (std::uint64_t i = 0; i < kPieces; ++i) {
    ranges.push_back(file.allocate_at({2 * i * 4096, 4096}).value());
    receipts.push_back(ranges.back().write(as_bytes("durable")).value());
  }
  for (const std::size_t count : {std::size_t{3}, receipts.size()}) {
    ASSERT_TRUE(file.sync(std::span(receipts).first(count)));
    const auto after = disk_.power_cut(os::Survivors::none, random_);
    auto found = RangedAccess::open(*after, kPath, Access::read_only, {}).value();
    for (std::uint64_t i = 0; i < count; ++i) {
      EXPECT_EQ(text(found.read({2 * i * 4096, 7})->span()), "durable") << i;
    }
  }
}

// The only call that made anything durable was the sync of the whole file before; flush did nothing.
TEST_F(RangedFileTest, SyncAllAndCloseMakeAllDurable) {
  auto file = create(4096);
  {
    ASSERT_TRUE(file.allocate(100)->write(as_bytes("one")));
  }
  ASSERT_TRUE(file.sync_all());
  auto after = disk_.power_cut(os::Survivors::none, random_);
  EXPECT_EQ(text(RangedAccess::open(*after, kPath, Access::read_only, {})->read({0, 3})->span()),
            "one");
  {
    ASSERT_TRUE(file.allocate_at({200, 3})->write(as_bytes("two")));
  }
  ASSERT_TRUE(file.close());
  after = disk_.power_cut(os::Survivors::none, random_);
  EXPECT_EQ(text(RangedAccess::open(*after, kPath, Access::read_only, {})->read({200, 3})->span()),
            "two");
}

TEST_F(RangedFileTest, RefusesReceiptsOfAnotherFileOrOpening) {
  auto file = create(100);
  auto other = RangedAccess::create(disk_, "/other", 100, {}).value();
  const auto foreign = other.allocate(10)->write(as_bytes("x")).value();
  const auto refused = file.sync(foreign);
  EXPECT_EQ(code_of(refused), ErrorCode::mismatch);
  EXPECT_THAT(message_of(refused), HasSubstr("/file [0, 1)"));
  EXPECT_EQ(code_of(file.start_writeback(foreign)), ErrorCode::mismatch);
  ASSERT_TRUE(other.close());
  other = RangedAccess::open(disk_, "/other", Access::read_write, {}).value();
  EXPECT_EQ(code_of(other.sync(foreign)), ErrorCode::mismatch);
}

TEST_F(RangedFileTest, StartsWritingOut) {
  auto file = create(4096);
  auto range = file.allocate(4096).value();
  const auto receipt = range.write(as_bytes("abc")).value();
  EXPECT_TRUE(file.start_writeback(receipt));
  EXPECT_TRUE(file.unchecked().start_writeback());
}

TEST_F(RangedFileTest, AfterAFailedSyncNothingIsBelievedUntilItIsReopened) {
  auto file = create(4096);
  auto range = file.allocate(4096).value();
  const auto receipt = range.write(as_bytes("abc")).value();
  fail_next("sync_range", EIO);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::io);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::read_only_after_error);
  EXPECT_EQ(code_of(file.sync_all()), ErrorCode::read_only_after_error);
  EXPECT_EQ(code_of(range.write(as_bytes("x"))), ErrorCode::read_only_after_error);
  ASSERT_TRUE(file.reopen_after_error());
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::mismatch);  // what it names may be lost
  const auto again = range.write(as_bytes("abc")).value();
  EXPECT_TRUE(file.sync(again));
}

// Without owners, and bounds are checked in every build.
TEST_F(RangedFileTest, TheUncheckedLayerWritesAnywhereInside) {
  auto file = create(100);
  const auto raw = file.unchecked();
  EXPECT_EQ(raw.size(), 100U);
  EXPECT_TRUE(raw.write_all_at(10, as_bytes("abc")));
  EXPECT_EQ(text(std::span(raw.mutable_data() + 10, 3)), "abc");
  EXPECT_EQ(raw.write_at(98, as_bytes("xyz")), 2U);
  EXPECT_EQ(content(98, 2), "xy");
  EXPECT_EQ(raw.write_at(200, as_bytes("xyz")), 0U);
  EXPECT_EQ(raw.write_at(kMax, as_bytes("xyz")), 0U);
  EXPECT_EQ(code_of(raw.write_all_at(98, as_bytes("xyz"))), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(raw.write_all_at(kMax, as_bytes("x"))), ErrorCode::out_of_range);
  EXPECT_TRUE(raw.write_all_at(100, {}));
  EXPECT_EQ(raw.write_at(100, {}), 0U);
}

TEST_F(RangedFileTest, TheUncheckedLayerReadsUpToTheEnd) {
  auto file = create(100);
  const auto raw = file.unchecked();
  ASSERT_TRUE(raw.write_all_at(90, as_bytes("0123456789")));
  std::array<std::byte, 50> out{};
  EXPECT_EQ(raw.read_at(90, out), 10U);
  EXPECT_EQ(raw.read_at(100, out), 0U);
  EXPECT_EQ(raw.read_at(kMax, out), 0U);
  EXPECT_EQ(text(raw.read_slice(95, 3)), "567");
  EXPECT_EQ(text(raw.read_slice(95, kMax)), "56789");
  EXPECT_TRUE(raw.read_slice(kMax, kMax).empty());
}

TEST_F(RangedFileTest, TheUncheckedLayerFillsAndFlushes) {
  auto file = create(8192);
  const auto raw = file.unchecked();
  ASSERT_TRUE(raw.fill(std::byte{'z'}));
  ASSERT_TRUE(raw.flush_range({4096, 4096}));
  auto after = disk_.power_cut(os::Survivors::none, random_);
  auto found = RangedAccess::open(*after, kPath, Access::read_only, {}).value();
  EXPECT_EQ(text(found.read({0, 2})->span()), std::string(2, '\0'));
  EXPECT_EQ(text(found.read({4096, 2})->span()), "zz");
  ASSERT_TRUE(raw.sync_all());
  EXPECT_EQ(code_of(raw.flush_range({8192, 1})), ErrorCode::out_of_range);
  after = disk_.power_cut(os::Survivors::none, random_);
  found = RangedAccess::open(*after, kPath, Access::read_only, {}).value();
  EXPECT_EQ(text(found.read({0, 2})->span()), "zz");
  ASSERT_TRUE(raw.zero());
  EXPECT_EQ(content(0, 1), std::string(1, '\0'));
}

TEST_F(RangedFileTest, LargeWritesAreTheSameBytes) {
  constexpr std::size_t kLarge = std::size_t{3} << 20;
  auto file = create(kLarge + 100);
  const std::vector<std::byte> data(kLarge, std::byte{'L'});
  auto range = file.allocate_at({50, kLarge}).value();
  ASSERT_TRUE(range.write(data));
  EXPECT_TRUE(range.is_filled());
  ASSERT_TRUE(file.unchecked().write_all_at(100, data));
  EXPECT_EQ(text(*file.bytes({0, 51})), std::string(50, '\0') + "L");
  EXPECT_EQ(text(*file.bytes({kLarge + 99, 1})), "L");
}

}  // namespace
}  // namespace quire::ranged
