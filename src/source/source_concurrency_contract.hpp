// What every byte source promises to threads that use it at once; plugged in like source_contract.hpp.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "quire/byte_source.hpp"
#include "quire/executor.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {

template <class Backend>
class SourceConcurrencyContract : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 300'000;

  SourceConcurrencyContract() : model_(pattern(kSize)), source_(backend_.make(model_)) {}

  std::vector<ByteRange> random_ranges(std::mt19937_64& random, std::size_t count) const {
    std::vector<ByteRange> ranges(count);
    for (ByteRange& range : ranges) {
      range.offset = random() % kSize;
      range.length = random() % (std::min<std::uint64_t>(5000, kSize - range.offset) + 1);
    }
    return ranges;
  }
  bool is_right(ByteRange range, std::string_view bytes) const {
    return bytes == std::string_view(model_).substr(range.offset, range.length);
  }
  bool reads_right(const std::vector<ByteRange>& ranges) const {
    const auto all = source_->read_many(ranges);
    if (!all || all->size() != ranges.size()) return false;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const ByteRange range = ranges[i];
      std::string copy(range.length, '#');
      if (!source_->read_into(range.offset, std::as_writable_bytes(std::span(copy)))) return false;
      const auto one = source_->read(range.offset, range.length);
      if (!one || !is_right(range, one->text())) return false;
      if (!is_right(range, copy) || !is_right(range, (*all)[i].text())) return false;
      source_->hint(range, AccessHint::will_need);
    }
    return true;
  }

  Backend backend_;
  std::string model_;
  std::shared_ptr<const ByteSource> source_;
};

TYPED_TEST_SUITE_P(SourceConcurrencyContract);

TYPED_TEST_P(SourceConcurrencyContract, ThreadsReadAtOnce) {
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 20; ++i) wrong += !this->reads_right(this->random_ranges(random, 8));
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

// More batches than the executor has threads, each wanting help from it: were one to wait for a free
// thread, they would all wait.
TYPED_TEST_P(SourceConcurrencyContract, BatchesOnTheExecutorDoNotBlockEachOther) {
  constexpr int kBatches = 16;
  const auto done = std::make_shared<std::latch>(kBatches);
  std::atomic<int> right = 0;
  for (unsigned seed = 0; seed < kBatches; ++seed) {
    default_executor()->submit([&, done, seed] {
      std::mt19937_64 random(seed);
      right += this->reads_right(this->random_ranges(random, 20));
      done->count_down();
    });
  }
  done->wait();
  EXPECT_EQ(right, kBatches);
}

TYPED_TEST_P(SourceConcurrencyContract, ManyAsyncReadsEndOnceEach) {
  constexpr std::size_t kReads = 200;
  std::array<std::atomic<int>, kReads> ended{};
  std::atomic<int> wrong = 0;
  const auto done = std::make_shared<std::latch>(kReads);
  std::mt19937_64 random(1);
  const auto ranges = this->random_ranges(random, kReads);
  for (std::size_t i = 0; i < kReads; ++i) {
    this->source_->read_async(ranges[i].offset, ranges[i].length,
                              [&, i, done](const Result<Bytes>& bytes) {
                                ++ended[i];
                                wrong += !bytes || !this->is_right(ranges[i], bytes->text());
                                done->count_down();
                              });
  }
  done->wait();
  EXPECT_EQ(wrong, 0);
  for (const auto& count : ended) EXPECT_EQ(count, 1);
}

// A batch that is told to stop has let go of everything when it returns.
TYPED_TEST_P(SourceConcurrencyContract, AStoppedBatchEndsCleanly) {
  for (int round = 0; round < 50; ++round) {
    std::stop_source stop;
    std::mt19937_64 random(static_cast<unsigned>(round));
    auto ranges = std::make_unique<std::vector<ByteRange>>(this->random_ranges(random, 30));
    std::jthread stopper([&] { stop.request_stop(); });
    const auto result = this->source_->read_many(*ranges, {.stop = stop.get_token()});
    ranges.reset();  // a late reader would touch it
    EXPECT_TRUE(result || result.error().code() == ErrorCode::cancelled);
  }
}

REGISTER_TYPED_TEST_SUITE_P(SourceConcurrencyContract, ThreadsReadAtOnce,
                            BatchesOnTheExecutorDoNotBlockEachOther, ManyAsyncReadsEndOnceEach,
                            AStoppedBatchEndsCleanly);

}  // namespace quire::source
