// One contract for both allocators.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "quire/range_allocator.hpp"

namespace quire {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;

template <class Allocator>
class AllocatorContract : public testing::Test {
 protected:
  using Space = Allocator;
};

using Allocators = testing::Types<SequentialAllocator, ConcurrentAllocator>;
TYPED_TEST_SUITE(AllocatorContract, Allocators);

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? ErrorCode::outcome_unknown : result.error().code();
}

TYPED_TEST(AllocatorContract, HandsOutTheSpaceInOrder) {
  TypeParam space(100);
  EXPECT_EQ(space.allocate(60), (ByteRange{0, 60}));
  EXPECT_EQ(space.allocate(40), (ByteRange{60, 40}));
  EXPECT_EQ(space.next(), 100U);
  EXPECT_EQ(space.remaining(), 0U);
}

TYPED_TEST(AllocatorContract, GivesExactlyWhatIsAskedForAndNothingElse) {
  TypeParam space(8192);
  EXPECT_EQ(space.allocate(100)->length, 100U);
  const auto rest = space.allocate(8192);
  EXPECT_EQ(code_of(rest), ErrorCode::capacity);
  EXPECT_THAT(rest.error().message(), HasSubstr("the end has 8092"));
}

TYPED_TEST(AllocatorContract, GivesUpToWhatIsLeft) {
  TypeParam space(100);
  EXPECT_EQ(space.allocate_up_to(70), (ByteRange{0, 70}));
  EXPECT_EQ(space.allocate_up_to(70), (ByteRange{70, 30}));
  EXPECT_EQ(code_of(space.allocate_up_to(1)), ErrorCode::capacity);
}

TYPED_TEST(AllocatorContract, RefusesRequestsOfNothing) {
  TypeParam space(100);
  EXPECT_EQ(code_of(space.allocate(0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.allocate_up_to(0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.allocate_at({5, 0})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({0, 0})), ErrorCode::invalid_argument);
  EXPECT_EQ(space.next(), 0U);
}

TYPED_TEST(AllocatorContract, RefusesAlignmentsThatArePowersOfNothing) {
  TypeParam space(100);
  for (const std::uint64_t alignment : {std::uint64_t{0}, std::uint64_t{3}, kMax}) {
    EXPECT_EQ(code_of(space.allocate(1, alignment)), ErrorCode::invalid_argument);
  }
  EXPECT_EQ(space.next(), 0U);
}

// The allocator before this one counted failed requests and came round to byte 0 again.
TYPED_TEST(AllocatorContract, RequestsThatFailChangeNothing) {
  TypeParam space(8192);
  ASSERT_TRUE(space.allocate(4096));
  for (const std::uint64_t huge : {kHalf, kHalf, kMax, kMax - 4095, std::uint64_t{4097}}) {
    EXPECT_EQ(code_of(space.allocate(huge)), ErrorCode::capacity);
    EXPECT_EQ(code_of(space.allocate(huge, 4096)), ErrorCode::capacity);
  }
  EXPECT_EQ(code_of(space.allocate(1, kHalf)), ErrorCode::capacity);
  EXPECT_EQ(space.allocate(4096), (ByteRange{4096, 4096}));
}

TYPED_TEST(AllocatorContract, DoesNotOverflowAtTheEndOfAllNumbers) {
  TypeParam space(kMax);
  EXPECT_EQ(space.allocate(kHalf), (ByteRange{0, kHalf}));
  EXPECT_EQ(code_of(space.allocate(kHalf)), ErrorCode::capacity);
  EXPECT_EQ(space.allocate(kHalf - 2), (ByteRange{kHalf, kHalf - 2}));
  EXPECT_EQ(code_of(space.allocate(1, 4096)), ErrorCode::capacity);
  EXPECT_EQ(space.allocate(1), (ByteRange{kMax - 1, 1}));
}

TYPED_TEST(AllocatorContract, AlignsTheStartAndNotTheLength) {
  TypeParam space(10'000);
  EXPECT_EQ(space.allocate(100, 64), (ByteRange{0, 100}));
  EXPECT_EQ(space.allocate(100, 64), (ByteRange{128, 100}));
  EXPECT_EQ(space.allocate(1, 4096), (ByteRange{4096, 1}));
  EXPECT_EQ(space.allocate_up_to(kMax, 4096), (ByteRange{8192, 1808}));
}

TYPED_TEST(AllocatorContract, ReusesWhatWasFreedOnceTheEndIsUsedUp) {
  TypeParam space(100);
  ASSERT_TRUE(space.allocate(50));
  ASSERT_TRUE(space.allocate(30));
  ASSERT_TRUE(space.free({10, 20}));
  EXPECT_EQ(space.remaining(), 40U);
  EXPECT_EQ(space.allocate(20), (ByteRange{80, 20}));  // the end first
  EXPECT_EQ(space.allocate(20), (ByteRange{10, 20}));
  EXPECT_EQ(space.remaining(), 0U);
}

TYPED_TEST(AllocatorContract, JoinsFreedNeighbours) {
  TypeParam space(40);
  ASSERT_TRUE(space.allocate(40));
  ASSERT_TRUE(space.free({0, 10}));
  ASSERT_TRUE(space.free({20, 10}));
  ASSERT_TRUE(space.free({10, 10}));
  EXPECT_EQ(space.allocate(30), (ByteRange{0, 30}));
}

TYPED_TEST(AllocatorContract, TakesTheShortestFreedPlace) {
  TypeParam space(100);
  ASSERT_TRUE(space.allocate(100));
  ASSERT_TRUE(space.free({0, 50}));
  ASSERT_TRUE(space.free({60, 20}));
  EXPECT_EQ(space.allocate(20), (ByteRange{60, 20}));
  EXPECT_EQ(space.allocate_up_to(90), (ByteRange{0, 50}));
}

TYPED_TEST(AllocatorContract, AlignsInFreedPlacesToo) {
  TypeParam space(1000);
  ASSERT_TRUE(space.allocate(1000));
  ASSERT_TRUE(space.free({100, 40}));  // has no room for 20 at a multiple of 64
  ASSERT_TRUE(space.free({300, 100}));
  EXPECT_EQ(space.allocate(20, 64), (ByteRange{320, 20}));
  EXPECT_EQ(space.allocate_up_to(500, 64), (ByteRange{384, 16}));
  EXPECT_EQ(space.allocate_up_to(500, 64), (ByteRange{128, 12}));
  EXPECT_EQ(code_of(space.allocate_up_to(500, 64)), ErrorCode::capacity);
  EXPECT_EQ(space.remaining(), 92U);
}

TYPED_TEST(AllocatorContract, FreeingTheEndMovesTheCursorBack) {
  TypeParam space(100);
  ASSERT_TRUE(space.allocate(30));
  ASSERT_TRUE(space.allocate(30));
  ASSERT_TRUE(space.free({10, 20}));
  ASSERT_TRUE(space.free({30, 30}));
  EXPECT_EQ(space.next(), 10U);
  EXPECT_EQ(space.remaining(), 90U);
  EXPECT_EQ(space.allocate(90), (ByteRange{10, 90}));  // old and new space in one piece
  EXPECT_EQ(code_of(space.allocate(1)), ErrorCode::capacity);
}

TYPED_TEST(AllocatorContract, RefusesToFreeTwiceOrWhatWasNeverHandedOut) {
  TypeParam space(100);
  ASSERT_TRUE(space.allocate(50));
  ASSERT_TRUE(space.free({10, 10}));
  EXPECT_EQ(code_of(space.free({10, 10})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({19, 2})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({5, 6})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({40, 11})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({60, 1})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(space.free({1, kMax})), ErrorCode::invalid_argument);
  EXPECT_EQ(space.remaining(), 60U);
}

TYPED_TEST(AllocatorContract, HandsOutTheVeryRangeThatIsAskedFor) {
  TypeParam space(100);
  ASSERT_TRUE(space.allocate_at({20, 30}));
  EXPECT_EQ(space.next(), 50U);
  EXPECT_EQ(space.remaining(), 70U);
  ASSERT_TRUE(space.allocate_at({5, 5}));  // in what was jumped over
  EXPECT_EQ(code_of(space.allocate_at({0, 6})), ErrorCode::busy);
  EXPECT_EQ(code_of(space.allocate_at({15, 10})), ErrorCode::busy);
  EXPECT_EQ(code_of(space.allocate_at({49, 2})), ErrorCode::busy);
  EXPECT_EQ(code_of(space.allocate_at({99, 2})), ErrorCode::out_of_range);
  EXPECT_EQ(code_of(space.allocate_at({kMax, 2})), ErrorCode::out_of_range);
  ASSERT_TRUE(space.allocate_at({50, 50}));
  EXPECT_EQ(space.allocate(10), (ByteRange{10, 10}));
  EXPECT_EQ(space.allocate(5), (ByteRange{0, 5}));
  EXPECT_EQ(space.remaining(), 0U);
}

TYPED_TEST(AllocatorContract, Grows) {
  TypeParam space(0);
  EXPECT_EQ(code_of(space.allocate(1)), ErrorCode::capacity);
  ASSERT_TRUE(space.grow(10));
  EXPECT_EQ(space.allocate(10), (ByteRange{0, 10}));
  EXPECT_EQ(code_of(space.grow(9)), ErrorCode::invalid_argument);
  ASSERT_TRUE(space.grow(kMax));
  EXPECT_EQ(space.allocate(kMax - 10), (ByteRange{10, kMax - 10}));
}

// Against a table with a mark for each byte.
TYPED_TEST(AllocatorContract, AgreesWithATableOverRandomHistories) {
  std::mt19937_64 random(20261121);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  for (int history = 0; history < 40; ++history) {
    constexpr std::uint64_t kSize = 600;
    TypeParam space(kSize);
    std::vector<bool> taken(kSize);
    std::vector<bool> skipped(kSize);  // for alignment: nobody's
    const auto take = [&](ByteRange range) {
      for (std::uint64_t i = range.offset; i < range.end(); ++i) {
        ASSERT_FALSE(taken[i]) << "byte " << i << " was handed out twice";
        taken[i] = true;
      }
    };
    std::vector<ByteRange> held;
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t alignment = std::uint64_t{1} << below(6);
      const std::uint64_t length = 1 + below(below(5) == 0 ? 300 : 30);
      const std::uint64_t cursor = space.next();
      switch (below(5)) {
        case 0:
        case 1: {
          const auto range = below(2) == 0 ? space.allocate(length, alignment)
                                           : space.allocate_up_to(length, alignment);
          if (!range) break;
          EXPECT_EQ(range->offset % alignment, 0U);
          for (std::uint64_t i = cursor; i < range->offset; ++i) skipped[i] = true;
          take(*range);
          held.push_back(*range);
          break;
        }
        case 2: {
          const ByteRange range{below(kSize), length};
          if (!space.allocate_at(range)) break;
          take(range);
          held.push_back(range);
          break;
        }
        default: {
          if (held.empty()) break;
          const std::uint64_t which = below(held.size());
          ByteRange range = held[which];
          const std::uint64_t keep = below(2) == 0 ? 0 : below(range.length);
          held[which].length = keep;
          if (keep == 0) held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
          range = {range.offset + keep, range.length - keep};
          ASSERT_TRUE(space.free(range));
          for (std::uint64_t i = range.offset; i < range.end(); ++i) taken[i] = false;
          // What was skipped right behind the cursor is skipped still; before it nothing changes.
          for (std::uint64_t i = space.next(); i < kSize; ++i) skipped[i] = false;
          break;
        }
      }
      std::uint64_t free = 0;
      for (std::uint64_t i = 0; i < kSize; ++i) free += !taken[i] && !skipped[i] ? 1 : 0;
      ASSERT_EQ(space.remaining(), free);
    }
  }
}

}  // namespace
}  // namespace quire
