#include "source/coalesce.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace quire::source {
namespace {

constexpr CoalesceOptions kOptions{.max_gap = 10, .max_length = 100};

std::vector<ByteRange> reads_of(const std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> reads;
  for (const MergedRead& read : coalesce(ranges, kOptions)) reads.push_back(read.range);
  return reads;
}
using Ranges = std::vector<ByteRange>;

TEST(Coalesce, ReadsNearRangesTogether) {
  EXPECT_EQ(reads_of({}), Ranges{});
  EXPECT_EQ(reads_of({{5, 5}}), (Ranges{{5, 5}}));
  EXPECT_EQ(reads_of({{0, 5}, {5, 5}}), (Ranges{{0, 10}}));
  EXPECT_EQ(reads_of({{0, 5}, {15, 5}}), (Ranges{{0, 20}}));           // the largest gap
  EXPECT_EQ(reads_of({{0, 5}, {16, 5}}), (Ranges{{0, 5}, {16, 5}}));   // one more
  EXPECT_EQ(reads_of({{16, 5}, {0, 5}}), (Ranges{{0, 5}, {16, 5}}));   // in any order
  EXPECT_EQ(reads_of({{0, 20}, {5, 5}, {22, 1}}), (Ranges{{0, 23}}));  // the end is the farthest
}

TEST(Coalesce, KeepsReadsShort) {
  EXPECT_EQ(reads_of({{0, 50}, {50, 50}}), (Ranges{{0, 100}}));
  EXPECT_EQ(reads_of({{0, 50}, {50, 51}}), (Ranges{{0, 50}, {50, 51}}));
  EXPECT_EQ(reads_of({{0, 1000}, {1000, 1}}), (Ranges{{0, 1000}, {1000, 1}}));
  EXPECT_EQ(reads_of({{0, 1000}, {500, 100}}), (Ranges{{0, 1000}}));  // lies in it anyway
}

TEST(Coalesce, TheLastByteOfAllIsNoOverflow) {
  constexpr std::uint64_t kLast = UINT64_MAX - 1;
  EXPECT_EQ(reads_of({{kLast, 1}, {0, 1}}), (Ranges{{0, 1}, {kLast, 1}}));
  EXPECT_EQ(reads_of({{kLast - 5, 1}, {kLast, 1}}), (Ranges{{kLast - 5, 6}}));
}

// Whatever is asked: each range is in one read, reads ascend, and one of several ranges is short.
TEST(Coalesce, CoversRandomRanges) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    Ranges ranges(random() % 30);
    for (ByteRange& range : ranges) range = {random() % 600, 1 + random() % 60};
    std::vector<int> covered(ranges.size());
    std::uint64_t from = 0;
    for (const MergedRead& read : coalesce(ranges, kOptions)) {
      EXPECT_GE(read.range.offset, from);
      from = read.range.offset;
      EXPECT_LE(read.range.length, kOptions.max_length);
      for (const std::size_t member : read.members) {
        EXPECT_TRUE(read.range.contains(ranges[member]));
        ++covered[member];
      }
    }
    EXPECT_EQ(covered, std::vector<int>(ranges.size(), 1));
  }
}

}  // namespace
}  // namespace quire::source
