#include "quire/alignment.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>

namespace quire {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(Alignment, RoundsToMultiples) {
  static_assert(align_up(0, 4096) == 0);
  static_assert(align_up(1, 4096) == 4096);
  static_assert(align_up(4096, 4096) == 4096);
  static_assert(align_down(4095, 4096) == 0);
  static_assert(align_down(8191, 4096) == 4096);
  static_assert(align_up(7, 1) == 7 && align_down(7, 1) == 7);
}

// The helpers before these gave 0 for the largest number.
TEST(Alignment, DoesNotWrapRound) {
  EXPECT_EQ(align_up(kMax, 4096), std::nullopt);
  EXPECT_EQ(align_up(kMax - 4095, 4096), kMax - 4095);
  EXPECT_EQ(align_up(kMax - 4094, 4096), std::nullopt);
  EXPECT_EQ(align_up(kMax, 1), kMax);
  EXPECT_EQ(align_down(kMax, 4096), kMax - 4095);
}

TEST(Alignment, TakesPowersOfTwoOnly) {
  for (const std::uint64_t alignment : {std::uint64_t{0}, std::uint64_t{3}, kMax}) {
    EXPECT_FALSE(is_alignment(alignment));
    EXPECT_EQ(align_up(100, alignment), std::nullopt);
    EXPECT_EQ(align_down(100, alignment), std::nullopt);
    EXPECT_FALSE(is_aligned(96, alignment));
  }
  EXPECT_TRUE(is_aligned(96, 32));
  EXPECT_FALSE(is_aligned(96, 64));
}

}  // namespace
}  // namespace quire
