// What went wrong in mapped-file libraries before this one, each under its name. On a real disk.
#include <thread>

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

}  // namespace
}  // namespace quire::mapped
