// What a mapped file promises when nothing goes wrong.
#include "quire/mapped_file.hpp"

#include <cstring>
#include <limits>
#include <type_traits>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

static_assert(std::is_nothrow_move_constructible_v<MappedFile>);
static_assert(!std::is_copy_constructible_v<MappedFile> && !std::is_copy_constructible_v<Pin>);
static_assert(!Mappable<std::string> && !Mappable<const int> && Mappable<double>);

constexpr auto kMayThrow = [](std::span<const std::byte>) {};
constexpr auto kNeedsDestructor = [](std::span<const std::byte>) noexcept { return std::string(); };
static_assert(!Guardable<decltype(kMayThrow), std::span<const std::byte>>);
static_assert(!Guardable<decltype(kNeedsDestructor), std::span<const std::byte>>);

template <class File>
concept CanWriteThroughConst = requires(const File& file) { file.mutable_bytes(0, 1); };
static_assert(!CanWriteThroughConst<MappedFile>);

TEST_F(MappedFileTest, WhatIsStoredIsInTheFile) {
  MappedFile file = create(10);
  ASSERT_TRUE(file.write(3, as_bytes("abc")));
  file.mutable_bytes(9, 1).value()[0] = std::byte{'z'};
  EXPECT_EQ(contents(path()), std::string("\0\0\0abc\0\0\0z", 10));
  EXPECT_EQ(text(file, 3, 3), "abc");
}

TEST_F(MappedFileTest, CopiesAndFills) {
  MappedFile file = create(3 * kMiB);
  ASSERT_TRUE(file.fill(1, 2 * kMiB, std::byte{'f'}));
  std::vector<std::byte> buffer(2 * kMiB + 2);
  ASSERT_TRUE(file.read_into(0, buffer));
  EXPECT_EQ(buffer.front(), std::byte{0});
  EXPECT_EQ(buffer[1], std::byte{'f'});
  EXPECT_EQ(buffer[2 * kMiB], std::byte{'f'});
  EXPECT_EQ(buffer.back(), std::byte{0});
}

TEST_F(MappedFileTest, AdviceKeepsWhatWasStored) {
  MappedFile file = create(2 * kMiB + 10);
  ASSERT_TRUE(file.fill(0, file.size(), std::byte{'f'}));
  for (const AccessHint access : {AccessHint::sequential, AccessHint::random, AccessHint::will_need,
                                  AccessHint::dont_need, AccessHint::normal}) {
    ASSERT_TRUE(file.advise({1, file.size() - 1}, access));
    EXPECT_EQ(text(file, 0, file.size()), std::string(file.size(), 'f'));
  }
  EXPECT_EQ(contents(path()), std::string(file.size(), 'f'));
}

TEST_F(MappedFileTest, TypedViewsSeeTheSameBytes) {
  MappedFile file = create(64);
  file.mutable_view_as<std::uint32_t>(8, 2).value()[1] = 0x01020304;
  EXPECT_EQ(file.view_as<std::uint32_t>(12, 1).value()[0], 0x01020304U);
  EXPECT_EQ(text(file, 12, 4), "\x04\x03\x02\x01");
}

// Promise 1: the address never moves.

TEST_F(MappedFileTest, GrowthLeavesEverySpanWhereItWas) {
  MappedFile file = create(5);
  ASSERT_TRUE(file.write(0, as_bytes("start")));
  const auto before = file.bytes(0, 5).value();
  for (std::uint64_t size = kPage; size <= 64 * kMiB; size *= 4) ASSERT_TRUE(file.grow(size));
  EXPECT_EQ(file.bytes(0, 5).value().data(), before.data());
  EXPECT_EQ(text(before), "start");
  EXPECT_EQ(file.bytes(5, 1).value()[0], std::byte{0});
}

TEST_F(MappedFileTest, ReservesASpaceThatHugePagesFit) {
  MappedFile file = create(1);
  EXPECT_EQ(file.reserved(), 1024 * kMiB);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.bytes(0, 1).value().data()) % (2 * kMiB), 0U);
  ASSERT_TRUE(file.close());
  EXPECT_EQ(open(path(), Access::read_only, {.reserve = 3 * kMiB}).reserved(), 4 * kMiB);
}

TEST_F(MappedFileTest, LargeFilesReserveSixteenTimesTheirSize) {
  put(path(), "");
  cut(path(), 100 * kMiB);
  EXPECT_EQ(open(path()).reserved(), 1600 * kMiB);
}

TEST_F(MappedFileTest, GrowthEndsAtTheReservation) {
  MappedFile file = create(1, {.reserve = 2 * kMiB});
  EXPECT_TRUE(file.grow(2 * kMiB));
  EXPECT_EQ(code_of(file.grow(2 * kMiB + 1)), "capacity");
  EXPECT_EQ(file.size(), 2 * kMiB);
  EXPECT_EQ(std::filesystem::file_size(path()), 2 * kMiB);
}

TEST_F(MappedFileTest, AReaderFollowsAWriterAtRefresh) {
  MappedFile writer = create(4);
  MappedFile reader = open(path(), Access::read_only);
  const auto before = reader.bytes(0, 4).value();
  ASSERT_TRUE(writer.grow(100'000));
  ASSERT_TRUE(writer.write(99'997, as_bytes("end")));
  EXPECT_EQ(code_of(reader.bytes(99'997, 3)), "out_of_range");
  EXPECT_EQ(reader.refresh().value(), 100'000U);
  EXPECT_EQ(text(reader, 99'997, 3), "end");
  EXPECT_EQ(reader.bytes(0, 4).value().data(), before.data());
}

TEST_F(MappedFileTest, RefreshFollowsACut) {
  MappedFile file = create(3 * kPage);
  cut(path(), kPage);
  EXPECT_EQ(file.refresh().value(), kPage);
  EXPECT_EQ(code_of(file.bytes(0, kPage + 1)), "out_of_range");
  EXPECT_TRUE(file.grow(2 * kPage));
}

TEST_F(MappedFileTest, RefreshPastTheReservationKeepsTheOldSize) {
  put(path(), "12345");
  MappedFile file = open(path(), Access::read_only, {.reserve = 2 * kMiB});
  cut(path(), 3 * kMiB);
  EXPECT_EQ(code_of(file.refresh()), "capacity");
  EXPECT_EQ(file.size(), 5U);
}

// Promise 2: views, pins and shrinking.

TEST_F(MappedFileTest, AShrinkCutsTheFile) {
  MappedFile file = create(3 * kPage);
  ASSERT_TRUE(file.fill(0, 3 * kPage, std::byte{'x'}));
  ASSERT_TRUE(file.shrink(10));
  EXPECT_EQ(std::filesystem::file_size(path()), 10U);
  ASSERT_TRUE(file.grow(20));
  EXPECT_EQ(text(file, 8, 4), std::string("xx\0\0", 4));
}

TEST_F(MappedFileTest, APinForbidsToCutItsRange) {
  MappedFile file = create(3 * kPage);
  {
    const Pin pin = file.pin(kPage, kPage).value();
    const auto refused = file.shrink(2 * kPage - 1);
    EXPECT_EQ(code_of(refused), "busy");
    EXPECT_EQ(file.size(), 3 * kPage);
    EXPECT_EQ(std::filesystem::file_size(path()), 3 * kPage) << "before anything is cut";
    EXPECT_TRUE(file.shrink(2 * kPage)) << "exactly to its end";
  }
  EXPECT_TRUE(file.shrink(0));
}

TEST_F(MappedFileTest, APinOutlivesTheFileObject) {
  Pin pin;
  {
    MappedFile file = create(kPage);
    ASSERT_TRUE(file.write(7, as_bytes("kept")));
    Pin first = file.pin(7, 4).value();
    pin = std::move(first);
    EXPECT_TRUE(first.span().empty());  // NOLINT: the moved-from pin
  }
  EXPECT_EQ(text(pin.span()), "kept");
}

TEST_F(MappedFileTest, MovedPinsReleaseOnce) {
  MappedFile file = create(2 * kPage);
  Pin one = file.pin(0, 2 * kPage).value();
  Pin two = file.pin(0, 2 * kPage).value();
  one = std::move(two);
  EXPECT_EQ(code_of(file.shrink(kPage)), "busy") << "the moved one still holds";
  one = Pin();
  EXPECT_TRUE(file.shrink(kPage));
}

TEST_F(MappedFileTest, AnEmptyPinHoldsNothing) {
  MappedFile file = create(kPage);
  const Pin pin = file.pin(kPage, 0).value();
  EXPECT_TRUE(file.shrink(0));
}

// Empty files, moving and closing.

TEST_F(MappedFileTest, EmptyFilesMapAndGrow) {
  MappedFile file = create(0);
  EXPECT_TRUE(file.bytes(0, 0));
  EXPECT_TRUE(file.flush());
  ASSERT_TRUE(file.grow(3));
  ASSERT_TRUE(file.write(0, as_bytes("new")));
  EXPECT_EQ(contents(path()), "new");
}

TEST_F(MappedFileTest, EmptyFilesOpenInEveryMode) {
  put(path(), "");
  EXPECT_EQ(open(path(), Access::read_only).size(), 0U);
  EXPECT_EQ(open(path(), Access::read_write).size(), 0U);
  EXPECT_EQ(MappedFile::open_or_create(path(), 10).value().size(), 0U);
}

TEST_F(MappedFileTest, AMovedFileTakesItsBytesAlong) {
  MappedFile file = create(4);
  MappedFile moved = std::move(file);
  EXPECT_TRUE(moved.write(0, as_bytes("here")));
  // NOLINTBEGIN: the moved-from object is what this is about
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(code_of(file.bytes(0, 0)), "closed");
  EXPECT_EQ(file.size(), 0U);
  // NOLINTEND
}

TEST_F(MappedFileTest, AfterCloseEveryCallSaysClosed) {
  MappedFile file = create(4);
  ASSERT_TRUE(file.close());
  std::array<std::byte, 1> buffer{};
  EXPECT_EQ(code_of(file.bytes(0, 0)), "closed");
  EXPECT_EQ(code_of(file.mutable_bytes(0, 0)), "closed");
  EXPECT_EQ(code_of(file.view_as<int>(0, 0)), "closed");
  EXPECT_EQ(code_of(file.pin(0, 0)), "closed");
  EXPECT_EQ(code_of(file.read_into(0, buffer)), "closed");
  EXPECT_EQ(code_of(file.write(0, buffer)), "closed");
  EXPECT_EQ(code_of(file.fill(0, 0, {})), "closed");
  EXPECT_EQ(code_of(file.guarded({}, [](auto) noexcept {})), "closed");
  EXPECT_EQ(code_of(file.advise({}, AccessHint::normal)), "closed");
  EXPECT_EQ(code_of(file.grow(1)), "closed");
  EXPECT_EQ(code_of(file.shrink(0)), "closed");
  EXPECT_EQ(code_of(file.refresh()), "closed");
  EXPECT_EQ(code_of(file.flush()), "closed");
  EXPECT_EQ(code_of(file.flush_range({})), "closed");
  EXPECT_EQ(code_of(file.start_writeback({})), "closed");
  EXPECT_EQ(code_of(file.reopen_after_error()), "closed");
  EXPECT_EQ(code_of(file.close()), "closed");
  EXPECT_EQ(file.path(), "");
}

// Promise 5, as far as a disk with space shows it.

TEST_F(MappedFileTest, SpaceIsAllocatedWhenMadeAndGrown) {
  MappedFile file = create(kMiB);
  struct stat stat{};
  ::stat(path().c_str(), &stat);
  EXPECT_GE(static_cast<std::uint64_t>(stat.st_blocks) * 512, kMiB);
  ASSERT_TRUE(file.grow(2 * kMiB));
  ::stat(path().c_str(), &stat);
  EXPECT_GE(static_cast<std::uint64_t>(stat.st_blocks) * 512, 2 * kMiB);
}

TEST_F(MappedFileTest, SparseFilesAreHolesAndSaySo) {
  MappedFile file = create(64 * kMiB, {.sparse = true});
  struct stat stat{};
  ::stat(path().c_str(), &stat);
  EXPECT_EQ(stat.st_blocks, 0);
  EXPECT_FALSE(file.allocation_guaranteed());
  EXPECT_TRUE(file.grow(128 * kMiB));
  EXPECT_FALSE(file.allocation_guaranteed());
}

// Promise 6: creating.

TEST_F(MappedFileTest, CreateRefusesWhatIsThere) {
  put(path(), "precious");
  EXPECT_EQ(code_of(MappedFile::create(path(), 100)), "exists");
  EXPECT_EQ(contents(path()), "precious");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(MappedFileTest, CreateRefusesADanglingLink) {
  std::filesystem::create_symlink("nowhere", path());
  EXPECT_EQ(code_of(MappedFile::create(path(), 100)), "exists");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(MappedFileTest, ReplacingLeavesWhoHasTheOldFileInPeace) {
  MappedFile old = create(3);
  ASSERT_TRUE(old.write(0, as_bytes("old")));
  MappedFile fresh = MappedFile::create_or_replace(path(), 5).value();
  ASSERT_TRUE(fresh.write(0, as_bytes("fresh")));
  EXPECT_EQ(text(old, 0, 3), "old");
  EXPECT_EQ(contents(path()), "fresh");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(MappedFileTest, ReplacingFollowsALinkAndKeepsTheMode) {
  put(path("real"), "old");
  ASSERT_EQ(::chmod(path("real").c_str(), 0666), 0);
  std::filesystem::create_symlink("real", path());
  ASSERT_TRUE(MappedFile::create_or_replace(path(), 5));
  EXPECT_TRUE(std::filesystem::is_symlink(path()));
  EXPECT_EQ(std::filesystem::file_size(path("real")), 5U);
  struct stat stat{};
  ::stat(path("real").c_str(), &stat);
  EXPECT_EQ(stat.st_mode & 07777U, 0666U) << "although the umask would take from it";
}

TEST_F(MappedFileTest, NewFilesHaveTheModeAsked) {
  ASSERT_TRUE(MappedFile::create(path(), 5, {.permissions = 0600}));
  struct stat stat{};
  ::stat(path().c_str(), &stat);
  EXPECT_EQ(stat.st_mode & 07777U, 0600U);
}

TEST_F(MappedFileTest, OpenOrCreateDoesEither) {
  EXPECT_TRUE(MappedFile::open_or_create(path(), 3).value().write(0, as_bytes("one")));
  EXPECT_EQ(text(MappedFile::open_or_create(path(), 99).value(), 0, 3), "one");
}

TEST_F(MappedFileTest, OpenOrCreateMakesWhatADanglingLinkNames) {
  std::filesystem::create_symlink("target", path());
  ASSERT_TRUE(MappedFile::open_or_create(path(), 3));
  EXPECT_EQ(std::filesystem::file_size(path("target")), 3U);
}

TEST_F(MappedFileTest, NamesMayBeAsLongAsNamesCanBe) {
  const std::string longest(255, 'n');
  EXPECT_TRUE(MappedFile::create(path(longest), 1));
  EXPECT_TRUE(MappedFile::create_or_replace(path(longest), 2));
}

}  // namespace
}  // namespace quire::mapped
