#include "quire/byte_range.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace quire {
namespace {

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

TEST(ByteRange, MadeRangesEndWithin64Bits) {
  EXPECT_EQ(ByteRange::make(10, 5), (ByteRange{10, 5}));
  EXPECT_EQ(ByteRange::make(kMax, 0), (ByteRange{kMax, 0}));
  EXPECT_EQ(ByteRange::make(0, kMax), (ByteRange{0, kMax}));
  EXPECT_EQ(ByteRange::make(kMax, 1), std::nullopt);
  EXPECT_EQ(ByteRange::make(1, kMax), std::nullopt);
}

TEST(ByteRange, EndOfAHandMadeRangeSaturates) {
  EXPECT_EQ((ByteRange{10, 5}.end()), 15U);
  EXPECT_EQ((ByteRange{kMax - 1, 5}.end()), kMax);
}

// The one rule: offset <= size and length <= size - offset.
TEST(ByteRange, FitsUpToTheVeryEnd) {
  EXPECT_TRUE((ByteRange{0, 100}.fits(100)));
  EXPECT_TRUE((ByteRange{99, 1}.fits(100)));
  EXPECT_TRUE((ByteRange{100, 0}.fits(100)));
  EXPECT_TRUE((ByteRange{0, 0}.fits(0)));
  EXPECT_FALSE((ByteRange{99, 2}.fits(100)));
  EXPECT_FALSE((ByteRange{101, 0}.fits(100)));
}

TEST(ByteRange, FitsIsNotFooledByOverflow) {
  EXPECT_FALSE((ByteRange{1, kMax}.fits(100)));
  EXPECT_FALSE((ByteRange{50, kMax - 49}.fits(100)));
  EXPECT_FALSE((ByteRange{kMax, kMax}.fits(kMax)));
}

TEST(ByteRange, ContainsWhatLiesInside) {
  constexpr ByteRange kPage{4096, 4096};
  EXPECT_TRUE(kPage.contains(kPage));
  EXPECT_TRUE(kPage.contains({5000, 10}));
  EXPECT_TRUE(kPage.contains({8192, 0}));
  EXPECT_FALSE(kPage.contains({4095, 1}));
  EXPECT_FALSE(kPage.contains({8191, 2}));
  EXPECT_FALSE(kPage.contains({5000, kMax}));
}

TEST(ByteRange, NeighboursDoNotOverlap) {
  EXPECT_TRUE((ByteRange{0, 10}.overlaps({9, 1})));
  EXPECT_TRUE((ByteRange{9, 1}.overlaps({0, 10})));
  EXPECT_FALSE((ByteRange{0, 10}.overlaps({10, 10})));
  EXPECT_FALSE((ByteRange{10, 10}.overlaps({0, 10})));
}

TEST(ByteRange, AnEmptyRangeOverlapsNothing) {
  EXPECT_FALSE((ByteRange{5, 0}.overlaps({0, 10})));
  EXPECT_FALSE((ByteRange{0, 10}.overlaps({5, 0})));
}

TEST(ByteRange, IntersectionIsTheCommonPart) {
  EXPECT_EQ((ByteRange{0, 10}.intersect({5, 10})), (ByteRange{5, 5}));
  EXPECT_EQ((ByteRange{0, 10}.intersect({2, 3})), (ByteRange{2, 3}));
  EXPECT_EQ((ByteRange{0, 10}.intersect({kMax - 1, 5})), (ByteRange{kMax - 1, 0}));
  EXPECT_EQ((ByteRange{20, 5}.intersect({0, 10})), (ByteRange{20, 0}));
}

}  // namespace
}  // namespace quire
