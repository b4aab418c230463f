#include "quire/block_cache.hpp"

#include <limits>
#include <random>
#include <thread>

#include "quire/local_source.hpp"
#include "source/block_cache_fixture.hpp"

namespace quire::source {
namespace {

class BlockCacheTest : public BlockCacheFixture {
 protected:
  BlockCacheTest() { set_default_executor(executor_); }
  ~BlockCacheTest() override {
    executor_->drop();
    set_default_executor(nullptr);
  }

  // Reads [from, to) front to back; what is fetched ahead comes at once.
  void read_through(std::uint64_t from, std::uint64_t to, std::uint64_t step) {
    for (; from < to; from += step) {
      EXPECT_TRUE(right(from, std::min(step, to - from)));
      executor_->run();
    }
  }

  std::shared_ptr<ManualExecutor> executor_ = std::make_shared<ManualExecutor>();
};

TEST_F(BlockCacheTest, RefusesSizesThatCannotBe) {
  const auto code = [](std::uint64_t capacity, std::uint32_t block) {
    const auto cache = BlockCache::create({.capacity_bytes = capacity, .block_bytes = block});
    return cache ? ErrorCode::closed : cache.error().code();
  };
  EXPECT_EQ(code(1 << 20, 0), ErrorCode::invalid_argument);
  EXPECT_EQ(code(1 << 20, 1000), ErrorCode::invalid_argument);
  EXPECT_EQ(code(1 << 20, 256), ErrorCode::invalid_argument);
  EXPECT_EQ(code(1 << 30, 32 << 20), ErrorCode::invalid_argument);
  EXPECT_EQ(code(8191, 4096), ErrorCode::invalid_argument);
  EXPECT_EQ(code(0, 4096), ErrorCode::invalid_argument);
  EXPECT_EQ(code(8192, 4096), ErrorCode::closed);
  EXPECT_EQ(code(std::numeric_limits<std::uint64_t>::max(), 16 << 20), ErrorCode::closed);
}

TEST_F(BlockCacheTest, IsLikeTheSourceBehind) {
  EXPECT_EQ(cached_->size(), slow_->size());
  EXPECT_EQ(cached_->name(), slow_->name());
  EXPECT_EQ(cached_->identity(), slow_->identity());
  EXPECT_FALSE(cached_->has_view());
  cached_->hint({0, 100}, AccessHint{});
  EXPECT_EQ(slow_->hints(), 1);
}

TEST_F(BlockCacheTest, FetchesABlockOnceAndBorrowsFromIt) {
  const Bytes first = cached_->read(10, 100).value();
  const Bytes second = cached_->read(10, 1000).value();
  EXPECT_EQ(first.data(), second.data());
  EXPECT_TRUE(slow_->matches(10, second.span()));
  EXPECT_EQ(slow_->asked(), (std::vector<ByteRange>{{0, kBlock}}));
}

TEST_F(BlockCacheTest, GivesEveryRangeRight) {
  std::minstd_rand random(1);
  std::vector<std::byte> out(40 * kBlock);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t offset = random() % (kSize + 1);
    const std::uint64_t length = std::min<std::uint64_t>(random() % out.size(), kSize - offset);
    ASSERT_TRUE(right(offset, length));
    ASSERT_TRUE(cached_->read_into(offset, std::span(out).first(length)));
    ASSERT_TRUE(slow_->matches(offset, std::span(out).first(length)));
    executor_->run();
  }
}

TEST_F(BlockCacheTest, TheLastBlockIsShort) {
  EXPECT_TRUE(right(kSize - 1, 1));
  EXPECT_TRUE(right(kSize - 150, 150));
  EXPECT_EQ(slow_->asked().front(), (ByteRange{1000 * kBlock, 100}));
}

TEST_F(BlockCacheTest, ReadsALongRangeByOneRead) {
  EXPECT_TRUE(right(5, 50 * kBlock));
  EXPECT_EQ(slow_->asked(), (std::vector<ByteRange>{{0, 51 * kBlock}}));
  EXPECT_TRUE(right(0, 51 * kBlock));
  EXPECT_EQ(slow_->reads(), 1U);
}

TEST_F(BlockCacheTest, FetchesOnlyWhatIsMissing) {
  ASSERT_TRUE(right(3 * kBlock, 2 * kBlock));
  ASSERT_TRUE(right(0, 8 * kBlock));
  EXPECT_EQ(slow_->asked(),
            (std::vector<ByteRange>{
                {3 * kBlock, 2 * kBlock}, {0, 3 * kBlock}, {5 * kBlock, 3 * kBlock}}));
}

TEST_F(BlockCacheTest, OneFetchIsAtMostFourMiB) {
  slow_ = std::make_shared<ScriptedSource>(std::uint64_t{9} << 20);
  attach(0);
  ASSERT_TRUE(right(100, std::uint64_t{9 << 20} - 100));
  EXPECT_EQ(slow_->asked(),
            (std::vector<ByteRange>{{0, 4 << 20}, {4 << 20, 4 << 20}, {8 << 20, 1 << 20}}));
  EXPECT_EQ(slow_->batches(), 1);
}

TEST_F(BlockCacheTest, ReadsFarMoreThanItHolds) {
  slow_ = std::make_shared<ScriptedSource>(std::uint64_t{40} << 20);
  attach(0, 2 * kBlock);
  EXPECT_TRUE(right(1, (std::uint64_t{40} << 20) - 1));
  EXPECT_LE(cache_->stats().bytes_held, 2 * kBlock);
}

TEST_F(BlockCacheTest, ReadsManyRangesTogether) {
  const std::vector<ByteRange> ranges = {
      {5 * kBlock + 7, 10}, {kSize, 0},           {0, 10},
      {kBlock - 5, 10},     {5 * kBlock, kBlock}, {6 * kBlock, 3 * kBlock}};
  const auto many = cached_->read_many(ranges);
  ASSERT_TRUE(many);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ((*many)[i].size(), ranges[i].length);
    EXPECT_TRUE(slow_->matches(ranges[i].offset, (*many)[i].span())) << i;
  }
  EXPECT_EQ(slow_->asked(), (std::vector<ByteRange>{{0, 2 * kBlock}, {5 * kBlock, 4 * kBlock}}));
  EXPECT_EQ(slow_->batches(), 1);
}

TEST_F(BlockCacheTest, ErrorsAreNotKept) {
  slow_->fail_next(ErrorCode::network);
  const auto failed = cached_->read(0, 10);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::network);
  EXPECT_EQ(failed.error().path(), "scripted");
  EXPECT_EQ(failed.error().range(), (ByteRange{0, 10}));
  EXPECT_TRUE(right(0, 10));
}

TEST_F(BlockCacheTest, ALongReadThatFailsLeavesNothingBehind) {
  slow_->spoil(5 * kBlock);
  EXPECT_EQ(code_of(cached_->read(0, 10 * kBlock)), ErrorCode::io);
  EXPECT_EQ(code_of(cached_->read_many(std::vector<ByteRange>{{0, 10}, {5 * kBlock, 10}})),
            ErrorCode::io);
  slow_->spoil(std::nullopt);
  EXPECT_TRUE(right(0, 10 * kBlock));
}

TEST_F(BlockCacheTest, HoldsNoMoreThanItSays) {
  std::vector<Bytes> mine;
  for (std::uint64_t block = 0; block < 994; block += 7) {
    mine.push_back(cached_->read(block * kBlock, 7 * kBlock).value());
    mine.push_back(cached_->read(block * kBlock, 10).value());
    ASSERT_LE(cache_->stats().bytes_held, kBlocks * kBlock);
  }
  EXPECT_EQ(cache_->stats().bytes_held, kBlocks * kBlock);
  EXPECT_GT(cache_->stats().evictions, 0U);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    EXPECT_TRUE(slow_->matches(i / 2 * 7 * kBlock, mine[i].span()));
  }
}

// Else one block in the cache could keep the four megabytes alive that it came with.
TEST_F(BlockCacheTest, KeepsNoBufferThatBlocksCameIn) {
  ASSERT_TRUE(right(0, 20 * kBlock));
  ASSERT_TRUE(cached_->read_many(std::vector<ByteRange>{{30 * kBlock, 10}, {40 * kBlock, 10}}));
  EXPECT_EQ(cache_->stats().bytes_held, 22 * kBlock);
  EXPECT_EQ(slow_->lent(), 0U);
}

TEST_F(BlockCacheTest, OnePassOverTenTimesTheCapacityLeavesTheHotBlocks) {
  for (int i = 0; i < 4; ++i) {
    for (std::uint64_t block = 0; block < 40; ++block) {
      ASSERT_TRUE(right((block * 17 % 40 + 1) * kBlock, 10));
    }
  }
  read_through(50 * kBlock, kSize, 100);
  const std::size_t before = slow_->reads();
  for (std::uint64_t block = 1; block <= 40; ++block) ASSERT_TRUE(right(block * kBlock, 10));
  EXPECT_LE(slow_->reads() - before, 4U);
}

TEST_F(BlockCacheTest, SequentialReadsFetchAWindowAtATime) {
  read_through(0, kSize, kBlock / 2);
  // Windows of 8 blocks, half of the most that may be read ahead; smaller ones to begin with.
  EXPECT_NEAR(static_cast<double>(slow_->reads()), 1000.0 / 8, 5);
  EXPECT_NEAR(static_cast<double>(cache_->stats().read_ahead), 1000, 5);
  EXPECT_EQ(cache_->stats().misses, 2U);  // the first two blocks
}

TEST_F(BlockCacheTest, NothingIsFetchedTwiceThough) {
  for (std::uint64_t block = 0; block < kBlocks; ++block) ASSERT_TRUE(right(block * kBlock, 10));
  read_through(0, kSize, 300);  // through a cache that is full
  std::uint64_t fetched = 0;
  for (const ByteRange& range : slow_->asked()) fetched += range.length;
  EXPECT_LE(fetched, kSize + kBlocks * kBlock);
}

TEST_F(BlockCacheTest, RandomReadsFetchNothingAhead) {
  std::minstd_rand random(1);
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(right(random() % (kSize - 50), 50));
  EXPECT_EQ(executor_->queued(), 0U);
  EXPECT_EQ(cache_->stats().read_ahead, 0U);
}

TEST_F(BlockCacheTest, FetchesNothingAheadIfItMayNot) {
  attach(0);
  read_through(0, kSize, kBlock);
  EXPECT_EQ(cache_->stats().read_ahead, 0U);
}

TEST_F(BlockCacheTest, FetchesAtMostHalfTheCapacityAhead) {
  attach(std::uint64_t{1} << 40);
  for (std::uint64_t at = 0; at < kSize; at += kBlock) {
    ASSERT_TRUE(right(at, std::min(kBlock, kSize - at)));
    executor_->run();
    ASSERT_LE(slow_->asked().back().end(), at + kBlock + kBlocks * kBlock / 2);
  }
}

TEST_F(BlockCacheTest, AQueuedWindowClaimsNothing) {
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  ASSERT_EQ(executor_->queued(), 1U);
  EXPECT_TRUE(right(kBlock, 2 * kBlock));  // would wait for ever
}

TEST_F(BlockCacheTest, AFailureAheadIsNobodysError) {
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  slow_->fail_next(ErrorCode::network);
  executor_->run();
  EXPECT_EQ(slow_->reads(), 2U);
  EXPECT_EQ(cache_->stats().read_ahead, 0U);
  EXPECT_TRUE(right(900, 2 * kBlock));
}

TEST_F(BlockCacheTest, AfterADroppedWindowComesTheNext) {
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  executor_->drop();
  ASSERT_TRUE(right(900, 300));
  EXPECT_EQ(executor_->queued(), 1U);
}

TEST_F(BlockCacheTest, AQueuedWindowKeepsNothingAlive) {
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  const std::weak_ptr<ScriptedSource> behind = slow_;
  slow_.reset();
  cached_.reset();
  EXPECT_TRUE(behind.expired());
  executor_->run();
}

TEST_F(BlockCacheTest, AWindowOnItsWayIsCancelledWhenTheSourceGoes) {
  for (std::uint64_t at = 0; at < 900; at += 300) ASSERT_TRUE(right(at, 300));
  slow_->hold();
  std::jthread ahead([this] { executor_->run(); });
  slow_->wait_until_asked(2);
  cached_.reset();
  ahead.join();  // would wait for ever
  EXPECT_EQ(cache_->stats().bytes_held, 0U);
  EXPECT_EQ(slow_.use_count(), 1);
}

TEST_F(BlockCacheTest, TwoSourcesDoNotMix) {
  const auto other = std::make_shared<ScriptedSource>(kSize, 1);
  const auto other_cached = cache_->attach(other);
  for (std::uint64_t at = 0; at < 20 * kBlock; at += 512) {
    EXPECT_TRUE(right(at, 512));
    EXPECT_TRUE(other->matches(at, other_cached->read(at, 512)->span()));
  }
  EXPECT_EQ(cache_->stats().misses, 40U);
}

TEST_F(BlockCacheTest, ASourceThatGoesTakesItsBlocksAlong) {
  ASSERT_TRUE(right(0, 10 * kBlock));
  const Bytes mine = cached_->read(0, 100).value();
  cached_.reset();
  EXPECT_EQ(cache_->stats().bytes_held, 0U);
  EXPECT_TRUE(slow_->matches(0, mine.span()));
  EXPECT_EQ(slow_.use_count(), 1);
}

TEST_F(BlockCacheTest, ASourceOutlivesTheHandleOfItsCache) {
  cache_.reset();
  EXPECT_TRUE(right(0, 10 * kBlock));
  EXPECT_TRUE(right(0, 10));
  EXPECT_EQ(slow_->reads(), 1U);
}

TEST_F(BlockCacheTest, CountsWhatItDoes) {
  ASSERT_TRUE(right(0, 4 * kBlock));
  ASSERT_TRUE(right(100, 10));
  ASSERT_TRUE(right(kBlock, 2 * kBlock));
  const BlockCacheStats stats = cache_->stats();
  EXPECT_EQ(stats.misses, 4U);
  EXPECT_EQ(stats.hits, 3U);
  EXPECT_EQ(stats.fetches, 1U);
  EXPECT_EQ(stats.waits, 0U);
  EXPECT_EQ(stats.bytes_held, 4 * kBlock);
}

TEST_F(BlockCacheTest, WhatIsMemoryAlreadyIsNotCached) {
  const auto memory = memory_source(Bytes::own(std::vector<std::byte>(5000)));
  const auto source = cache_->attach(memory);
  EXPECT_TRUE(source->has_view());
  EXPECT_EQ(source->read(100, 10)->data(), memory->view(100, 10)->data());
  EXPECT_EQ(cache_->stats().bytes_held, 0U);
}

}  // namespace
}  // namespace quire::source
