// Ranges: who owns which bytes, and what of them is filled.
#include <array>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

static_assert(!std::is_copy_constructible_v<FileRange>);
static_assert(!std::is_copy_assignable_v<FileRange>);
static_assert(!std::is_default_constructible_v<FileRange>);
static_assert(!std::is_constructible_v<FileRange, ByteRange>);
static_assert(std::is_nothrow_move_constructible_v<FileRange>);
static_assert(std::is_nothrow_move_assignable_v<FileRange>);
// No bytes can be cast into one.
static_assert(!std::is_trivially_copyable_v<FileRange>);
static_assert(!std::is_trivially_copyable_v<WriteReceipt>);
static_assert(!std::is_default_constructible_v<WriteReceipt>);

// Where the compiler and the linter do not see it: what they say of it is moved_from_misuse.cpp's story.
void give_away(FileRange& range, std::optional<FileRange>& to) { to = std::move(range); }

class FileRangeTest : public RangedFileTest {
 protected:
  RangedFile file_ = create(100);
};

TEST_F(FileRangeTest, WritesIntoItsOwnBytes) {
  auto first = file_.allocate(10).value();
  auto second = file_.allocate(10).value();
  EXPECT_TRUE(second.write(as_bytes("second one")));
  EXPECT_TRUE(first.write(as_bytes("first")));
  EXPECT_TRUE(first.write(as_bytes(" one"), 5));
  EXPECT_EQ(content(0, 20), std::string("first one\0second one", 20));
}

// The receipt before this one named the whole range, whatever was written.
TEST_F(FileRangeTest, AReceiptNamesTheBytesThatWereWritten) {
  ASSERT_TRUE(file_.allocate(20));
  auto range = file_.allocate_at({30, 50}).value();
  EXPECT_EQ(range.write(as_bytes("x"))->range(), (ByteRange{30, 1}));
  EXPECT_EQ(range.write(as_bytes("abc"), 10)->range(), (ByteRange{40, 3}));
  EXPECT_EQ(range.write({}, 50)->range(), (ByteRange{80, 0}));
}

// Before, more data than the range held went into the next range.
TEST_F(FileRangeTest, RefusesMoreThanItHoldsAndWritesNothing) {
  auto range = file_.allocate(4).value();
  auto next = file_.allocate(4).value();
  const auto written = range.write(as_bytes("12345"));
  EXPECT_EQ(code_of(written), ErrorCode::out_of_range);
  EXPECT_THAT(message_of(written),
              HasSubstr("write /file [0, 4): out_of_range: 5 bytes at position 0"));
  EXPECT_EQ(code_of(range.write(as_bytes("12"), 3)), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(range.write(as_bytes("12"), kMax)), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(range.write({}, 5)), ErrorCode::out_of_range);
  EXPECT_EQ(range.filled(), 0U);
  EXPECT_EQ(content(0, 8), std::string(8, '\0'));
}

TEST_F(FileRangeTest, AppendsBehindWhatIsFilled) {
  auto range = file_.allocate(10).value();
  ASSERT_TRUE(range.append(as_bytes("abc")));
  ASSERT_TRUE(range.write(as_bytes("gh"), 6));
  EXPECT_EQ(range.append(as_bytes("def"))->range(), (ByteRange{3, 3}));
  EXPECT_EQ(range.filled_prefix(), 8U);
  EXPECT_EQ(code_of(range.append(as_bytes("ijk"))), ErrorCode::out_of_range);
  ASSERT_TRUE(range.append(as_bytes("ij")));
  EXPECT_TRUE(range.is_filled());
  EXPECT_EQ(content(0, 10), "abcdefghij");
}

TEST_F(FileRangeTest, KnowsWhatIsMissing) {
  auto range = file_.allocate(20).value();
  EXPECT_EQ(list(range.missing()), "0+20");
  ASSERT_TRUE(range.write(as_bytes("ab"), 4));
  ASSERT_TRUE(range.write(as_bytes("cd"), 10));
  EXPECT_EQ(list(range.missing()), "0+4 6+4 12+8");
  EXPECT_EQ(range.filled(), 4U);
  ASSERT_TRUE(range.write(as_bytes("abcdefgh"), 0));
  EXPECT_EQ(list(range.missing()), "8+2 12+8");
  EXPECT_EQ(range.filled_prefix(), 8U);
}

TEST_F(FileRangeTest, AWriteThatFailsFillsNothing) {
  auto range = file_.allocate(20).value();
  {
    ASSERT_TRUE(disk_.open(kPath, os::OpenMode::read_write, 0).value()->truncate(0));
  }
  EXPECT_EQ(code_of(range.write(as_bytes("abc"))), ErrorCode::truncated);
  EXPECT_EQ(range.filled(), 0U);
}

TEST_F(FileRangeTest, GivesBackWhatIsNotFilledWhenItIsDropped) {
  {
    auto range = file_.allocate(100).value();
    ASSERT_TRUE(range.write(as_bytes("abcde"), 10));
    ASSERT_TRUE(range.write(as_bytes("abcde"), 30));
    EXPECT_EQ(file_.unallocated(), 0U);
  }
  EXPECT_EQ(file_.unallocated(), 90U);
  EXPECT_EQ(code_of(file_.allocate_at({10, 1})), ErrorCode::busy);
  EXPECT_TRUE(file_.allocate_at({15, 15}));
  EXPECT_TRUE(file_.allocate_at({0, 10}));
  EXPECT_EQ(file_.allocate(65)->range(), (ByteRange{35, 65}));
}

TEST_F(FileRangeTest, AMovedFromRangeIsClosed) {
  auto range = file_.allocate(10).value();
  std::optional<FileRange> owner;
  give_away(range, owner);
  EXPECT_EQ(code_of(range.write(as_bytes("x"))), ErrorCode::closed);
  EXPECT_EQ(code_of(range.append(as_bytes("x"))), ErrorCode::closed);
  EXPECT_EQ(code_of(range.mark_written({0, 0})), ErrorCode::closed);
  EXPECT_TRUE(range.mutable_bytes().empty());
  EXPECT_EQ(range.size(), 0U);
  auto split = std::move(range).split_at(0);
  ASSERT_FALSE(split);
  EXPECT_EQ(code_of(std::move(split).error().free()), ErrorCode::closed);
  EXPECT_EQ(owner->range(), (ByteRange{0, 10}));
}

TEST_F(FileRangeTest, AssigningGivesBackTheOldBytes) {
  auto range = file_.allocate(10).value();
  auto other = file_.allocate(20).value();
  range = std::move(other);
  EXPECT_EQ(range.range(), (ByteRange{10, 20}));
  EXPECT_EQ(file_.unallocated(), 80U);
  EXPECT_TRUE(file_.allocate_at({0, 10}));
}

TEST_F(FileRangeTest, SplitsAnywhereAndKeepsWhatIsFilled) {
  auto range = file_.allocate(30).value();
  ASSERT_TRUE(range.write(as_bytes("0123456789ab")));
  ASSERT_TRUE(range.write(as_bytes("xy"), 20));
  auto parts = std::move(range).split_at(10).value();
  EXPECT_EQ(parts.low->range(), (ByteRange{0, 10}));
  EXPECT_TRUE(parts.low->is_filled());
  EXPECT_EQ(parts.high->range(), (ByteRange{10, 20}));
  EXPECT_EQ(parts.high->filled_prefix(), 2U);
  EXPECT_EQ(list(parts.high->missing()), "2+8 12+8");
  EXPECT_EQ(range.size(), 0U);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(file_.unallocated(), 70U);
}

// Splits before this one left empty parts.
TEST_F(FileRangeTest, ASplitAtAnEndHasOnePart) {
  auto all = std::move(file_.allocate(30).value()).split_at(0).value();
  EXPECT_FALSE(all.low);
  EXPECT_EQ(all.high->range(), (ByteRange{0, 30}));
  all = std::move(*all.high).split_at(30).value();
  EXPECT_FALSE(all.high);
  EXPECT_EQ(all.low->range(), (ByteRange{0, 30}));
}

TEST_F(FileRangeTest, ASplitOutOfBoundsReturnsTheRange) {
  auto range = file_.allocate(30).value();
  auto split = std::move(range).split_at(31);
  ASSERT_FALSE(split);
  EXPECT_EQ(split.error().range(), (ByteRange{0, 30}));
  EXPECT_TRUE(split.error().write(as_bytes("still mine")));
  EXPECT_FALSE(std::move(split).error().split_at(kMax));
}

TEST_F(FileRangeTest, SplitsAtMultiplesOfTheFilesOffsets) {
  ASSERT_TRUE(file_.grow(20'000));
  const auto at = [&](ByteRange place) { return file_.allocate_at(place).value(); };
  const auto split = [](const std::expected<RangeParts, FileRange>& parts) {
    return (parts->low ? list({parts->low->range()}) : "-") + " " +
           (parts->high ? list({parts->high->range()}) : "-");
  };
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_up(0, 4096)), "100+3996 4096+6004");
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_up(3996, 4096)), "100+3996 4096+6004");
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_up(3997, 4096)), "100+8092 8192+1908");
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_up(9000, 4096)), "100+10000 -");
  EXPECT_EQ(split(at({4096, 4096}).split_at_align_up(0, 4096)), "- 4096+4096");
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_down(10'000, 4096)), "100+8092 8192+1908");
  EXPECT_EQ(split(at({100, 10'000}).split_at_align_down(3995, 4096)), "- 100+10000");
  EXPECT_EQ(split(at({4096, 4096}).split_at_align_down(4096, 4096)), "4096+4096 -");
  EXPECT_EQ(split(at({100, 100}).split_at_align_down(50, 1)), "100+50 150+50");
  EXPECT_FALSE(at({100, 100}).split_at_align_up(101, 64));
  EXPECT_FALSE(at({100, 100}).split_at_align_down(101, 64));
  EXPECT_FALSE(at({100, 100}).split_at_align_up(0, 3));
  EXPECT_FALSE(at({100, 100}).split_at_align_up(kMax, 64));
  EXPECT_EQ(file_.unallocated(), 20'000U);
}

TEST_F(FileRangeTest, JoinsNeighboursWithWhatIsFilled) {
  auto low = file_.allocate(10).value();
  auto high = file_.allocate(10).value();
  ASSERT_TRUE(low.write(as_bytes("abcd"), 6));
  ASSERT_TRUE(high.write(as_bytes("efg")));
  ASSERT_TRUE(low.join(std::move(high)));
  EXPECT_EQ(low.range(), (ByteRange{0, 20}));
  EXPECT_EQ(list(low.missing()), "0+6 13+7");
  EXPECT_EQ(high.size(), 0U);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(file_.unallocated(), 80U);
}

TEST_F(FileRangeTest, JoinsTheOneBeforeToo) {
  auto low = file_.allocate(10).value();
  auto high = file_.allocate(10).value();
  ASSERT_TRUE(low.write(as_bytes("0123456789")));
  ASSERT_TRUE(high.join(std::move(low)));
  EXPECT_EQ(high.range(), (ByteRange{0, 20}));
  EXPECT_EQ(high.append(as_bytes("x"))->range(), (ByteRange{10, 1}));
}

TEST_F(FileRangeTest, RefusesToJoinWhatIsNoNeighbour) {
  auto first = file_.allocate(10).value();
  auto second = file_.allocate(10).value();
  auto third = file_.allocate(10).value();
  EXPECT_EQ(code_of(first.join(std::move(third))), ErrorCode::invalid_argument);
  EXPECT_EQ(third.size(), 10U);  // NOLINT(bugprone-use-after-move): it was not taken
  FileRange& itself = first;
  EXPECT_EQ(code_of(first.join(std::move(itself))), ErrorCode::invalid_argument);
  EXPECT_EQ(first.size(), 10U);
  std::optional<FileRange> gone;
  give_away(second, gone);
  EXPECT_EQ(code_of(first.join(std::move(second))), ErrorCode::closed);
}

TEST_F(FileRangeTest, RefusesToJoinARangeOfAnotherFile) {
  auto other = RangedAccess::create(disk_, "/other", 100, {}).value();
  auto mine = file_.allocate(10).value();
  ASSERT_TRUE(other.allocate_at({10, 10}));
  auto foreign = other.allocate_at({10, 10}).value();
  EXPECT_EQ(code_of(mine.join(std::move(foreign))), ErrorCode::mismatch);
  EXPECT_EQ(foreign.size(), 10U);  // NOLINT(bugprone-use-after-move): it was not taken
}

TEST_F(FileRangeTest, FreeGivesBackWhatIsFilledToo) {
  auto range = file_.allocate(100).value();
  ASSERT_TRUE(range.write(as_bytes("abc")));
  EXPECT_EQ(file_.unallocated(), 0U);
  ASSERT_TRUE(std::move(range).free());
  EXPECT_EQ(file_.allocate(100)->range(), (ByteRange{0, 100}));
}

TEST_F(FileRangeTest, IsMemoryForThoseWhoProduceInPlace) {
  auto range = file_.allocate_at({10, 20}).value();
  const auto bytes = range.mutable_bytes();
  ASSERT_EQ(bytes.size(), 20U);
  bytes[3] = std::byte{'x'};
  EXPECT_EQ(range.filled(), 0U);
  EXPECT_EQ(range.mark_written({3, 1})->range(), (ByteRange{13, 1}));
  EXPECT_EQ(list(range.missing()), "0+3 4+16");
  EXPECT_EQ(content(13, 1), "x");
  EXPECT_EQ(code_of(range.mark_written({3, 18})), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(range.mark_written({1, kMax})), ErrorCode::out_of_range);
}

TEST_F(FileRangeTest, KeepsTheFileOpen) {
  std::optional<FileRange> range = file_.allocate(10).value();
  file_ = RangedFile();
  EXPECT_EQ(code_of(open()), ErrorCode::busy);
  EXPECT_TRUE(range->write(as_bytes("late")));
  range.reset();
  EXPECT_TRUE(open());
  EXPECT_EQ(content(0, 4), "late");
}

}  // namespace
}  // namespace quire::ranged
