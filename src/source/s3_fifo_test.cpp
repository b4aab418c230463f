#include "source/s3_fifo.hpp"

#include <gtest/gtest.h>

#include <random>

namespace quire::source {
namespace {

constexpr std::uint64_t kEntry = 1000;

Bytes entry_of(std::uint64_t size) { return Bytes::own(std::vector<std::byte>(size)); }

// A cache of 100 entries of 1000 bytes.
class S3FifoTest : public testing::Test {
 protected:
  void bring(std::uint64_t number, bool ahead = false, std::uint64_t size = kEntry) {
    std::vector<Bytes> freed;
    cache_.insert({1, number}, entry_of(size), ahead, freed);
    freed_ += freed.size();
  }
  // What a reader does: finds it, or brings it.
  bool use(std::uint64_t number, Use use = Use::counts) {
    if (cache_.find({1, number}, use) != nullptr) return true;
    bring(number);
    return false;
  }
  void use_all(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first; i < first + count; ++i) use(i);
  }
  std::uint64_t held(std::uint64_t first, std::uint64_t count) const {
    std::uint64_t sum = 0;
    for (std::uint64_t i = first; i < first + count; ++i) sum += cache_.holds({1, i}) ? 1 : 0;
    return sum;
  }

  S3Fifo cache_{100 * kEntry};
  std::size_t freed_ = 0;
};

TEST_F(S3FifoTest, FindsWhatItHolds) {
  EXPECT_EQ(cache_.find({1, 7}, Use::counts), nullptr);
  bring(7);
  ASSERT_NE(cache_.find({1, 7}, Use::counts), nullptr);
  EXPECT_EQ(cache_.find({1, 7}, Use::counts)->size(), kEntry);
  EXPECT_EQ(cache_.find({2, 7}, Use::counts), nullptr);
}

TEST_F(S3FifoTest, NeverHoldsMoreThanItsCapacity) {
  std::minstd_rand random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t number = random() % 500;
    if (cache_.find({1, number}, Use::counts) != nullptr) continue;
    bring(number, random() % 4 == 0, random() % (20 * kEntry));
    ASSERT_LE(cache_.bytes_held(), 100 * kEntry);
  }
  EXPECT_EQ(freed_, cache_.evictions());
}

TEST_F(S3FifoTest, DoesNotHoldWhatIsLargerThanItself) {
  bring(1);
  bring(2, false, 100 * kEntry + 1);
  EXPECT_TRUE(cache_.holds({1, 1}));
  EXPECT_FALSE(cache_.holds({1, 2}));
}

TEST_F(S3FifoTest, HoldsAnEntryOfItsWholeCapacity) {
  bring(1);
  bring(2, false, 100 * kEntry);
  EXPECT_FALSE(cache_.holds({1, 1}));
  EXPECT_TRUE(cache_.holds({1, 2}));
}

TEST_F(S3FifoTest, EmptyEntriesAreNotFree) {
  for (std::uint64_t i = 0; i < 10'000; ++i) bring(i, false, 0);
  EXPECT_EQ(held(0, 10'000), 100 * kEntry / S3Fifo::kLeastCost);
}

TEST_F(S3FifoTest, OnePassOverTenTimesTheCapacityLeavesTheHotEntries) {
  for (int round = 0; round < 4; ++round) use_all(0, 50);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    use(10'000 + i);
    if (i % 4 == 0) use(i % 50);  // they stay in use
  }
  EXPECT_GE(held(0, 50), 48U);
}

TEST_F(S3FifoTest, HotEntriesNobodyUsesDuringThePassStayAsWell) {
  for (int round = 0; round < 4; ++round) use_all(0, 80);
  use_all(10'000, 1000);
  EXPECT_GE(held(0, 80), 78U);
}

TEST_F(S3FifoTest, ReadingOnInsideAnEntryIsNoReasonToKeepIt) {
  for (int round = 0; round < 4; ++round) use_all(0, 80);
  for (std::uint64_t i = 10'000; i < 11'000; ++i) {
    use(i);
    for (int step = 0; step < 8; ++step) use(i, Use::continues);
  }
  EXPECT_GE(held(0, 80), 78U);
}

TEST_F(S3FifoTest, WhatComesBackSoonIsKept) {
  use_all(0, 110);  // the first ones are ghosts now
  ASSERT_FALSE(cache_.holds({1, 3}));
  use(3);
  use_all(1000, 150);
  EXPECT_TRUE(cache_.holds({1, 3}));
}

TEST_F(S3FifoTest, WhatComesBackLateIsNew) {
  use_all(0, 110);
  use_all(1000, 1000);
  use(3);
  use_all(3000, 150);
  EXPECT_FALSE(cache_.holds({1, 3}));
}

TEST_F(S3FifoTest, AmongTheKeptThoseInUseOutliveTheOthers) {
  for (int round = 0; round < 3; ++round) use_all(0, 80);
  use_all(1000, 30);  // all 80 are in main now
  use_all(0, 40);
  for (int round = 0; round < 3; ++round) use_all(2000, 30);
  use_all(3000, 60);
  EXPECT_EQ(held(0, 40), 40U);
  EXPECT_LT(held(40, 40), 30U);
}

TEST_F(S3FifoTest, WhatNobodyUsesAnyMoreGoesInTheEnd) {
  for (int round = 0; round < 4; ++round) use_all(0, 80);
  for (int round = 0; round < 20; ++round) use_all(1000, 90);
  EXPECT_LE(held(0, 80), 20U);
  EXPECT_GE(held(1000, 90), 80U);
}

TEST_F(S3FifoTest, WhatIsFetchedAheadWaitsUntilItIsRead) {
  for (int round = 0; round < 4; ++round) use_all(0, 100);
  for (std::uint64_t i = 0; i < 40; ++i) bring(1000 + i, true);  // four times what small has
  EXPECT_EQ(held(1000, 40), 40U);
}

TEST_F(S3FifoTest, WhatIsFetchedAheadAndReadOncePushesOutNothingHot) {
  for (int round = 0; round < 4; ++round) use_all(0, 50);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    bring(1000 + i, true);
    if (i >= 20) use(1000 + i - 20);
  }
  EXPECT_GE(held(0, 50), 48U);
}

TEST_F(S3FifoTest, WhatIsFetchedAheadForNothingGoesFirst) {
  for (int round = 0; round < 4; ++round) use_all(0, 60);
  for (std::uint64_t i = 0; i < 30; ++i) bring(1000 + i, true);
  use_all(2000, 100);
  EXPECT_EQ(held(1000, 30), 0U);
  EXPECT_GE(held(0, 60), 58U);
}

TEST_F(S3FifoTest, ForgetsOneOwner) {
  std::vector<Bytes> freed;
  for (std::uint64_t i = 0; i < 60; ++i) {
    cache_.insert({1, i}, entry_of(kEntry), i % 2 == 0, freed);
    cache_.insert({2, i}, entry_of(kEntry), false, freed);
  }
  const std::uint64_t mine = held(0, 60);
  ASSERT_GT(mine, 0U);
  EXPECT_GE(cache_.forget(1).size(), mine);
  EXPECT_EQ(held(0, 60), 0U);
  EXPECT_EQ(cache_.bytes_held(), (100 - mine) * kEntry);
}

}  // namespace
}  // namespace quire::source
