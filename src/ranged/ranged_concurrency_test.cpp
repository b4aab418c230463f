// Many threads: every byte has one owner at a time, and nothing is lost.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "quire/range_allocator.hpp"
#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

constexpr int kThreads = 4;
constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;

void in_threads(int count, const std::function<void(int)>& work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
}

// One mark for each place of a space, set while somebody has it.
class Marks {
 public:
  explicit Marks(std::uint64_t size) : taken_(size) {}
  void take(ByteRange range) {
    for (std::uint64_t i = range.offset; i < range.end(); ++i) {
      twice_ += taken_[i].exchange(true, std::memory_order_acq_rel) ? 1 : 0;
    }
  }
  void give(ByteRange range) {
    for (std::uint64_t i = range.offset; i < range.end(); ++i) {
      taken_[i].store(false, std::memory_order_release);
    }
  }
  std::uint64_t twice() const { return twice_; }
  std::uint64_t count() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(taken_, [](const auto& mark) { return mark.load(); }));
  }

 private:
  std::vector<std::atomic<bool>> taken_;
  std::atomic<std::uint64_t> twice_ = 0;
};

TEST(ConcurrentAllocatorTest, HandsOutEveryPlaceOnceUntilNoneIsLeft) {
  constexpr std::uint64_t kSize = 200'003;
  ConcurrentAllocator space(kSize);
  Marks marks(kSize);
  in_threads(kThreads, [&](int thread) {
    os::Random random(static_cast<std::uint64_t>(thread));
    while (true) {
      // Requests that cannot be met, on the way and at the end, take nothing away.
      for (const std::uint64_t none : {std::uint64_t{0}, kHalf, kHalf + 1, ~std::uint64_t{0}}) {
        EXPECT_FALSE(space.allocate(none));
      }
      const auto range = space.allocate(1 + random() % 64);
      if (range) {
        marks.take(*range);
      } else if (const auto rest = space.allocate_up_to(64)) {
        marks.take(*rest);
      } else {
        return;
      }
    }
  });
  EXPECT_EQ(marks.twice(), 0U);
  EXPECT_EQ(marks.count(), kSize);
  EXPECT_EQ(space.remaining(), 0U);
}

TEST(ConcurrentAllocatorTest, KeepsTheBooksWhileOthersFreeAndGrow) {
  constexpr std::uint64_t kSize = 20'000;
  ConcurrentAllocator space(kSize / 2);
  Marks marks(kSize);
  std::array<std::vector<ByteRange>, kThreads> held;
  in_threads(kThreads, [&](int thread) {
    os::Random random(static_cast<std::uint64_t>(thread) + 100);
    auto& mine = held.at(static_cast<std::size_t>(thread));
    for (int step = 0; step < 20'000; ++step) {
      const std::uint64_t length = 1 + random() % 200;
      const std::uint64_t kind = random() % 8;
      if (kind < 4) {
        const auto range = kind < 2 ? space.allocate(length) : space.allocate_up_to(length);
        if (!range) continue;
        marks.take(*range);
        mine.push_back(*range);
      } else if (kind == 4) {
        const ByteRange range{random() % kSize, length};
        if (!space.allocate_at(range)) continue;
        marks.take(range);
        mine.push_back(range);
      } else if (kind == 5 && step % 100 == 0) {
        const std::uint64_t size = space.size();
        if (size < kSize) ignore_error(space.grow(std::min(kSize, size + 100)));
      } else if (!mine.empty()) {
        const std::size_t which = random() % mine.size();
        const ByteRange range = mine[which];
        mine[which] = mine.back();
        mine.pop_back();
        marks.give(range);
        EXPECT_TRUE(space.free(range));
      }
    }
  });
  EXPECT_EQ(marks.twice(), 0U);
  EXPECT_EQ(space.remaining() + marks.count(), space.size());
  for (const auto& mine : held) {
    for (const ByteRange range : mine) EXPECT_TRUE(space.free(range));
  }
  EXPECT_EQ(space.allocate(space.size())->length, space.size());
}

// Freeing moves places from the list back behind the cursor; who looks in both must not miss them.
TEST(ConcurrentAllocatorTest, WhatIsAlwaysFreeIsAlwaysFound) {
  ConcurrentAllocator space(60);
  ASSERT_TRUE(space.allocate(60));
  ASSERT_TRUE(space.free({0, 50}));  // free from here on, in one piece or in a larger one
  std::atomic<bool> done = false;
  std::jthread other([&] {
    while (!done) {
      EXPECT_TRUE(space.free({50, 10}));
      while (!space.allocate_at({50, 10})) std::this_thread::yield();
    }
  });
  for (int i = 0; i < 200'000; ++i) {
    // Only while this thread has nothing.
    const auto range = space.allocate(40);
    EXPECT_TRUE(range) << range.error().message();
    if (!range) break;
    EXPECT_TRUE(space.free(*range));
  }
  done = true;
}

class RangedConcurrencyTest : public RangedFileTest {};

// Two threads wrote one range before, by safe calls alone, and it came out torn.
TEST_F(RangedConcurrencyTest, NoRangeIsTorn) {
  constexpr std::uint64_t kRange = 40'000;  // no multiple of anything
  constexpr std::uint64_t kRanges = 32;
  auto file = create(kRange * kRanges);
  in_threads(kThreads, [&](int /*thread*/) {
    while (auto range = file.allocate(kRange)) {
      const auto letter = static_cast<char>('A' + range->range().offset / kRange);
      for (int piece = 0; piece < 8; ++piece) {
        ASSERT_TRUE(range->append(as_bytes(std::string(kRange / 8, letter))));
      }
      ASSERT_TRUE(range->is_filled());
    }
  });
  EXPECT_EQ(file.unallocated(), 0U);
  for (std::uint64_t i = 0; i < kRanges; ++i) {
    EXPECT_EQ(content(i * kRange, kRange), std::string(kRange, static_cast<char>('A' + i)));
  }
}

TEST_F(RangedConcurrencyTest, RangesSplitJoinDropAndComeAgain) {
  constexpr std::uint64_t kSize = 50'000;
  auto file = create(kSize);
  std::atomic<int> torn = 0;
  in_threads(kThreads, [&](int thread) {
    os::Random random(static_cast<std::uint64_t>(thread));
    std::vector<FileRange> mine;
    const std::string letter(1, static_cast<char>('a' + thread));
    for (int step = 0; step < 3000; ++step) {
      if (random() % 2 == 0) {
        if (auto range = file.allocate_up_to(1 + random() % 2000)) {
          mine.push_back(*std::move(range));
        }
      }
      if (mine.empty()) continue;
      FileRange range = std::move(mine.back());
      mine.pop_back();
      const std::string data(range.size(), letter[0]);
      ASSERT_TRUE(range.write(as_bytes(data)));
      if (text(range.bytes()) != data) ++torn;
      if (range.size() > 1 && random() % 2 == 0) {
        const std::uint64_t position = 1 + random() % (range.size() - 1);
        auto parts = std::move(range).split_at(position).value();
        ASSERT_TRUE(parts.high->join(*std::move(parts.low)));
        range = *std::move(parts.high);
      }
      if (random() % 4 == 0) {
        mine.push_back(std::move(range));
      } else {
        ASSERT_TRUE(std::move(range).free());
      }
    }
    for (FileRange& range : mine) ASSERT_TRUE(std::move(range).free());
  });
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(file.unallocated(), kSize);
  EXPECT_TRUE(file.allocate(kSize));
}

TEST_F(RangedConcurrencyTest, GrowsWhileOthersWrite) {
  auto file = create(10'000);
  std::atomic<int> writing = kThreads;
  in_threads(kThreads + 1, [&](int thread) {
    if (thread == kThreads) {
      for (std::uint64_t size = 20'000; writing > 0; size += 10'000) {
        ASSERT_TRUE(file.grow(size));
      }
      return;
    }
    for (int done = 0; done < 200;) {
      auto range = file.allocate(500);
      if (!range) continue;
      ASSERT_TRUE(range->write(as_bytes(std::string(500, 'g'))));
      ++done;
    }
    --writing;
  });
  EXPECT_GE(file.size() - file.unallocated(), kThreads * 200U * 500U);
}

// Syncs, records and gifts back at once: what is covered at the end is what was kept.
TEST_F(RangedConcurrencyTest, CoverageKeepsUpWithManyWriters) {
  constexpr std::uint64_t kSize = 100'000;
  auto file = create(kSize, kResume);
  std::array<std::vector<ByteRange>, kThreads> kept;
  in_threads(kThreads, [&](int thread) {
    os::Random random(static_cast<std::uint64_t>(thread) + 7);
    for (int step = 0; step < 150; ++step) {
      auto range = file.allocate_up_to(1 + random() % 700);
      if (!range) return;
      const auto receipt = range->write(as_bytes(std::string(range->size(), 'c'))).value();
      switch (random() % 4) {
        case 0:
          ASSERT_TRUE(file.sync_all());
          ASSERT_TRUE(std::move(*range).free());
          break;
        case 1:
          ASSERT_TRUE(std::move(*range).free());
          ASSERT_TRUE(file.sync(receipt));  // of bytes that may be another's by now
          break;
        default:
          ASSERT_TRUE(file.sync(receipt));
          kept.at(static_cast<std::size_t>(thread)).push_back(receipt.range());
      }
    }
  });
  IntervalSet expected;
  for (const auto& mine : kept) {
    for (const ByteRange range : mine) expected.add(range);
  }
  EXPECT_EQ(list(file.coverage()->written), list(expected.ranges()));
  ASSERT_TRUE(file.close());
  file = open(kResume).value();
  EXPECT_EQ(list(file.coverage()->written), list(expected.ranges()));
}

}  // namespace
}  // namespace quire::ranged
