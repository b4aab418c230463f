// The index and the table of versions, read while they grow; run under TSan too.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "vector/catalog.hpp"
#include "vector/id_index.hpp"

namespace quire::vector {
namespace {

// Puts ids of many shapes into a catalog; a put's row is its number in the sequence.
class IndexThreads : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937_64 random(3);
    std::uint64_t dense = 0;
    for (std::uint64_t i = 0; i < kPuts; ++i) {
      switch (random() % 4) {
        case 0:
          ids_.push_back(dense++);  // dense enough for pages, which appear while readers look
          break;
        case 1:
          ids_.push_back((std::uint64_t{1} << 40U) + random() % 10'000);
          break;
        case 2:
          ids_.push_back(random() % 1'000 << 32U);
          break;
        default:
          ids_.push_back(random());
      }
    }
  }

  void write() {
    for (std::uint64_t i = 0; i < kPuts; ++i) {
      catalog_.apply({.kind = OperationKind::put,
                      .id = ids_[i],
                      .row = i,
                      .lsn = i + 1,
                      .row_checksum = ids_[i]});
      published_.store(i + 1, std::memory_order_release);
    }
  }

  // Looks up what was put before the view was made, one by one and many at once.
  void read(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (published_.load() < kPuts) {
      const auto epoch = catalog_.epochs().current();
      const std::uint64_t versions = published_.load(std::memory_order_acquire);
      if (versions == 0) continue;
      std::vector<std::uint64_t> asked;
      for (int i = 0; i < 50; ++i) asked.push_back(ids_[random() % versions]);
      std::vector<std::uint64_t> rows(asked.size());
      catalog_.find_rows(versions, asked, rows);
      for (std::size_t i = 0; i < asked.size(); ++i) {
        ASSERT_LT(rows[i], versions) << "lost, or of another view";
        ASSERT_EQ(ids_[rows[i]], asked[i]) << "another's";
        ASSERT_EQ(catalog_.find_row(versions, asked[i]), rows[i]);
        ASSERT_EQ(catalog_.find(asked[i], versions)->row_checksum, asked[i]);
        ASSERT_TRUE(catalog_.versions().is_live_at(rows[i], versions));
      }
    }
  }

  static constexpr std::uint64_t kPuts = 100'000;
  std::vector<std::uint64_t> ids_;
  Catalog catalog_;
  std::atomic<std::uint64_t> published_{0};
};

TEST_F(IndexThreads, AViewFindsAllThatWasPutBeforeItWhileTheIndexGrows) {
  std::jthread first([this] { read(1); });
  std::jthread second([this] { read(2); });
  write();
}

// More readers than cores, so that now and then one sleeps between its look at the pages and the one at the hash table.
TEST(IdIndexThreads, WhatMovesIntoAPageIsFoundAllTheWhile) {
  constexpr std::uint64_t kIds = 100'000;  // in order, so that all move into pages sooner or later
  for (int round = 0; round < 12 && !::testing::Test::HasFailure(); ++round) {
    Epochs epochs;
    IdIndex index(epochs);
    std::atomic<std::uint64_t> published{0};
    const auto read = [&](std::uint64_t seed) {
      std::mt19937_64 random(seed);
      while (published.load() < kIds) {
        const auto epoch = epochs.current();
        const std::uint64_t count = published.load(std::memory_order_acquire);
        for (int i = 0; i < 1000 && count > 0; ++i) {
          // Of the last ones, which have not moved yet.
          const std::uint64_t id = count - 1 - random() % std::min<std::uint64_t>(count, 20'000);
          ASSERT_EQ(index.find(id), id + 1);
        }
      }
    };
    std::vector<std::jthread> readers;
    for (std::uint64_t seed = 0; seed < 4; ++seed) readers.emplace_back(read, seed);
    for (std::uint64_t id = 0; id < kIds; ++id) {
      index.set(id, id + 1);
      published.store(id + 1, std::memory_order_release);
    }
  }
}

}  // namespace
}  // namespace quire::vector
