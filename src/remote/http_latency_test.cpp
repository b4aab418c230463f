// What is far away is asked for side by side, or together: counted, not timed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "quire/block_cache.hpp"
#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using Source = std::shared_ptr<const ByteSource>;

constexpr std::uint64_t kBlock = std::uint64_t{64} << 10;
constexpr std::uint64_t kSize = std::uint64_t{16} << 20;
constexpr const char* kFar = "&delay=20";  // milliseconds

class HttpLatencyTest : public testing::Test {
 protected:
  HttpLatencyTest() : model_(source::pattern(kSize)) { server().put("object", model_); }

  static const FaultServer& server() {
    static const FaultServer server;
    return server;
  }
  static Source open(const std::string& query, HttpSourceOptions how = {}) {
    how.allow_private_network = true;
    how.open_bytes = 1;
    return open_http_source(server().url("object", query), how).value();
  }
  static std::vector<ByteRange> every(std::uint64_t distance, std::size_t count) {
    std::vector<ByteRange> ranges;
    for (std::size_t i = 1; i <= count; ++i) ranges.push_back({i * distance, 100});
    return ranges;
  }
  bool is_right(const Source& source, const std::vector<ByteRange>& ranges) const {
    const auto bytes = source->read_many(ranges);
    if (!bytes) return false;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if ((*bytes)[i].text() != model_.substr(ranges[i].offset, ranges[i].length)) return false;
    }
    return true;
  }
  static std::string text_of(const std::string& page, const std::string& key) {
    const auto source =
        open_http_source(
            server().url(page, "key=" + key),
            {.allow_private_network = true, .allow_unpinned = true, .max_whole_bytes = 1 << 20})
            .value();
    return std::string(source->read(0, source->size()).value().text());
  }
  // How many requests were under way at once, at most.
  static int most_at_once(const std::string& key) { return std::stoi(text_of("__most", key)); }
  // What was asked for, but for opening; by offset.
  static std::vector<ByteRange> asked(const std::string& key) {
    std::istringstream text(text_of("__log", key));
    std::vector<ByteRange> ranges;
    for (std::string line; std::getline(text, line);) {
      const std::size_t begin = line.find("bytes=") + 6;
      const std::uint64_t first = std::stoull(line.substr(begin));
      const std::uint64_t last = std::stoull(line.substr(line.find('-', begin) + 1));
      ranges.push_back({first, last + 1 - first});
    }
    ranges.erase(ranges.begin());
    std::ranges::sort(ranges, {}, &ByteRange::offset);
    return ranges;
  }

  const std::string model_;
};

// Each answer waits for as many requests as there may be.
TEST_F(HttpLatencyTest, FarRangesAreAskedForSideBySideAsManyAsThereMayBe) {
  const auto source =
      open("key=far&fault=together&n=16&skip=1", {.max_gap = 0, .max_in_flight = 16});
  EXPECT_TRUE(is_right(source, every(5000, 64)));
  EXPECT_EQ(most_at_once("far"), 16);
  EXPECT_EQ(asked("far").size(), 64U);
}

TEST_F(HttpLatencyTest, NeverMoreThanThereMayBe) {
  const auto source = open(std::string("key=bound") + kFar, {.max_gap = 0, .max_in_flight = 5});
  EXPECT_TRUE(is_right(source, every(5000, 64)));
  EXPECT_LE(most_at_once("bound"), 5);
}

TEST_F(HttpLatencyTest, NearRangesCostOneRequest) {
  const auto source = open(std::string("key=near") + kFar);
  EXPECT_TRUE(is_right(source, every(kBlock, 64)));
  EXPECT_EQ(asked("near"), (std::vector<ByteRange>{{kBlock, 63 * kBlock + 100}}));
}

TEST_F(HttpLatencyTest, AScanThroughTheCacheFetchesEachByteOnceInFewRequests) {
  const auto cache = BlockCache::create({.block_bytes = kBlock}).value();
  const auto source = cache->attach(open(std::string("key=scan") + kFar));
  for (std::uint64_t at = 0; at < kSize; at += kBlock) {
    ASSERT_EQ(source->read(at, kBlock).value().text(), model_.substr(at, kBlock)) << at;
  }
  std::uint64_t next = 0;
  for (const ByteRange& range : asked("scan")) {
    EXPECT_EQ(range.offset, next);
    next = range.end();
  }
  EXPECT_EQ(next, kSize);
  EXPECT_LT(asked("scan").size(), kSize / kBlock / 4);
  EXPECT_GT(cache->stats().read_ahead, kSize / kBlock / 2);
}

// The third read, and what is behind it: neither is answered before both are asked for.
TEST_F(HttpLatencyTest, AScansNextBlocksAreOnTheirWayBeforeItHasTheLast) {
  const auto cache = BlockCache::create({.block_bytes = kBlock}).value();
  const auto source = cache->attach(open("key=ahead&fault=together&n=2&skip=3&first=2"));
  for (std::uint64_t at = 0; at < 3 * kBlock; at += kBlock) ASSERT_TRUE(source->read(at, kBlock));
  EXPECT_EQ(most_at_once("ahead"), 2);
  EXPECT_EQ(asked("ahead").back(), (ByteRange{3 * kBlock, 2 * kBlock}));
}

}  // namespace
}  // namespace quire::remote
