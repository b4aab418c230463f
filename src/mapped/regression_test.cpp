// What went wrong in mapped-file libraries before this one, each under its name. On a real disk.
#include <cerrno>
#include <chrono>
#include <thread>
#include <type_traits>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

// The kernel is asked which pages are dirty: reading back proves nothing, the cache has them all.
class FlushOnDiskTest : public MappedFileTest {
 protected:
  void SetUp() override {
    file_ = create(kPages * kPage);
    ASSERT_TRUE(file_.fill(0, kPages * kPage, std::byte{1}));
    const auto dirty = dirty_pages(path());
    if (!dirty || *dirty == 0) GTEST_SKIP() << "this system does not count dirty pages";
    ASSERT_TRUE(file_.flush());
    if (dirty_pages(path()) != 0U) GTEST_SKIP() << "this file system is memory: nothing gets clean";
  }

  static constexpr std::uint64_t kPages = 64;
  MappedFile file_;
};

TEST_F(FlushOnDiskTest, FlushDidNothingWithTheDefaultOptions) {
  ASSERT_TRUE(file_.write(0, as_bytes("dirty")));
  ASSERT_GT(dirty_pages(path()), 0U);
  ASSERT_TRUE(file_.flush());
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(FlushOnDiskTest, AlignedFlushesWereOnlyStarted) {
  ASSERT_TRUE(file_.fill(0, 2 * kPage, std::byte{2}));
  ASSERT_TRUE(file_.flush_range({0, 2 * kPage}));
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(FlushOnDiskTest, UnalignedFlushesDifferedFromAlignedOnes) {
  ASSERT_TRUE(file_.fill(0, 4 * kPage, std::byte{2}));
  ASSERT_TRUE(file_.flush_range({100, 2 * kPage}));
  EXPECT_LE(dirty_pages(path()), 1U) << "three pages were touched by the range";
}

TEST_F(FlushOnDiskTest, StoresThroughSpansWereForgotten) {
  file_.mutable_bytes(5 * kPage, 1).value()[0] = std::byte{3};
  file_.mutable_view_as<int>(9 * kPage, 1).value()[0] = 3;
  ASSERT_TRUE(file_.flush());
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(FlushOnDiskTest, FlushingACleanPageForgotTheDirtyOnes) {
  ASSERT_TRUE(file_.write(50 * kPage, as_bytes("dirty")));
  ASSERT_TRUE(file_.flush_range({0, kPage}));
  ASSERT_TRUE(file_.flush());
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(FlushOnDiskTest, FlushingThroughAReadOnlyObjectDidNothing) {
  MappedFile reader = open(path(), Access::read_only);
  ASSERT_TRUE(file_.write(kPage, as_bytes("dirty")));
  ASSERT_TRUE(reader.flush_range({kPage, 5}));
  EXPECT_EQ(dirty_pages(path()), 0U);
  ASSERT_TRUE(file_.write(kPage, as_bytes("again")));
  ASSERT_TRUE(reader.flush());
  EXPECT_EQ(dirty_pages(path()), 0U);
}

TEST_F(FlushOnDiskTest, StartingWritebackDidNothing) {
  ASSERT_TRUE(file_.fill(0, kPages * kPage, std::byte{4}));
  ASSERT_TRUE(file_.start_writeback({0, kPages * kPage}));
  for (int i = 0; i < 500 && dirty_pages(path()) != 0U; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(dirty_pages(path()), 0U) << "without any flush";
}

using RegressionTest = MappedFileTest;

TEST_F(RegressionTest, ASpanDangledAfterAResize) {
  MappedFile file = create(kPage);
  const auto chunk = file.bytes(0, kPage).value();
  ASSERT_TRUE(file.grow(100 * kMiB));
  ASSERT_TRUE(file.write(0, as_bytes("same")));
  EXPECT_EQ(text(chunk.first(4)), "same");
}

TEST_F(RegressionTest, AShrinkCutTheFileUnderALiveView) {
  MappedFile file = create(2 * kPage);
  const Pin view = file.pin(0, 2 * kPage).value();
  EXPECT_EQ(code_of(file.shrink(kPage)), "busy");
  EXPECT_EQ(view.span().back(), std::byte{0}) << "no SIGBUS";
}

TEST_F(RegressionTest, AViewAndAWriteOnOneThreadDeadlocked) {
  MappedFile file = create(2 * kPage);
  const auto view = file.mutable_bytes(0, kPage).value();
  const Pin pin = file.pin(0, kPage).value();
  EXPECT_TRUE(file.write(0, as_bytes("through")));
  EXPECT_TRUE(file.flush());
  EXPECT_TRUE(file.grow(3 * kPage));
  EXPECT_TRUE(file.shrink(kPage));
  EXPECT_EQ(text(view.first(7)), "through");
}

TEST_F(RegressionTest, AFailedCreateEmptiedTheOldFile) {
  put(path(), "precious data");
  EXPECT_EQ(code_of(MappedFile::create_or_replace(path(), std::uint64_t{1} << 60)), "capacity");
  EXPECT_EQ(contents(path()), "precious data");
}

TEST_F(RegressionTest, CreatingOverAMappedFileKilledItsReaders) {
  MappedFile old = create(2 * kPage);
  ASSERT_TRUE(MappedFile::create_or_replace(path(), 1));
  EXPECT_EQ(old.bytes(kPage, 1).value()[0], std::byte{0}) << "no SIGBUS";
}

TEST_F(RegressionTest, OpenOrCreateTruncatedAndRefusedEmptyFiles) {
  put(path(), "");
  MappedFile file = MappedFile::open_or_create(path(), 100).value();
  EXPECT_EQ(file.size(), 0U);
  EXPECT_TRUE(file.grow(100));
}

TEST_F(RegressionTest, EmptyRangesWereNotChecked) {
  MappedFile file = create(10);
  EXPECT_EQ(code_of(file.write(11, {})), "out_of_range");
  EXPECT_EQ(code_of(file.flush_range({11, 0})), "out_of_range");
  EXPECT_EQ(code_of(file.start_writeback({11, 0})), "out_of_range");
  EXPECT_EQ(code_of(file.write(10, {})), "ok");
}

TEST_F(RegressionTest, ACutFromOutsideKilledTheProcess) {
  MappedFile file = create(2 * kPage);
  cut(path(), 0);
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(code_of(file.read_into(kPage, buffer)), "truncated");
  EXPECT_EQ(code_of(file.write(kPage, buffer)), "truncated");
}

TEST_F(RegressionTest, WritesDuringAFlushWereForgotten) {
  MappedFile file = create(kPage, {.flush_policy = FlushPolicy::every_bytes(1 << 30)});
  std::atomic<bool> stop = false;
  std::uint64_t written = 0;
  {
    const std::jthread flusher([&] {
      while (!stop) EXPECT_TRUE(file.flush());
    });
    for (; written < 2000; ++written) ASSERT_TRUE(file.write(0, as_bytes("x")));
    stop = true;
  }
  ASSERT_TRUE(file.write(0, as_bytes("last")));
  EXPECT_GE(file.pending().bytes, 4U);
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(file.pending(), PendingWrites{}) << "and nothing was forgotten twice";
}

TEST_F(RegressionTest, ResizesSideBySideLeftAMapThatWasNoFile) {
  MappedFile file = create(kPage);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 1; i <= 4; ++i) {
      threads.emplace_back([&file, i] {
        for (std::uint64_t j = 0; j < 50; ++j) {
          ignore_error(file.grow(i * j * 1000));
          ignore_error(file.shrink(i * 500));
        }
      });
    }
  }
  EXPECT_EQ(file.size(), std::filesystem::file_size(path()));
}

TEST_F(RegressionTest, ReadersWhoMetAShrinkDied) {
  MappedFile file = create(64 * kPage);
  std::atomic<bool> stop = false;
  const std::jthread reader([&] {
    std::array<std::byte, 100> buffer{};
    while (!stop) {
      const std::string code = code_of(file.read_into(60 * kPage, buffer));
      // Between the check and the copy, the cut is a bad page.
      EXPECT_TRUE(code == "ok" || code == "out_of_range" || code == "truncated" || code == "io")
          << code;
    }
  });
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(file.shrink(kPage));
    ASSERT_TRUE(file.grow(64 * kPage));
  }
  stop = true;
}

TEST_F(RegressionTest, AdviceWentToMemoryThatWasNotTheFiles) {
  MappedFile file = create(4 * kPage);
  ASSERT_TRUE(file.fill(0, 4 * kPage, std::byte{'x'}));
  std::vector<std::byte> foreign(64 * kPage, std::byte{7});
  ASSERT_TRUE(file.shrink(kPage));
  EXPECT_EQ(code_of(file.advise({0, 4 * kPage}, AccessHint::dont_need)), "out_of_range");
  EXPECT_EQ(code_of(file.lock_in_memory({kPage, 1})), "out_of_range");
  ASSERT_TRUE(file.advise({0, kPage}, AccessHint::dont_need));
  EXPECT_EQ(text(file, 0, 2), "xx");
  EXPECT_EQ(std::ranges::count(foreign, std::byte{7}), 64 * static_cast<std::ptrdiff_t>(kPage));
}

TEST_F(RegressionTest, AdviceDemandedAlignedOffsets) {
  const MappedFile file = create(4 * kPage);
  for (const AccessHint hint : {AccessHint::normal, AccessHint::random, AccessHint::sequential,
                                AccessHint::will_need, AccessHint::dont_need}) {
    EXPECT_TRUE(file.advise({17, 2 * kPage + 3}, hint));
  }
  EXPECT_TRUE(file.advise({17, 2 * kPage + 3}, MemoryAdvice::dont_dump));
  EXPECT_TRUE(file.prefault({17, 2 * kPage + 3}, Prefault::read));
  EXPECT_TRUE(file.residency({17, 2 * kPage + 3}));
}

TEST_F(RegressionTest, AFileWasCreatedWithoutTheSpaceForIt) {
  EXPECT_TRUE(create(kMiB).allocation_guaranteed());
  struct stat info{};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, static_cast<std::int64_t>(kMiB));
}

TEST_F(RegressionTest, AtomicsOfAReadOnlyFileCouldBeStoredInto) {
  put(path(), std::string(64, 'a'));
  MappedFile file = open(path(), Access::read_only);
  EXPECT_EQ(code_of(file.mutable_atomic_as<std::uint64_t>(0)), "wrong_mode");
  static_assert(std::is_same_v<decltype(file.atomic_as<std::uint64_t>(0))::value_type,
                               Atomic<const std::uint64_t>>);
  EXPECT_EQ(file.atomic_as<std::uint32_t>(0)->load(), 0x61616161U);
  EXPECT_EQ(code_of(file.atomic_as<std::uint32_t>(2)), "misaligned");
  EXPECT_EQ(code_of(file.atomics_as<std::uint32_t>(4, 16)), "out_of_range");
  EXPECT_EQ(file.atomics_as<std::uint32_t>(64, 0)->size(), 0U);
}

TEST_F(RegressionTest, EveryWriteWaitedForEveryOther) {
  MappedFile file = create(4 * kPage);
  std::atomic<bool> entered = false;
  std::atomic<bool> leave = false;
  const std::jthread slow([&] {
    const auto hold = [&](std::span<std::byte>) noexcept {
      entered = true;
      while (!leave) std::this_thread::yield();
    };
    EXPECT_TRUE(file.mutable_guarded({0, kPage}, hold));
  });
  while (!entered) std::this_thread::yield();
  EXPECT_TRUE(file.write(kPage, as_bytes("beside")));
  EXPECT_TRUE(file.flush_range({kPage, 6}));
  EXPECT_TRUE(file.grow(8 * kPage));
  leave = true;
}

TEST_F(RegressionTest, AnIntervalNeverFlushedAnExistingFile) {
  create(kPage);
  MappedFile file = open(path(), Access::read_write,
                         {.flush_policy = FlushPolicy::every(std::chrono::milliseconds(2))});
  ASSERT_TRUE(file.write(0, as_bytes("x")));
  while (file.pending() != PendingWrites{}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_F(RegressionTest, HundredFilesHadAHundredFlushThreads) {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  };
  const MappedFileOptions timed{.flush_policy = FlushPolicy::every(std::chrono::hours(1))};
  std::vector<MappedFile> files;
  const auto before = threads();
  for (int i = 0; i < 100; ++i) {
    files.push_back(MappedFile::create(path(std::to_string(i)), 10, timed).value());
    ASSERT_TRUE(files.back().write(0, as_bytes("x")));
  }
  EXPECT_LE(threads(), before + 1);
}

TEST_F(RegressionTest, ACopyOnWriteFileWasASharedReadOnlyOne) {
  put(path(), std::string(kPage, 'a'));
  MappedFile copy = open(path(), Access::copy_on_write);
  ASSERT_TRUE(copy.write(0, as_bytes("mine")));
  ASSERT_TRUE(open(path()).write(0, as_bytes("theirs")));
  EXPECT_EQ(text(copy, 0, 6), "mineaa");
  EXPECT_EQ(contents(path()).substr(0, 6), "theirs");
}

TEST_F(RegressionTest, ErrorsLostTheReasonOfTheSystem) {
  const auto failed = MappedFile::open(path("missing"), Access::read_only);
  EXPECT_EQ(failed.error().system_code(), ENOENT);
  EXPECT_EQ(failed.error().path(), path("missing"));
  EXPECT_EQ(failed.error().to_error_code(), std::errc::no_such_file_or_directory);
}

TEST_F(RegressionTest, OpenOrCreateWasReadOnlyForExistingFilesAlone) {
  for (int i = 0; i < 2; ++i) {
    MappedFile file = MappedFile::open_or_create(path(), 10).value();
    EXPECT_EQ(file.access(), Access::read_write);
    EXPECT_TRUE(file.write(0, as_bytes("x")));
  }
}

TEST_F(RegressionTest, PendingBytesWereAtTimesPendingWrites) {
  MappedFile file = create(100, {.flush_policy = FlushPolicy::every_writes(10)});
  ASSERT_TRUE(file.write(0, as_bytes("seven b")));
  EXPECT_EQ(file.pending(), (PendingWrites{.bytes = 7, .writes = 1}));
}

TEST_F(RegressionTest, UnmapFailedWhileTheFlusherLookedAtTheFile) {
  for (int i = 0; i < 50; ++i) {
    MappedFile file =
        MappedFile::create_or_replace(
            path(), 10, {.flush_policy = FlushPolicy::every(std::chrono::milliseconds(1))})
            .value();
    ASSERT_TRUE(file.write(0, as_bytes("x")));
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto descriptor = file.unmap();
    ASSERT_TRUE(descriptor) << descriptor.error().message();
    ::close(*descriptor);
  }
}

}  // namespace
}  // namespace quire::mapped
