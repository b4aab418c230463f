// The ways of opening beside a whole file by its path, and the options that hold for all of them.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

class OpeningTest : public MappedFileTest {
 protected:
  MappedFile window(ByteRange range, Access access = Access::read_write) {
    auto opened = MappedFile::open_window(path(), access, range);
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? *std::move(opened) : MappedFile();
  }
};

TEST_F(OpeningTest, AWindowBeginsWhereItIsToldTo) {
  put(path(), std::string(5000, 'a') + "inside" + std::string(3 * kMiB, 'z'));
  MappedFile part = window({5000, 6});
  EXPECT_EQ(part.size(), 6U);
  EXPECT_EQ(text(part, 0, 6), "inside");
  EXPECT_EQ(code_of(part.bytes(0, 7)), "out_of_range");
  EXPECT_EQ(text(window({5005, 2}, Access::read_only), 0, 2), "ez");
}

TEST_F(OpeningTest, WritesToAWindowGoToTheirPlace) {
  put(path(), std::string(4 * kMiB, 'a'));
  MappedFile part = window({2 * kMiB - 3, kMiB});
  ASSERT_TRUE(part.write(0, as_bytes("small")));
  ASSERT_TRUE(part.fill(100, 300'000, std::byte{'f'})) << "by the map";
  ASSERT_TRUE(part.write(500'000, std::vector<std::byte>(200'000, std::byte{'L'}))) << "by a call";
  ASSERT_TRUE(part.flush_range({1, 2}));
  ASSERT_TRUE(part.start_writeback({1, 2}));
  std::string expected(4 * kMiB, 'a');
  const std::size_t first = 2 * kMiB - 3;
  expected.replace(first, 5, "small").replace(first + 100, 300'000, std::string(300'000, 'f'));
  expected.replace(first + 500'000, 200'000, std::string(200'000, 'L'));
  EXPECT_TRUE(contents(path()) == expected);
}

TEST_F(OpeningTest, AWindowOutsideTheFileIsRefused) {
  put(path(), std::string(100, 'a'));
  EXPECT_EQ(code_of(MappedFile::open_window(path(), Access::read_only, {50, 51})), "out_of_range");
  EXPECT_EQ(code_of(MappedFile::open_window(path(), Access::read_only, {UINT64_MAX, 2})),
            "out_of_range");
  EXPECT_EQ(window({100, 0}).size(), 0U);
  EXPECT_EQ(window({37, 0}, Access::copy_on_write).size(), 0U);
}

TEST_F(OpeningTest, AWindowHasAFixedSizeAndFollowsCuts) {
  put(path(), std::string(3 * kPage, 'a'));
  MappedFile part = window({kPage, kPage});
  EXPECT_EQ(code_of(part.grow(2 * kPage)), "wrong_mode");
  EXPECT_EQ(code_of(part.append(as_bytes("x"))), "wrong_mode");
  cut(path(), kPage + 10);
  EXPECT_EQ(part.refresh().value(), 10U);
  EXPECT_EQ(code_of(part.bytes(0, 11)), "out_of_range");
  cut(path(), 1);
  EXPECT_EQ(part.refresh().value(), 0U);
  cut(path(), 3 * kPage);
  EXPECT_EQ(part.refresh().value(), kPage);
}

TEST_F(OpeningTest, ACutUnderAWindowIsToldInItsOwnNumbers) {
  put(path(), std::string(3 * kPage, 'a'));
  const MappedFile part = window({kPage + 1, kPage});
  cut(path(), kPage);
  std::array<std::byte, 8> buffer{};
  const auto failed = part.read_into(2, buffer);
  EXPECT_EQ(code_of(failed), "truncated");
  EXPECT_EQ(failed.error().range(), (ByteRange{2, 8}));
}

TEST_F(OpeningTest, AlignmentIsThatOfTheFile) {
  put(path(), std::string(100, 'a'));
  const MappedFile part = window({4, 64});
  EXPECT_EQ(code_of(part.view_as<std::uint64_t>(0, 1)), "misaligned");
  EXPECT_EQ(code_of(part.view_as<std::uint64_t>(4, 1)), "ok");
  EXPECT_EQ(code_of(part.atomic_as<std::uint64_t>(0)), "misaligned");
}

TEST_F(OpeningTest, ManyWindowsOfOneFileLiveSideBySide) {
  put(path(), std::string(kMiB, 'a'));
  std::vector<MappedFile> windows;
  for (std::uint64_t i = 0; i < 64; ++i) {
    windows.push_back(window({i * 1000, 1000}));
    ASSERT_TRUE(windows.back().fill(0, 1000, std::byte{static_cast<unsigned char>(i)}));
  }
  for (std::uint64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(windows[i].bytes(999, 1).value()[0], std::byte{static_cast<unsigned char>(i)});
  }
}

TEST_F(OpeningTest, ADescriptorsFileIsOpenedOnceMore) {
  put(path(), "content");
  const int descriptor = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
  MappedFile file = MappedFile::from_descriptor(descriptor, Access::read_write).value();
  EXPECT_NE(file.descriptor(), descriptor);
  ::close(descriptor);
  EXPECT_EQ(file.path(), std::filesystem::canonical(path()));
  ASSERT_TRUE(file.write(0, as_bytes("C")));
  EXPECT_EQ(contents(path()), "Content");
}

TEST_F(OpeningTest, AnUnlinkedFileIsOpenedByItsDescriptor) {
  put(path(), "content");
  const int descriptor = ::open(path().c_str(), O_RDONLY | O_CLOEXEC);
  std::filesystem::remove(path());
  const MappedFile file = MappedFile::from_descriptor(descriptor, Access::read_only).value();
  ::close(descriptor);
  EXPECT_EQ(text(file, 0, 7), "content");
}

TEST_F(OpeningTest, ADescriptorGivesNoRightsItHasNot) {
  put(path(), "content");
  const int descriptor = ::open(path().c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(code_of(MappedFile::from_descriptor(descriptor, Access::read_write)), "permission");
  ::close(descriptor);
  EXPECT_EQ(code_of(MappedFile::from_descriptor(-1, Access::read_only)), "invalid_argument");
  const int directory = ::open(this->directory().c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(code_of(MappedFile::from_descriptor(directory, Access::read_only)), "invalid_argument");
  ::close(directory);
}

TEST_F(OpeningTest, AnonymousMemoryGrowsAndIsNeverDurable) {
  MappedFile memory = MappedFile::anonymous(100).value();
  EXPECT_EQ(text(memory, 0, 2), std::string(2, '\0'));
  ASSERT_TRUE(memory.grow(3 * kMiB));
  ASSERT_TRUE(memory.write(2 * kMiB, as_bytes("there")));
  EXPECT_EQ(memory.append(as_bytes("end")).value(), 3 * kMiB);
  EXPECT_EQ(text(memory, 2 * kMiB, 5), "there");
  EXPECT_FALSE(memory.allocation_guaranteed());
  EXPECT_EQ(code_of(memory.flush()), "unsupported");
  EXPECT_EQ(code_of(memory.flush_range({0, 1})), "unsupported");
  EXPECT_TRUE(memory.close());
}

TEST_F(OpeningTest, AnonymousMemoryIsSharedByItsDescriptor) {
  MappedFile memory = MappedFile::anonymous(100).value();
  MappedFile other = MappedFile::from_descriptor(memory.descriptor(), Access::read_write).value();
  ASSERT_TRUE(other.write(50, as_bytes("hello")));
  EXPECT_EQ(text(memory, 50, 5), "hello");
}

TEST_F(OpeningTest, AChildSharesAnonymousMemory) {
  MappedFile memory = MappedFile::anonymous(100).value();
  const pid_t child = ::fork();
  if (child == 0) {
    memory.mutable_bytes(0, 1).value()[0] = std::byte{'c'};
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(text(memory, 0, 1), "c");
}

TEST_F(OpeningTest, AnExclusiveLockKeepsOthersOutUntilTheFileIsClosed) {
  const MappedFileOptions locked{.lock = FileLock::exclusive};
  MappedFile file = create(10, locked);
  EXPECT_EQ(code_of(MappedFile::open(path(), Access::read_write, locked)), "busy");
  EXPECT_EQ(code_of(MappedFile::open(path(), Access::read_only, {.lock = FileLock::shared})),
            "busy");
  EXPECT_EQ(code_of(MappedFile::open_or_create(path(), 10, locked)), "busy");
  EXPECT_TRUE(MappedFile::open(path(), Access::read_only)) << "who does not ask is let in";
  ASSERT_TRUE(file.close());
  EXPECT_TRUE(MappedFile::open(path(), Access::read_write, locked));
}

TEST_F(OpeningTest, SharedLocksKeepWritersOut) {
  put(path(), "x");
  const MappedFile first = open(path(), Access::read_only, {.lock = FileLock::shared});
  const MappedFile second = open(path(), Access::copy_on_write, {.lock = FileLock::shared});
  EXPECT_EQ(code_of(MappedFile::open(path(), Access::read_write, {.lock = FileLock::exclusive})),
            "busy");
  EXPECT_EQ(code_of(MappedFile::open(path(), Access::read_only, {.lock = FileLock::exclusive})),
            "wrong_mode");
}

TEST_F(OpeningTest, WithoutALockAFreshFileIsFree) {
  const MappedFile file = create(10);
  EXPECT_TRUE(MappedFile::open(path(), Access::read_write, {.lock = FileLock::exclusive}));
}

TEST_F(OpeningTest, OptionsThatCannotBeAreRefusedBeforeAnythingIsMade) {
  for (const FlushPolicy policy : {FlushPolicy::every_bytes(0), FlushPolicy::every_writes(0),
                                   FlushPolicy::every(std::chrono::milliseconds(0)),
                                   FlushPolicy::every(std::chrono::milliseconds(-5))}) {
    EXPECT_EQ(code_of(MappedFile::create(path(), 10, {.flush_policy = policy})),
              "invalid_argument");
  }
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(code_of(MappedFile::anonymous(10, {.flush_policy = FlushPolicy::always()})),
            "invalid_argument");
  put(path(), "x");
  EXPECT_EQ(code_of(MappedFile::open(path(), Access::read_only, {.prefault = Prefault::write})),
            "wrong_mode");
}

TEST_F(OpeningTest, PrefaultingPutsPagesIntoThePageTableOnEveryWayOfOpening) {
  struct rusage before{};
  struct rusage after{};
  const MappedFileOptions ready{.prefault = Prefault::write};
  create(64 * kPage, ready);
  MappedFile file = open(path(), Access::read_write, ready);
  const auto bytes = file.mutable_bytes(0, 64 * kPage).value();
  ::getrusage(RUSAGE_THREAD, &before);
  for (std::uint64_t page = 0; page < 64; ++page) bytes[page * kPage] = std::byte{1};
  ::getrusage(RUSAGE_THREAD, &after);
  EXPECT_LT(after.ru_minflt - before.ru_minflt, 40) << "64 without";
}

TEST_F(OpeningTest, HugePagesAreAdviceAndDirtyNothing) {
  put(path(), "");
  cut(path(), 8 * kMiB);
  const MappedFile file = open(path(), Access::read_write, {.huge_pages = true});
  EXPECT_EQ(dirty_pages(path()).value_or(0), 0U);
  EXPECT_EQ(file.huge_page_report().value().huge_bytes, 0U) << "nothing was touched yet";
}

TEST_F(OpeningTest, UnmapHandsTheDescriptorOver) {
  MappedFile file = create(10);
  ASSERT_TRUE(file.write(0, as_bytes("still")));
  const int descriptor = file.unmap().value();
  EXPECT_FALSE(file.is_open());
  std::array<char, 5> buffer{};
  EXPECT_EQ(::pread(descriptor, buffer.data(), 5, 0), 5);
  EXPECT_EQ(std::string_view(buffer.data(), 5), "still");
  ::close(descriptor);
}

TEST_F(OpeningTest, UnmapIsRefusedWhileOthersHoldTheMapping) {
  MappedFile file = create(10);
  {
    const Pin pin = file.pin(0, 1).value();
    EXPECT_EQ(code_of(file.unmap()), "busy");
  }
  {
    const MappedFile other = file.share();
    EXPECT_EQ(code_of(file.unmap()), "busy");
  }
  EXPECT_TRUE(file.is_open());
  ::close(file.unmap().value());
}

TEST_F(OpeningTest, SharedHandlesAreOneFile) {
  MappedFile file = create(10);
  MappedFile other = file.share();
  ASSERT_TRUE(other.grow(20));
  EXPECT_EQ(file.size(), 20U);
  ASSERT_TRUE(file.close());
  EXPECT_TRUE(other.write(15, as_bytes("alive")));
  EXPECT_FALSE(MappedFile().share().is_open());
}

TEST_F(OpeningTest, BytesOfAPinOutliveTheFile) {
  put(path(), "content");
  Bytes bytes;
  {
    const MappedFile file = open(path());
    bytes = file.pin(3, 4).value().into_bytes().slice(1, 3).value();
  }
  EXPECT_EQ(bytes.text(), "ent");
}

TEST_F(OpeningTest, ADescriptionTellsWhatIsOpen) {
  const MappedFile file = create(10, {.reserve = 2 * kMiB});
  EXPECT_EQ(file.description(), path() + " (read_write, 10 of 2097152 bytes)");
  EXPECT_EQ(MappedFile().description(), "closed");
}

TEST_F(OpeningTest, NoWayOfOpeningLeaksWhenItFails) {
  put(path(), std::string(100, 'a'));
  const MappedFile holder = open(path(), Access::read_write, {.lock = FileLock::exclusive});
  const Held before = held();
  EXPECT_FALSE(MappedFile::open(path(), Access::read_write, {.lock = FileLock::exclusive}));
  EXPECT_FALSE(MappedFile::open_window(path(), Access::read_only, {90, 20}));
  EXPECT_FALSE(MappedFile::from_descriptor(holder.descriptor(), Access::read_only,
                                           {.prefault = Prefault::write}));
  EXPECT_FALSE(MappedFile::open(path(), Access::copy_on_write, {.lock = FileLock::exclusive}));
  EXPECT_FALSE(MappedFile::anonymous(UINT64_MAX));
  EXPECT_EQ(held(), before);
}

}  // namespace
}  // namespace quire::mapped
