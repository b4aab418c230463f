// One contract for both file systems, real and simulated: what the rooms above rely on.
#include "os/file_system.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "os/file_system_kind.hpp"
#include "os/simulated_file_system.hpp"

namespace quire::os {
namespace {

// A file system and a directory in it that is the test's own.
class Place {
 public:
  virtual ~Place() = default;
  virtual FileSystem& file_system() = 0;
  virtual std::string directory() = 0;
};

class RealPlace final : public Place {
 public:
  RealPlace() {
    std::string pattern = std::filesystem::temp_directory_path() / "quire-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~RealPlace() override { std::filesystem::remove_all(directory_); }
  FileSystem& file_system() override { return real_file_system(); }
  std::string directory() override { return directory_; }

 private:
  std::string directory_;
};

class SimulatedPlace final : public Place {
 public:
  SimulatedPlace() { EXPECT_TRUE(file_system_.make_directory("/d")); }
  FileSystem& file_system() override { return file_system_; }
  std::string directory() override { return "/d"; }

 private:
  SimulatedFileSystem file_system_;
};

constexpr AccessHint kAllHints[] = {AccessHint::sequential, AccessHint::random,
                                    AccessHint::will_need, AccessHint::dont_need,
                                    AccessHint::normal};

using MakePlace = std::function<std::unique_ptr<Place>()>;
struct Backend {
  const char* name;
  MakePlace make;
};

std::vector<std::byte> bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

class FileSystemContract : public ::testing::TestWithParam<Backend> {
 protected:
  std::string path(const std::string& name) { return join_path(place_->directory(), name); }
  FileSystem& fs() { return place_->file_system(); }

  std::unique_ptr<File> write_file(const std::string& name, std::string_view text) {
    auto file = fs().open(path(name), OpenMode::create_new);
    EXPECT_TRUE(file) << file.error().message();
    EXPECT_TRUE((*file)->write_all(0, bytes(text)));
    return *std::move(file);
  }

  std::string read_file(const std::string& name) {
    auto file = fs().open(path(name), OpenMode::read);
    if (!file) return "(" + std::string(to_string(file.error().code())) + ")";
    std::vector<std::byte> content(static_cast<std::size_t>((*file)->info()->size));
    EXPECT_TRUE((*file)->read_exactly(0, content));
    return {reinterpret_cast<const char*>(content.data()), content.size()};
  }

  template <class T>
  static ErrorCode code(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? ErrorCode::closed : result.error().code();
  }

  // Longer than the system's clock for files needs to move on.
  static void pass_a_tick() { ::usleep(20'000); }

  std::unique_ptr<Place> place_ = GetParam().make();
};

TEST_P(FileSystemContract, ReadsBackWhatWasWritten) {
  auto file = write_file("a", "hello");
  ASSERT_TRUE(file->write_all(3, bytes("p me")));
  EXPECT_EQ(read_file("a"), "help me");
  EXPECT_EQ(file->info()->size, 7U);
}

TEST_P(FileSystemContract, ReadsAnyRangePastTheCache) {
  std::string text;
  for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i);
  ASSERT_TRUE(write_file("a", text)->sync());
  const auto cold = fs().open(path("a"), OpenMode::read_direct);
  if (!cold && cold.error().code() == ErrorCode::unsupported) GTEST_SKIP() << "not here";
  ASSERT_TRUE(cold) << cold.error().message();
  for (const std::size_t offset : {0UL, 1UL, 511UL, 4095UL, 4096UL, 1'048'575UL, text.size() - 1}) {
    for (const std::size_t length : {0UL, 1UL, 512UL, 4097UL, 1'100'000UL}) {
      const std::string_view wanted = std::string_view(text).substr(offset, length);
      std::vector<std::byte> out(wanted.size());
      ASSERT_TRUE((*cold)->read_exactly(offset, out)) << offset << " " << length;
      EXPECT_EQ(out, bytes(wanted)) << offset << " " << length;
    }
  }
  std::vector<std::byte> out(2);
  EXPECT_EQ((*cold)->pread(text.size() - 1, out).value(), 1U);
  EXPECT_EQ((*cold)->pread(text.size(), out).value(), 0U);
  EXPECT_EQ(code((*cold)->read_exactly(text.size() - 1, out)), ErrorCode::truncated);
  EXPECT_EQ(code((*cold)->pwrite(0, out)), ErrorCode::wrong_mode);
}

TEST_P(FileSystemContract, SaysWhatAPathIsOn) {
  EXPECT_FALSE(fs().kind_of(place_->directory())->is_network);
  EXPECT_FALSE(fs().kind_of(place_->directory())->name.empty());
  EXPECT_EQ(code(fs().kind_of(path("missing"))), ErrorCode::not_found);
}

TEST(FileSystemKindTest, KnowsTheFileSystemsOfOtherMachines) {
  for (const std::uint32_t magic :
       {0x6969U, 0x517BU, 0xFE534D42U, 0xFF534D42U, 0x01021997U, 0x00C36400U, 0x5346414FU,
        0x6B414653U, 0x73757245U, 0x0BD00BD0U, 0x47504653U}) {
    EXPECT_TRUE(kind_of_magic(magic).is_network) << std::hex << magic;
  }
  // ext4, xfs, btrfs, tmpfs, overlayfs, FUSE.
  for (const std::uint32_t magic :
       {0xEF53U, 0x58465342U, 0x9123683EU, 0x01021994U, 0x794C7630U, 0x65735546U}) {
    EXPECT_FALSE(kind_of_magic(magic).is_network) << std::hex << magic;
  }
  EXPECT_EQ(kind_of_magic(0x6969U).name, "NFS");
}

TEST_P(FileSystemContract, ReadingPastTheEndIsTruncated) {
  auto file = write_file("a", "hello");
  std::vector<std::byte> out(6);
  EXPECT_EQ(file->pread(5, out).value(), 0U);
  EXPECT_EQ(code(file->read_exactly(0, out)), ErrorCode::truncated);
}

TEST_P(FileSystemContract, CreateNewNeverTouchesWhatIsThere) {
  write_file("a", "precious");
  EXPECT_EQ(code(fs().open(path("a"), OpenMode::create_new)), ErrorCode::exists);
  EXPECT_EQ(read_file("a"), "precious");
}

TEST_P(FileSystemContract, OpeningWhatIsNotThereOrNoFile) {
  EXPECT_EQ(code(fs().open(path("missing"), OpenMode::read)), ErrorCode::not_found);
  EXPECT_EQ(code(fs().open(place_->directory(), OpenMode::read)), ErrorCode::invalid_argument);
  EXPECT_EQ(code(fs().open(path("no/parent"), OpenMode::create_new)), ErrorCode::not_found);
}

TEST_P(FileSystemContract, WritingThroughAReadHandleIsWrongMode) {
  write_file("a", "hello");
  auto reader = fs().open(path("a"), OpenMode::read);
  EXPECT_EQ(code((*reader)->pwrite(0, bytes("x"))), ErrorCode::wrong_mode);
}

TEST_P(FileSystemContract, RenameReplacesOnlyIfAsked) {
  write_file("a", "new");
  write_file("b", "old");
  EXPECT_EQ(code(fs().rename(path("a"), path("b"), IfExists::fail)), ErrorCode::exists);
  EXPECT_EQ(read_file("b"), "old");
  ASSERT_TRUE(fs().rename(path("a"), path("b"), IfExists::replace));
  EXPECT_EQ(read_file("b"), "new");
  EXPECT_EQ(read_file("a"), "(not_found)");
  ASSERT_TRUE(fs().rename(path("b"), path("c"), IfExists::fail));
  EXPECT_EQ(*fs().list(place_->directory()), std::vector<std::string>{"c"});
}

TEST_P(FileSystemContract, RemoveAndDirectories) {
  write_file("a", "x");
  ASSERT_TRUE(fs().remove(path("a")));
  EXPECT_EQ(code(fs().remove(path("a"))), ErrorCode::not_found);
  ASSERT_TRUE(fs().make_directory(path("sub")));
  EXPECT_EQ(code(fs().make_directory(path("sub"))), ErrorCode::exists);
  EXPECT_EQ(fs().info(path("sub"))->kind, FileKind::directory);
  EXPECT_TRUE(fs().sync_directory(place_->directory()));
}

TEST_P(FileSystemContract, AllocateMakesRoomAndZeros) {
  auto file = write_file("a", "abc");
  ASSERT_TRUE(file->allocate({0, 10'000}));
  EXPECT_EQ(file->info()->size, 10'000U);
  EXPECT_GE(file->info()->allocated_bytes, 10'000U);
  std::vector<std::byte> out(10'000 - 3);
  ASSERT_TRUE(file->read_exactly(3, out));
  EXPECT_EQ(out, std::vector<std::byte>(out.size()));
}

TEST_P(FileSystemContract, TruncateCutsAndLengthens) {
  auto file = write_file("a", "hello");
  ASSERT_TRUE(file->truncate(2));
  ASSERT_TRUE(file->truncate(4));
  EXPECT_EQ(read_file("a"), std::string("he\0\0", 4));
}

TEST_P(FileSystemContract, AnExclusiveLockKeepsOtherHandlesOut) {
  auto first = write_file("a", "");
  auto second = *fs().open(path("a"), OpenMode::read_write);
  ASSERT_TRUE(first->try_lock(LockKind::exclusive));
  EXPECT_EQ(code(second->try_lock(LockKind::exclusive)), ErrorCode::busy);
  EXPECT_EQ(code(second->try_lock(LockKind::shared)), ErrorCode::busy);
  first.reset();
  EXPECT_TRUE(second->try_lock(LockKind::shared));
}

TEST_P(FileSystemContract, UnlockingLetsOthersIn) {
  auto first = write_file("a", "");
  auto second = *fs().open(path("a"), OpenMode::read_write);
  EXPECT_TRUE(first->unlock()) << "there is nothing to give back";
  ASSERT_TRUE(first->try_lock(LockKind::exclusive));
  EXPECT_TRUE(second->unlock()) << "not another's lock";
  EXPECT_EQ(code(second->try_lock(LockKind::exclusive)), ErrorCode::busy);
  ASSERT_TRUE(first->unlock());
  EXPECT_TRUE(second->try_lock(LockKind::exclusive));
}

TEST_P(FileSystemContract, AnExclusiveLockOfAnotherOpeningIsSeen) {
  auto writer = write_file("a", "");
  auto reader = *fs().open(path("a"), OpenMode::read);
  EXPECT_FALSE(*reader->is_locked_exclusively()) << "nobody has one";
  ASSERT_TRUE(writer->try_lock(LockKind::exclusive));
  EXPECT_TRUE(*reader->is_locked_exclusively());
  EXPECT_TRUE(*reader->is_locked_exclusively()) << "looking takes nothing";
  EXPECT_FALSE(*writer->is_locked_exclusively()) << "its own is not another's";
  ASSERT_TRUE(writer->unlock());
  EXPECT_FALSE(*reader->is_locked_exclusively());
  ASSERT_TRUE(writer->try_lock(LockKind::shared));
  EXPECT_FALSE(*reader->is_locked_exclusively()) << "a shared one is none";
  ASSERT_TRUE(reader->try_lock(LockKind::shared));
  EXPECT_FALSE(*writer->is_locked_exclusively());
  EXPECT_FALSE(*reader->is_locked_exclusively());
}

TEST_P(FileSystemContract, ALockThatEndsWithItsOpeningIsNotSeen) {
  auto writer = write_file("a", "");
  auto reader = *fs().open(path("a"), OpenMode::read);
  ASSERT_TRUE(writer->try_lock(LockKind::exclusive));
  writer.reset();
  EXPECT_FALSE(*reader->is_locked_exclusively());
}

TEST_P(FileSystemContract, EveryChangeByACallMovesTheTimeOfTheLastOne) {
  auto file = write_file("a", "hello");
  const std::vector<std::function<Result<void>()>> changes = {
      [&] { return file->write_all(0, bytes("HELLO")); },  // of the same size
      [&] { return file->truncate(2); },
      [&] { return file->allocate({0, 8192}); },
  };
  for (const auto& change : changes) {
    const std::uint64_t before = file->info()->modified_ns;
    pass_a_tick();
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(file->set_permissions(0600));
    EXPECT_EQ(fs().info(path("a"))->modified_ns, before) << "this changes no content";
    ASSERT_TRUE(change());
    EXPECT_GT(file->info()->modified_ns, before);
    EXPECT_EQ(file->info()->modified_ns, fs().info(path("a"))->modified_ns);
  }
}

TEST_P(FileSystemContract, PermissionsAreThoseThatWereSet) {
  auto file = write_file("a", "");
  for (const std::uint32_t permissions : {0666U, 0400U, 04755U}) {
    ASSERT_TRUE(file->set_permissions(permissions));
    EXPECT_EQ(file->info()->permissions, permissions) << "past the umask";
    EXPECT_EQ(fs().info(path("a"))->permissions, permissions);
  }
}

TEST_P(FileSystemContract, AdviceNeverChangesWhatIsRead) {
  auto file = write_file("a", std::string(8192, 'a'));
  for (const AccessHint access : kAllHints) {
    EXPECT_TRUE(file->advise({0, 0}, access)) << "all of it";
    EXPECT_TRUE(file->advise({100, 5000}, access));
    EXPECT_TRUE(file->advise({100'000, 5000}, access)) << "past the end";
    EXPECT_EQ(read_file("a"), std::string(8192, 'a'));
  }
}

TEST_P(FileSystemContract, AdviceNeverLosesWhatWasStoredInAMap) {
  auto file = write_file("a", std::string(8192, 'a'));
  for (const MapAccess kind : {MapAccess::private_copy, MapAccess::read_write}) {
    auto mapping = file->map(kind, 1 << 20);
    ASSERT_TRUE(mapping);
    Mapping moved = *std::move(mapping);
    moved.data()[5000] = std::byte{'b'};
    for (const AccessHint access : kAllHints) {
      moved.advise({4097, 4000}, access);
      EXPECT_EQ(moved.data()[5000], std::byte{'b'});
    }
    moved.advise({0, UINT64_MAX}, AccessHint::dont_need);
    moved.advise({UINT64_MAX, 1}, AccessHint::dont_need);
  }
}

TEST_P(FileSystemContract, ResolvingKeepsANameThatIsNotThere) {
  const std::string directory = *fs().resolve(place_->directory());
  EXPECT_EQ(*fs().resolve(path("missing")), directory + "/missing");
  EXPECT_EQ(*fs().resolve(path("missing//")), directory + "/missing") << "with slashes too";
  EXPECT_EQ(*fs().resolve(place_->directory() + "/"), directory);
  EXPECT_EQ(*fs().resolve("/"), "/");
  EXPECT_EQ(code(fs().resolve(path("missing/inside"))), ErrorCode::not_found);
  EXPECT_EQ(code(fs().resolve("")), ErrorCode::not_found);
}

TEST_P(FileSystemContract, AMapShowsTheFileAsItGrows) {
  auto file = write_file("a", "hello");
  auto mapping = file->map(MapAccess::read, 1 << 20);
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_EQ(mapping->data()[1], std::byte{'e'});
  ASSERT_TRUE(file->write_all(8000, bytes("!")));
  EXPECT_EQ(mapping->data()[8000], std::byte{'!'});
}

TEST_P(FileSystemContract, APrivateMapKeepsItsStoresAndHasZerosPastTheEnd) {
  auto file = write_file("a", "hello");
  auto mapping = file->map(MapAccess::private_copy, 1 << 20);
  ASSERT_TRUE(mapping);
  mapping->data()[0] = std::byte{'j'};
  mapping->data()[100'000] = std::byte{1};
  EXPECT_EQ(read_file("a"), "hello");
  EXPECT_EQ(mapping->data()[200'000], std::byte{0});
}

TEST_P(FileSystemContract, TwoHandlesOfOneFileHaveOneId) {
  auto first = write_file("a", "");
  EXPECT_EQ(first->id(), (*fs().open(path("a"), OpenMode::read))->id());
  EXPECT_NE(first->id(), write_file("b", "")->id());
  EXPECT_EQ(fs().info(path("a"))->id, first->id());
}

INSTANTIATE_TEST_SUITE_P(
    All, FileSystemContract,
    ::testing::Values(Backend{"real", [] { return std::make_unique<RealPlace>(); }},
                      Backend{"simulated", [] { return std::make_unique<SimulatedPlace>(); }}),
    [](const auto& backend) { return backend.param.name; });

// Of the real one alone.

TEST(RealFileSystem, AFifoIsRefusedWithoutWaiting) {
  RealPlace place;
  const std::string path = join_path(place.directory(), "fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto opened = real_file_system().open(path, OpenMode::read);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::invalid_argument);
}

TEST(RealFileSystem, ResolveFollowsLinksToWhatIsNotThereYet) {
  RealPlace place;
  const std::string link = join_path(place.directory(), "link");
  ASSERT_EQ(::symlink("target", link.c_str()), 0);
  EXPECT_EQ(*real_file_system().resolve(link),
            std::filesystem::canonical(place.directory()) / "target");
}

TEST(RealFileSystem, ResolveFollowsALinkWithASlashAtItsEnd) {
  RealPlace place;
  const std::string link = join_path(place.directory(), "link");
  ASSERT_EQ(::symlink("target/", link.c_str()), 0);
  EXPECT_EQ(*real_file_system().resolve(link + "/"),
            std::filesystem::canonical(place.directory()) / "target");
}

TEST(RealFileSystem, ANulDoesNotEndAPath) {
  RealPlace place;
  const std::string path = join_path(place.directory(), "a");
  for (const OpenMode mode : {OpenMode::create_new, OpenMode::read}) {
    const auto opened = real_file_system().open(path + '\0' + "b", mode);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Paths, ParentAndJoin) {
  EXPECT_EQ(parent_directory("a"), ".");
  EXPECT_EQ(parent_directory("a/b"), "a");
  EXPECT_EQ(parent_directory("a/b/"), "a");
  EXPECT_EQ(parent_directory("/a"), "/");
  EXPECT_EQ(parent_directory("/"), "/");
  EXPECT_EQ(parent_directory(""), ".");
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("/", "b"), "/b");
  EXPECT_EQ(without_last_slashes("a/b//"), "a/b");
  EXPECT_EQ(without_last_slashes("//"), "/");
  EXPECT_EQ(without_last_slashes(""), "");
}

}  // namespace
}  // namespace quire::os
