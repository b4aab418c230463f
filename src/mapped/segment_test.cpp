// A part of a file that ends where it says.
#include "quire/segment.hpp"

#include <concepts>
#include <limits>
#include <type_traits>

#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

static_assert(std::copyable<Segment> && std::copyable<MutableSegment>);
static_assert(std::is_nothrow_move_constructible_v<MutableSegment>);
static_assert(std::convertible_to<MutableSegment, Segment>);
static_assert(!std::convertible_to<Segment, MutableSegment>);
template <class S>
concept CanWriteThroughConst = requires(const S& segment) { segment.mutable_bytes(); };
static_assert(!CanWriteThroughConst<MutableSegment>);

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

class SegmentTest : public SimulatedDiskTest {
 protected:
  // A file that says "0123456789abcdef".
  MappedFile sixteen(Access access = Access::read_write) {
    MappedFileTest::put(path(), "0123456789abcdef");
    return MappedFileTest::open(path(), access);
  }
  static std::string text(const Segment& segment) {
    const auto bytes = segment.bytes();
    return bytes ? MappedFileTest::text(*bytes) : code_of(bytes);
  }
};

TEST_F(SegmentTest, IsItsPartOfTheFile) {
  const MappedFile file = sixteen();
  const Segment segment = Segment::of(file, {4, 8}).value();
  EXPECT_EQ(text(segment), "456789ab");
  EXPECT_EQ(segment.offset(), 4U);
  EXPECT_EQ(segment.size(), 8U);
  EXPECT_EQ(segment.path(), path());
  EXPECT_EQ(segment.bytes(6, 2).value().data(), file.bytes(10, 2).value().data());
}

TEST_F(SegmentTest, ReadsAndViewsByItsOwnOffsets) {
  const Segment segment = Segment::of(sixteen(), {4, 8}).value();
  std::array<std::byte, 3> buffer{};
  ASSERT_TRUE(segment.read_into(5, buffer));
  EXPECT_EQ(MappedFileTest::text(buffer), "9ab");
  EXPECT_EQ(segment.view_as<char>(7, 1).value()[0], 'b');
}

TEST_F(SegmentTest, AlignmentIsThatOfThePlaceInTheFile) {
  MappedFile file = sixteen();
  MutableSegment segment = MutableSegment::of(file, {4, 12}).value();
  EXPECT_EQ(segment.view_as<std::uint64_t>(4, 1).value().size(), 1U);
  EXPECT_EQ(code_of(segment.view_as<std::uint64_t>(0, 1)), "misaligned");
  EXPECT_TRUE(segment.mutable_view_as<std::uint64_t>(4, 1));
  EXPECT_EQ(code_of(segment.mutable_view_as<std::uint64_t>(0, 1)), "misaligned");
}

TEST_F(SegmentTest, WhatIsStoredIsInTheFile) {
  MappedFile file = sixteen();
  MutableSegment segment = MutableSegment::of(file, {4, 8}).value();
  ASSERT_TRUE(segment.write(0, as_bytes("w")));
  ASSERT_TRUE(segment.fill(2, 2, std::byte{'f'}));
  segment.mutable_bytes().value()[4] = std::byte{'m'};
  segment.mutable_bytes(6, 2).value()[0] = std::byte{'n'};
  segment.mutable_view_as<char>(7, 1).value()[0] = 'v';
  EXPECT_EQ(contents(path()), "0123w5ffm9nvcdef");
}

TEST_F(SegmentTest, WritingThroughASegmentReachedItsNeighbour) {
  MappedFile file = sixteen();
  MutableSegment segment = MutableSegment::of(file, {0, 4}).value();
  EXPECT_EQ(code_of(segment.write(0, as_bytes("12345678"))), "out_of_range");
  EXPECT_EQ(code_of(segment.write(4, as_bytes("x"))), "out_of_range");
  EXPECT_EQ(code_of(segment.fill(3, 2, {})), "out_of_range");
  EXPECT_EQ(contents(path()), "0123456789abcdef");
}

TEST_F(SegmentTest, NothingReachesPastItsEnd) {
  MappedFile file = sixteen();
  MutableSegment segment = MutableSegment::of(file, {4, 8}).value();
  std::array<std::byte, 5> buffer{};
  for (const std::uint64_t offset : {std::uint64_t{4}, std::uint64_t{9}, kMax - 2, kMax}) {
    EXPECT_EQ(code_of(segment.bytes(offset, 5)), "out_of_range");
    EXPECT_EQ(code_of(segment.mutable_bytes(offset, 5)), "out_of_range");
    EXPECT_EQ(code_of(segment.view_as<char>(offset, 5)), "out_of_range");
    EXPECT_EQ(code_of(segment.mutable_view_as<char>(offset, 5)), "out_of_range");
    EXPECT_EQ(code_of(segment.read_into(offset, buffer)), "out_of_range");
    EXPECT_EQ(code_of(segment.write(offset, buffer)), "out_of_range");
    EXPECT_EQ(code_of(segment.fill(offset, 5, {})), "out_of_range");
    EXPECT_EQ(code_of(segment.sub_segment({offset, 5})), "out_of_range");
  }
  EXPECT_EQ(contents(path()), "0123456789abcdef");
}

TEST_F(SegmentTest, LengthsThatOverflowAreRefused) {
  MappedFile file = sixteen();
  MutableSegment segment = MutableSegment::of(file, {4, 8}).value();
  for (const std::uint64_t length : {kMax, kMax - 3, kMax / 4 + 2}) {
    EXPECT_EQ(code_of(segment.bytes(1, length)), "out_of_range");
    EXPECT_EQ(code_of(segment.fill(1, length, {})), "out_of_range");
    const auto view = segment.view_as<std::uint32_t>(4, length);
    EXPECT_EQ(code_of(view), "out_of_range");
    EXPECT_EQ(view.error().range().end(), kMax) << "refused by the segment, not by luck";
    EXPECT_EQ(code_of(segment.mutable_view_as<std::uint32_t>(4, length)), "out_of_range");
    EXPECT_EQ(code_of(segment.sub_segment({1, length})), "out_of_range");
    EXPECT_EQ(code_of(Segment::of(file, {1, length})), "out_of_range");
  }
}

TEST_F(SegmentTest, ErrorsNameTheRangeAsTheFileSeesIt) {
  const Segment segment = Segment::of(sixteen(), {4, 8}).value();
  EXPECT_EQ(segment.bytes(6, 3).error().message(),
            "bytes " + path() + " [10, 13): out_of_range: the segment is the range [4, 12)");
  EXPECT_EQ(segment.bytes(kMax, 1).error().range().offset, kMax) << "saturated";
}

TEST_F(SegmentTest, EmptyOnesAreGoodAndCheckedToo) {
  MappedFile file = sixteen();
  MutableSegment end = MutableSegment::of(file, {16, 0}).value();
  EXPECT_EQ(text(end), "");
  EXPECT_TRUE(end.is_valid() && end.write(0, {}) && end.sub_segment({0, 0}) && end.flush());
  EXPECT_EQ(code_of(end.write(1, {})), "out_of_range");
  EXPECT_EQ(code_of(end.bytes(1, 0)), "out_of_range");
  EXPECT_EQ(code_of(Segment::of(file, {17, 0})), "out_of_range");
}

TEST_F(SegmentTest, ASubSegmentIsBoundByItsOwnEnd) {
  MappedFile file = sixteen();
  const MutableSegment segment = MutableSegment::of(file, {4, 8}).value();
  MutableSegment part = segment.sub_segment({2, 4}).value();
  EXPECT_EQ(text(part), "6789");
  EXPECT_EQ(part.offset(), 6U);
  EXPECT_TRUE(part.write(3, as_bytes("!")));
  EXPECT_EQ(code_of(part.write(3, as_bytes("!!"))), "out_of_range");
  EXPECT_EQ(text(Segment(segment).sub_segment({0, 8}).value()), "45678!ab");
}

TEST_F(SegmentTest, AReadOnlyFileHasNoMutableOnes) {
  MappedFile file = sixteen(Access::read_only);
  EXPECT_EQ(code_of(MutableSegment::of(file, {0, 4})), "wrong_mode");
  EXPECT_EQ(code_of(MutableSegment::of(file, {0, 0})), "wrong_mode");
  EXPECT_TRUE(Segment::of(file, {0, 4}));
}

TEST_F(SegmentTest, AShrinkEndsItAndAGrowthBringsItBack) {
  MappedFile file = create(4 * kPage);
  MutableSegment segment = MutableSegment::of(file, {2 * kPage, kPage}).value();
  ASSERT_TRUE(file.shrink(3 * kPage - 1));
  EXPECT_FALSE(segment.is_valid());
  EXPECT_EQ(segment.size(), kPage);
  EXPECT_EQ(code_of(segment.bytes()), "out_of_range");
  EXPECT_EQ(code_of(segment.write(kPage - 1, as_bytes("x"))), "out_of_range");
  EXPECT_EQ(code_of(segment.flush()), "out_of_range");
  EXPECT_TRUE(segment.bytes(0, kPage - 1)) << "what is left can be read";
  ASSERT_TRUE(file.grow(4 * kPage));
  EXPECT_TRUE(segment.is_valid() && segment.write(kPage - 1, as_bytes("x")));
}

TEST_F(SegmentTest, KeepsTheMappingAliveAndNoLonger) {
  const Held before = held();
  {
    MappedFile file = sixteen();
    MutableSegment segment = MutableSegment::of(file, {4, 8}).value();
    ASSERT_TRUE(file.close());
    EXPECT_EQ(text(segment), "456789ab");
    EXPECT_TRUE(segment.write(0, as_bytes("later")));
    EXPECT_TRUE(segment.flush());
    EXPECT_EQ(contents(path()), "0123later9abcdef");
  }
  EXPECT_EQ(held(), before);
}

TEST_F(SegmentTest, CopiesAreHandlesOfTheirOwn) {
  MappedFile file = sixteen();
  auto first = std::make_unique<MutableSegment>(MutableSegment::of(file, {4, 8}).value());
  MutableSegment copy = *first;
  Segment read = *first;
  read = *first;
  first.reset();
  EXPECT_TRUE(copy.write(0, as_bytes("c")));
  EXPECT_EQ(text(read), "c56789ab") << "of the same bytes";
}

TEST_F(SegmentTest, OneThatWasMovedFromIsClosed) {
  MappedFile file = sixteen();
  MutableSegment from = MutableSegment::of(file, {4, 8}).value();
  const MutableSegment to = std::move(from);
  EXPECT_EQ(text(to), "456789ab");
  // NOLINTBEGIN(bugprone-use-after-move): what a moved-from segment does is promised.
  EXPECT_FALSE(from.is_valid());
  EXPECT_EQ(code_of(from.bytes()), "closed");
  EXPECT_EQ(code_of(from.write(0, as_bytes("x"))), "closed");
  EXPECT_EQ(code_of(from.write(9, as_bytes("x"))), "closed");
  EXPECT_EQ(code_of(from.flush()), "closed");
  EXPECT_EQ(code_of(from.sub_segment({0, 1})), "closed");
  Segment empty = Segment::of(file, {0, 0}).value();
  const Segment taken = std::move(empty);
  EXPECT_TRUE(taken.is_valid() && !empty.is_valid()) << "empty or not";
  // NOLINTEND(bugprone-use-after-move)
  EXPECT_EQ(code_of(Segment::of(MappedFile(), {})), "closed");
}

TEST_F(SegmentTest, ACutFromOutsideIsAnError) {
  MappedFile file = create(4 * kPage);
  MutableSegment segment = MutableSegment::of(file, {2 * kPage, kPage}).value();
  cut(path(), kPage);
  std::array<std::byte, 8> buffer{};
  const auto failed = segment.read_into(8, buffer);
  EXPECT_EQ(code_of(failed), "truncated");
  EXPECT_EQ(failed.error().range(), (ByteRange{2 * kPage + 8, 8}));
  EXPECT_EQ(code_of(segment.write(0, buffer)), "truncated");
}

TEST_F(SegmentTest, FlushMakesItDurable) {
  MappedFile file = make(2 * kPage).value();
  MutableSegment segment = MutableSegment::of(file, {kPage, 4}).value();
  ASSERT_TRUE(segment.write(0, as_bytes("safe")));
  EXPECT_EQ(read(*cut_power()).substr(kPage, 4), std::string(4, '\0'));
  ASSERT_TRUE(segment.flush());
  EXPECT_EQ(read(*cut_power()).substr(kPage, 4), "safe");
}

}  // namespace
}  // namespace quire::mapped
