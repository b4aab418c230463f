#include "source/read_ahead.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace quire::source {
namespace {

constexpr std::uint64_t kBlock = 1000;
constexpr std::uint64_t kSize = 1000 * kBlock;

class ReadAheadTest : public testing::Test {
 protected:
  // Reads on from `at`; what is advised comes at once.
  std::optional<ByteRange> read(std::uint64_t& at, std::uint64_t length) {
    const ReadAhead::Advice advice = ahead_.observe({at, length});
    at += length;
    if (!advice.fetch) return std::nullopt;
    ahead_.finished(advice.fetch->stream);
    windows_.push_back(advice.fetch->range);
    return advice.fetch->range;
  }
  void read_all(std::uint64_t from, std::uint64_t to, std::uint64_t length) {
    while (from < to) read(from, std::min(length, to - from));
  }

  ReadAhead ahead_{kSize, kBlock, 32 * kBlock};
  std::vector<ByteRange> windows_;
};

TEST_F(ReadAheadTest, TheSecondAdjacentReadStartsIt) {
  std::uint64_t at = 5 * kBlock;
  EXPECT_FALSE(read(at, 100));
  EXPECT_FALSE(read(at, 100));
  EXPECT_EQ(read(at, 100), (ByteRange{6 * kBlock, 2 * kBlock}));
}

TEST_F(ReadAheadTest, WindowsDoubleUpToHalfOfTheMost) {
  read_all(0, 200 * kBlock, kBlock);
  ASSERT_GE(windows_.size(), 5U);
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    EXPECT_EQ(windows_[i].length, std::min<std::uint64_t>(2U << i, 16) * kBlock);
  }
}

TEST_F(ReadAheadTest, EachWindowBeginsWhereTheLastEnded) {
  read_all(0, 300 * kBlock, 100);
  for (std::size_t i = 1; i < windows_.size(); ++i) {
    EXPECT_EQ(windows_[i].offset, windows_[i - 1].end());
  }
  EXPECT_GE(windows_.back().end(), 300 * kBlock);
}

TEST_F(ReadAheadTest, TheNextWindowIsDueWhenTheReaderReachesTheNewest) {
  std::uint64_t at = 0;
  read_all(0, 300, 100);
  at = 300;
  ASSERT_EQ(windows_.size(), 1U);  // [1, 3)
  EXPECT_FALSE(read(at, 700));     // up to it
  EXPECT_EQ(read(at, 1), (ByteRange{3 * kBlock, 4 * kBlock}));
  EXPECT_FALSE(read(at, 1));
}

TEST_F(ReadAheadTest, NeverFetchesFurtherAheadThanItMay) {
  for (const std::uint64_t most : {1U, 2U, 3U, 5U, 8U, 9U, 31U, 64U}) {
    ReadAhead ahead(kSize, kBlock, most * kBlock);
    for (std::uint64_t at = 0; at < kSize; at += 250) {
      const auto fetch = ahead.observe({at, 250}).fetch;
      if (!fetch) continue;
      ahead.finished(fetch->stream);
      const std::uint64_t in_hand = (at + 250 + kBlock - 1) / kBlock * kBlock;
      EXPECT_LE(fetch->range.end() - in_hand, most * kBlock) << most;
    }
  }
}

TEST_F(ReadAheadTest, OneWindowIsOnItsWayAtATime) {
  std::uint64_t stream = 0;
  int windows = 0;
  for (std::uint64_t at = 0; at < 100 * kBlock; at += kBlock) {
    const auto fetch = ahead_.observe({at, kBlock}).fetch;
    if (!fetch) continue;
    ++windows;
    stream = fetch->stream;
  }
  EXPECT_EQ(windows, 1);
  ahead_.finished(stream);
  EXPECT_TRUE(ahead_.observe({100 * kBlock, kBlock}).fetch);
}

TEST_F(ReadAheadTest, AReaderWhoOvertookItGetsAWindowInFrontOfHim) {
  std::uint64_t at = 0;
  read_all(0, 3 * kBlock, kBlock);
  at = 3 * kBlock;
  EXPECT_EQ(read(at, 50 * kBlock), (ByteRange{53 * kBlock, 4 * kBlock}));
}

TEST_F(ReadAheadTest, RandomReadsStartNothing) {
  std::minstd_rand random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::uint64_t at = random() % (kSize - 57);
    read(at, 57);
  }
  EXPECT_TRUE(windows_.empty());
}

TEST_F(ReadAheadTest, SameReadAgainAndBackwardReadsStartNothing) {
  for (int i = 0; i < 10; ++i) ahead_.observe({500, 100});
  for (std::uint64_t at = kSize; at >= kBlock; at -= kBlock) {
    EXPECT_FALSE(ahead_.observe({at - kBlock, kBlock}).fetch);
  }
}

TEST_F(ReadAheadTest, FollowsEightReadersAmongEachOther) {
  for (std::uint64_t step = 0; step < 3; ++step) {
    for (std::uint64_t reader = 0; reader < 8; ++reader) {
      std::uint64_t at = reader * 100 * kBlock + step * 10;
      EXPECT_EQ(read(at, 10).has_value(), step == 2);
    }
  }
}

TEST_F(ReadAheadTest, OfNineReadersTheQuietestIsForgotten) {
  for (std::uint64_t step = 0; step < 3; ++step) {
    for (std::uint64_t reader = 0; reader < 9; ++reader) {
      std::uint64_t at = reader * 100 * kBlock + step * 10;
      EXPECT_FALSE(read(at, 10));
    }
  }
}

TEST_F(ReadAheadTest, TheOldestReaderIsNotForgottenWhileHeReads) {
  std::uint64_t at = 0;
  read(at, 10);
  for (std::uint64_t reader = 1; reader < 8; ++reader) ahead_.observe({reader * 100 * kBlock, 10});
  read(at, 10);
  ahead_.observe({800 * kBlock, 10});
  EXPECT_TRUE(read(at, 10));
}

TEST_F(ReadAheadTest, TheEndOfTheObjectCutsAWindowAndEndsReadingAhead) {
  ReadAhead ahead(3 * kBlock + 7, kBlock, 32 * kBlock);
  ahead.observe({kBlock, 10});
  ahead.observe({kBlock + 10, 10});
  EXPECT_EQ(ahead.observe({kBlock + 20, 10}).fetch->range, (ByteRange{2 * kBlock, kBlock + 7}));
  ahead.finished(1);
  EXPECT_FALSE(ahead.observe({kBlock + 30, 2 * kBlock - 23}).fetch);
}

TEST_F(ReadAheadTest, WorksAtTheEndOfAddresses) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  ReadAhead ahead(kMost, 4096, 64 * 4096);
  for (std::uint64_t at = kMost - 30; at < kMost - 10; at += 10) {
    EXPECT_FALSE(ahead.observe({at, 10}).fetch);
  }
  EXPECT_FALSE(ahead.observe({kMost - 10, 10}).fetch);
}

TEST_F(ReadAheadTest, FetchesNothingIfItMayNot) {
  ReadAhead ahead(kSize, kBlock, kBlock - 1);
  for (std::uint64_t at = 0; at < kSize; at += 100) EXPECT_FALSE(ahead.observe({at, 100}).fetch);
}

TEST_F(ReadAheadTest, SaysWhichReadsGoOnFromAnother) {
  EXPECT_FALSE(ahead_.observe({0, 100}).adjacent);
  EXPECT_TRUE(ahead_.observe({100, 100}).adjacent);
  EXPECT_FALSE(ahead_.observe({201, 100}).adjacent);
}

}  // namespace
}  // namespace quire::source
