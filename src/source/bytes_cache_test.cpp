#include "source/bytes_cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <latch>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace quire::source {
namespace {

using std::chrono::steady_clock;

Bytes text(const std::string& letters) { return Bytes::copy(std::as_bytes(std::span(letters))); }

class BytesCacheTest : public testing::Test {
 protected:
  using Key = BytesCache::Key;
  using Load = std::function<Result<Bytes>()>;

  // What a thread of its own gets.
  std::future<Result<Bytes>> ask(Load load, const ReadOptions& options = {}) {
    return std::async(std::launch::async,
                      [this, load, options] { return cache_.get(kKey, options, load); });
  }
  std::vector<std::future<Result<Bytes>>> ask_many(int count, const Load& load) {
    std::vector<std::future<Result<Bytes>>> asked;
    for (int i = 0; i < count; ++i) asked.push_back(ask(load));
    return asked;
  }
  void wait_for_waits(std::uint64_t waits) {
    while (cache_.stats().waits < waits) std::this_thread::yield();
  }
  BytesCache::Claim claim(const Key& key) { return std::get<BytesCache::Claim>(cache_.find(key)); }
  bool holds(const Key& key) { return std::holds_alternative<Bytes>(cache_.find(key)); }
  Load loads(const std::string& letters) {
    return [this, letters]() -> Result<Bytes> {
      ++loads_;
      return text(letters);
    };
  }
  static Load fails(ErrorCode code) {
    return [code]() -> Result<Bytes> { return std::unexpected(Error(code, "load")); };
  }

  static constexpr Key kKey = {1, 1};
  BytesCache cache_{{.capacity_bytes = 10'000, .entry_bytes = 1000}};
  std::atomic<int> loads_ = 0;
};

TEST_F(BytesCacheTest, LoadsOnceAndKeeps) {
  EXPECT_EQ(cache_.get(kKey, {}, loads("abc"))->text(), "abc");
  EXPECT_EQ(cache_.get(kKey, {}, loads("xyz"))->text(), "abc");
  EXPECT_EQ(cache_.get({2, 1}, {}, loads("other"))->text(), "other");
  EXPECT_EQ(loads_, 2);
}

TEST_F(BytesCacheTest, CountsHitsMissesAndWhatItHolds) {
  for (int i = 0; i < 5; ++i) ignore_error(cache_.get(kKey, {}, loads(std::string(1000, 'x'))));
  const BytesCacheStats stats = cache_.stats();
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_EQ(stats.hits, 4U);
  EXPECT_EQ(stats.bytes_held, 1000U);
}

TEST_F(BytesCacheTest, SixteenWhoWantItLoadItOnce) {
  auto mine = claim(kKey);
  auto others = ask_many(15, loads("wrong"));
  wait_for_waits(15);
  mine.fulfil(text("abc"));
  for (auto& other : others) EXPECT_EQ(other.get()->text(), "abc");
  EXPECT_EQ(loads_, 0);
}

TEST_F(BytesCacheTest, AnErrorGoesToAllWhoWaitAndIsNotKept) {
  auto mine = claim(kKey);
  auto others = ask_many(4, loads("abc"));
  wait_for_waits(4);
  mine.fail(Error(ErrorCode::network, "load"), {});
  for (auto& other : others) EXPECT_EQ(other.get().error().code(), ErrorCode::network);
  EXPECT_EQ(cache_.get(kKey, {}, loads("abc"))->text(), "abc");
  EXPECT_EQ(loads_, 1);
}

TEST_F(BytesCacheTest, GetGivesItsErrorToThoseWhoWait) {
  std::latch loading(1);
  std::latch go(1);
  auto loader = ask([&]() -> Result<Bytes> {
    loading.count_down();
    go.wait();
    return std::unexpected(Error(ErrorCode::io, "load"));
  });
  loading.wait();
  auto other = ask(loads("abc"));
  wait_for_waits(1);
  go.count_down();
  EXPECT_EQ(loader.get().error().code(), ErrorCode::io);
  EXPECT_EQ(other.get().error().code(), ErrorCode::io);
}

TEST_F(BytesCacheTest, IfTheLoaderIsCancelledOneOfThoseWhoWaitLoads) {
  auto mine = claim(kKey);
  auto others = ask_many(4, loads("abc"));
  wait_for_waits(4);
  mine.fail(Error(ErrorCode::cancelled, "load"), {});
  for (auto& other : others) EXPECT_EQ(other.get()->text(), "abc");
  EXPECT_EQ(loads_, 1);
}

TEST_F(BytesCacheTest, IfTheLoadersDeadlinePassesOneOfThoseWhoWaitLoads) {
  auto mine = claim(kKey);
  auto other = ask(loads("abc"));
  wait_for_waits(1);
  mine.fail(Error(ErrorCode::timeout, "load"), {.deadline = steady_clock::now()});
  EXPECT_EQ(other.get()->text(), "abc");
}

// Else each of them would wait as long in turn.
TEST_F(BytesCacheTest, ATimeoutOfThePlaceItselfIsAnErrorForAll) {
  auto mine = claim(kKey);
  auto other = ask(loads("abc"));
  wait_for_waits(1);
  mine.fail(Error(ErrorCode::timeout, "load"), {});
  EXPECT_EQ(other.get().error().code(), ErrorCode::timeout);
}

TEST_F(BytesCacheTest, IfAClaimIsDroppedOneOfThoseWhoWaitLoads) {
  auto mine = std::make_unique<BytesCache::Claim>(claim(kKey));
  auto others = ask_many(4, loads("abc"));
  wait_for_waits(4);
  mine.reset();
  for (auto& other : others) EXPECT_EQ(other.get()->text(), "abc");
  EXPECT_EQ(loads_, 1);
}

TEST_F(BytesCacheTest, ALoadThatRunsOutOfMemoryLeavesNothingBehind) {
  const Load throws = []() -> Result<Bytes> { throw std::bad_alloc(); };
  EXPECT_THROW(ignore_error(cache_.get(kKey, {}, throws)), std::bad_alloc);
  EXPECT_EQ(cache_.get(kKey, {}, loads("abc"))->text(), "abc");
}

TEST_F(BytesCacheTest, ItsOwnStopEndsAWaitAndNotTheLoad) {
  auto mine = claim(kKey);
  std::stop_source stop;
  auto stopped = ask(loads("wrong"), {.stop = stop.get_token()});
  auto patient = ask(loads("wrong"));
  wait_for_waits(2);
  stop.request_stop();
  EXPECT_EQ(stopped.get().error().code(), ErrorCode::cancelled);
  mine.fulfil(text("abc"));
  EXPECT_EQ(patient.get()->text(), "abc");
}

TEST_F(BytesCacheTest, ItsOwnDeadlineEndsAWaitAndNotTheLoad) {
  auto mine = claim(kKey);
  const auto soon = steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_EQ(ask(loads("wrong"), {.deadline = soon}).get().error().code(), ErrorCode::timeout);
  EXPECT_GE(steady_clock::now(), soon);
  mine.fulfil(text("abc"));
  EXPECT_TRUE(holds(kKey));
}

TEST_F(BytesCacheTest, WhatIsLargerThanTheCacheIsHandedOutAndNotKept) {
  const std::string large(10'001, 'x');
  EXPECT_EQ(cache_.get(kKey, {}, loads(large))->text(), large);
  EXPECT_EQ(cache_.stats().bytes_held, 0U);
  EXPECT_EQ(cache_.get(kKey, {}, loads(large))->text(), large);
  EXPECT_EQ(loads_, 2);
}

TEST_F(BytesCacheTest, SlicesOutliveTheEviction) {
  const Bytes mine = *cache_.get(kKey, {}, loads(std::string(1000, 'm')));
  for (std::uint64_t i = 2; i < 100; ++i) {
    ignore_error(cache_.get({1, i}, {}, loads(std::string(1000, 'x'))));
  }
  EXPECT_FALSE(holds(kKey));
  EXPECT_EQ(mine.text(), std::string(1000, 'm'));
}

TEST_F(BytesCacheTest, ForgetsWhatBelongsToOneOwner) {
  ignore_error(cache_.get({1, 1}, {}, loads("mine")));
  ignore_error(cache_.get({2, 1}, {}, loads("yours")));
  cache_.forget(1);
  EXPECT_FALSE(holds({1, 1}));
  EXPECT_TRUE(holds({2, 1}));
}

TEST_F(BytesCacheTest, OwnersAreAllDifferent) {
  EXPECT_NE(BytesCache::new_owner(), BytesCache::new_owner());
}

TEST_F(BytesCacheTest, ClaimsAheadOnlyWhatNobodyHasOrLoads) {
  auto ahead = cache_.claim_ahead(kKey);
  ASSERT_TRUE(ahead);
  EXPECT_FALSE(cache_.claim_ahead(kKey));
  auto reader = ask(loads("wrong"));
  wait_for_waits(1);
  ahead->fulfil(text("abc"));
  EXPECT_EQ(reader.get()->text(), "abc");
  EXPECT_FALSE(cache_.claim_ahead(kKey));
  EXPECT_EQ(cache_.stats().misses, 0U);
}

TEST_F(BytesCacheTest, WhatSomebodyWaitedForIsNotAheadAnyMore) {
  auto ahead = cache_.claim_ahead(kKey);
  auto reader = ask(loads("wrong"));
  wait_for_waits(1);
  ahead->fulfil(text(std::string(1000, 'x')));
  ASSERT_TRUE(reader.get());
  EXPECT_TRUE(holds(kKey) && holds(kKey));  // two uses, which are counted
  for (std::uint64_t i = 2; i < 20; ++i) {
    ignore_error(cache_.get({1, i}, {}, loads(std::string(1000, 'x'))));
  }
  EXPECT_TRUE(holds(kKey));
}

TEST_F(BytesCacheTest, AnEndedClaimIsEnded) {
  auto mine = claim(kKey);
  mine.fulfil(text("abc"));
  mine.fail(Error(ErrorCode::io, "load"), {});
  mine.fulfil(text("xyz"));
  EXPECT_EQ(cache_.get(kKey, {}, loads("wrong"))->text(), "abc");
}

TEST_F(BytesCacheTest, ACacheOfManyEntriesKeepsItsBoundInParts) {
  BytesCache large({.capacity_bytes = 4096 * 100, .entry_bytes = 100});
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    ignore_error(large.get({1, i}, {}, loads(std::string(100, 'x'))));
  }
  EXPECT_LE(large.stats().bytes_held, 4096U * 100);
  EXPECT_GT(large.stats().bytes_held, 4000U * 100);
}

}  // namespace
}  // namespace quire::source
