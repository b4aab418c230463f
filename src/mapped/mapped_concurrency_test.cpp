// Many threads on one file.
#include <random>
#include <thread>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

class MappedConcurrencyTest : public MappedFileTest {
 protected:
  // Runs `work(thread)` on `count` threads while `meanwhile` runs here.
  template <class Work, class Meanwhile>
  void beside(int count, Work work, Meanwhile meanwhile) {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([this, i, &work] {
        while (!stop_) work(i);
      });
    }
    meanwhile();
    stop_ = true;
  }

  std::atomic<bool> stop_ = false;
};

TEST_F(MappedConcurrencyTest, ReadersTouchAllThatIsPublishedWhileItGrows) {
  MappedFile file = create(0);
  std::atomic<std::uint64_t> wrong = 0;
  const auto read_the_end = [&](int) {
    const std::uint64_t size = file.size();
    if (size == 0) return;
    const auto bytes = file.bytes(0, size);
    wrong += !bytes || bytes->front() != std::byte{0} || bytes->back() != std::byte{0} ? 1 : 0;
  };
  beside(2, read_the_end, [&] {
    for (std::uint64_t i = 1; i <= 300; ++i) EXPECT_TRUE(file.grow(i * 13'000));
  });
  EXPECT_EQ(wrong, 0U);
}

TEST_F(MappedConcurrencyTest, NoShrinkCutsWhatIsPinned) {
  MappedFile file = create(kPage);
  std::atomic<std::uint64_t> pins = 0;
  const auto pin_the_end = [&](int) {
    const std::uint64_t size = file.size();
    auto pin = file.pin(size - kPage, kPage);
    if (!pin) return;                             // it shrank in between
    EXPECT_EQ(pin->span().back(), std::byte{0});  // dies by SIGBUS if it was cut
    ++pins;
  };
  int cuts = 0;
  beside(2, pin_the_end, [&] {
    for (int i = 0; i < 400 || pins == 0; ++i) {
      EXPECT_TRUE(file.grow(16 * kPage));
      if (i % 8 == 0) std::this_thread::yield();
      while (!file.shrink(kPage)) std::this_thread::yield();
      ++cuts;
    }
  });
  EXPECT_GT(pins, 0U);
  EXPECT_GE(cuts, 400);
}

TEST_F(MappedConcurrencyTest, ResizesAtOnceLeaveTheSizeOfTheFile) {
  MappedFile file = create(kPage);
  const auto resize = [&](int thread) {
    thread_local std::minstd_rand random(static_cast<unsigned>(thread) + 1);
    const std::uint64_t size = (1 + random() % 50) * 1000;
    ignore_error(random() % 2 == 0 ? file.grow(size) : file.shrink(size));
    ignore_error(file.refresh());
  };
  beside(2, resize, [] { std::this_thread::sleep_for(std::chrono::milliseconds(300)); });
  EXPECT_EQ(file.size(), std::filesystem::file_size(path()));
}

TEST_F(MappedConcurrencyTest, CopiesLiveThroughCutsFromOutside) {
  MappedFile file = create(64 * kPage);
  std::atomic<std::uint64_t> truncated = 0;
  std::atomic<std::uint64_t> other = 0;
  const auto copy = [&](int) {
    std::array<std::byte, 4 * kPage> buffer;
    const auto result = file.read_into(60 * kPage, buffer);
    truncated += code_of(result) == "truncated" ? 1 : 0;
    // "io" where the file had grown back before it was looked at.
    other += code_of(result) != "truncated" && code_of(result) != "ok" && code_of(result) != "io";
  };
  beside(2, copy, [&] {
    for (int i = 0; i < 300 || truncated == 0; ++i) {
      cut(path(), kPage);
      std::this_thread::yield();
      cut(path(), 64 * kPage);
    }
  });
  EXPECT_GT(truncated, 0U);
  EXPECT_EQ(other, 0U);
}

TEST_F(MappedConcurrencyTest, WritersOfDisjointRangesDoNotMeet) {
  MappedFile file = create(4 * kPage);
  const auto write = [&](int thread) {
    const auto page = static_cast<std::uint64_t>(thread);
    const std::vector<std::byte> bytes(kPage, std::byte{static_cast<unsigned char>('a' + thread)});
    EXPECT_TRUE(file.write(page * kPage, bytes));
  };
  beside(4, write, [&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(file.flush());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  std::string expected;
  for (const char letter : {'a', 'b', 'c', 'd'}) expected += std::string(kPage, letter);
  EXPECT_EQ(contents(path()), expected);
}

TEST_F(MappedConcurrencyTest, OpenOrCreateAgreesOnOneFile) {
  for (int round = 0; round < 20; ++round) {
    const std::string name = path("race" + std::to_string(round));
    std::atomic<int> failed = 0;
    {
      std::vector<std::jthread> threads;
      threads.reserve(4);
      for (std::uint64_t i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
          auto file = MappedFile::open_or_create(name, 8);
          if (!file || file->size() != 8) return void(++failed);
          file->mutable_view_as<char>(i, 1).value()[0] = 'x';
        });
      }
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(contents(name), std::string("xxxx\0\0\0\0", 8)) << "all stored into one file";
  }
}

}  // namespace
}  // namespace quire::mapped
