// Whole-file operations on real files.
#include "mapped/file_operations.hpp"

#include <sys/resource.h>

#include <functional>
#include <limits>
#include <set>
#include <thread>

#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string pattern(std::size_t length) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>('a' + i % 23 + i / 4096 % 3);
  return text;
}

class FileOperationsTest : public MappedFileTest {
 protected:
  // The file's text, or the code of the error.
  static std::string read(const std::string& name, const ReadFileOptions& options = {}) {
    const auto bytes = quire::read_file(name, options);
    return bytes ? std::string(bytes->text()) : code_of(bytes);
  }
  static std::string write(const std::string& name, std::string_view text,
                           const WriteFileOptions& options = {}) {
    return code_of(quire::write_file_atomic(name, as_bytes(text), options));
  }
  static std::string write_range(const std::string& name, std::uint64_t offset,
                                 std::string_view text) {
    return code_of(quire::write_file_range(name, offset, as_bytes(text)));
  }
  static std::string copy(const std::string& from, const std::string& to,
                          const CopyFileOptions& options = {}) {
    return code_of(quire::copy_file(from, to, options));
  }
  static std::string remove(const std::string& name) { return code_of(quire::remove_file(name)); }

  static std::uint32_t permissions(const std::string& name) {
    return static_cast<std::uint32_t>(std::filesystem::status(name).permissions());
  }
  static void set_permissions(const std::string& name, std::uint32_t bits) {
    std::filesystem::permissions(name, static_cast<std::filesystem::perms>(bits));
  }
  static std::uint64_t allocated(const std::string& name) {
    return os::real_file_system().info(name).value().allocated_bytes;
  }
};

// --- read_file

TEST_F(FileOperationsTest, ReadsFilesOfAnySize) {
  for (const std::size_t size : {0U, 1U, 4096U, 65535U, 65536U, 65537U, 1'000'000U}) {
    put(path(), pattern(size));
    EXPECT_EQ(read(path()), pattern(size)) << size;
  }
}

TEST_F(FileOperationsTest, FilesOfProcReadAsEmpty) {
  EXPECT_EQ(read("/proc/version"), contents("/proc/version"));
  const std::string large = read("/proc/self/smaps");  // of which a call gives a page at most
  EXPECT_GT(large.size(), 10'000U);
  EXPECT_TRUE(large.ends_with('\n'));
}

TEST_F(FileOperationsTest, ReadsNoMoreThanWasAllowed) {
  put(path(), pattern(100'000));
  EXPECT_EQ(read(path(), {.max_bytes = 100'000}), pattern(100'000));
  EXPECT_EQ(read(path(), {.max_bytes = kMax}), pattern(100'000));
  for (const std::uint64_t most : {0U, 1U, 70'000U, 99'999U}) {
    EXPECT_EQ(read(path(), {.max_bytes = most}), "capacity") << most;
  }
  EXPECT_EQ(read("/proc/self/stat", {.max_bytes = 3}), "capacity") << "which reports size 0";
  put(path(), "");
  EXPECT_EQ(read(path(), {.max_bytes = 0}), "");
}

TEST_F(FileOperationsTest, WhatWasReadOutlivesTheFile) {
  put(path(), "kept");
  const Bytes bytes = quire::read_file(path()).value();
  EXPECT_EQ(write(path(), "other"), "ok");
  EXPECT_EQ(remove(path()), "ok");
  EXPECT_EQ(bytes.text(), "kept");
}

// --- write_file_atomic

TEST_F(FileOperationsTest, WritesANewFileAndReplacesAnOldOne) {
  for (const std::string& text : {pattern(5), pattern(3'000'000), std::string()}) {
    EXPECT_EQ(write(path(), text), "ok");
    EXPECT_EQ(contents(path()), text);
    EXPECT_EQ(names(), std::vector<std::string>{"file"});
  }
}

TEST_F(FileOperationsTest, AReaderOfTheOldFileKeepsIt) {
  put(path(), "old");
  const MappedFile reader = open(path(), Access::read_only);
  EXPECT_EQ(write(path(), "new"), "ok");
  EXPECT_EQ(text(reader, 0, 3), "old");
}

TEST_F(FileOperationsTest, WritesWhatAMapOfTheOldFileShows) {
  put(path(), "the old bytes");
  const MappedFile old = open(path(), Access::read_only);
  ASSERT_TRUE(quire::write_file_atomic(path(), old.bytes(4, 3).value()));
  EXPECT_EQ(contents(path()), "old");
}

TEST_F(FileOperationsTest, ReplacingKeepsPermissionsAndLinks) {
  put(path(), "old");
  set_permissions(path(), 0604);
  std::filesystem::create_symlink("file", path("link"));
  EXPECT_EQ(write(path("link"), "new", {.permissions = 0666}), "ok");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(contents(path()), "new");
  EXPECT_EQ(permissions(path()), 0604U);
}

TEST_F(FileOperationsTest, ANewFileGetsThePermissionsThatWereAskedFor) {
  EXPECT_EQ(write(path(), "secret", {.permissions = 0600}), "ok");
  EXPECT_EQ(permissions(path()), 0600U);
}

TEST_F(FileOperationsTest, WritesNothingOverWhatMustStay) {
  put(path(), "old");
  EXPECT_EQ(write(path(), "new", {.if_exists = IfExists::fail}), "exists");
  EXPECT_EQ(contents(path()), "old");
  EXPECT_EQ(write(path("other"), "new", {.if_exists = IfExists::fail}), "ok");
  EXPECT_EQ(contents(path("other")), "new");
}

// --- write_file_range

TEST_F(FileOperationsTest, ChangesBytesInPlace) {
  put(path(), "0123456789");
  const MappedFile map = open(path(), Access::read_only);
  EXPECT_EQ(write_range(path(), 3, "abc"), "ok");
  EXPECT_EQ(contents(path()), "012abc6789");
  EXPECT_EQ(text(map, 0, 10), "012abc6789") << "it is the same file";
}

TEST_F(FileOperationsTest, RangesPastTheEndAreRefused) {
  put(path(), "0123456789");
  EXPECT_EQ(write_range(path(), 7, "abc"), "ok") << "the last bytes";
  EXPECT_EQ(write_range(path(), 10, ""), "ok") << "none, at the end";
  EXPECT_EQ(write_range(path(), 8, "xyz"), "out_of_range");
  EXPECT_EQ(write_range(path(), 11, ""), "out_of_range");
  EXPECT_EQ(write_range(path(), kMax, "x"), "out_of_range") << "offset + length overflows";
  EXPECT_EQ(contents(path()), "0123456abc") << "nothing else was written, nor is it longer";
}

TEST_F(FileOperationsTest, AnErrorNamesTheRange) {
  put(path(), "0123456789");
  const Error error = quire::write_file_range(path(), 8, as_bytes("xyz")).error();
  EXPECT_EQ(error.path(), path());
  EXPECT_EQ(error.range(), (ByteRange{8, 3}));
}

// --- copy_file

TEST_F(FileOperationsTest, CopiesFilesOfAnySize) {
  for (const std::size_t size : {0U, 1U, 4097U, 20'000'000U}) {
    put(path(), pattern(size));
    EXPECT_EQ(copy(path(), path("copy")), "ok");
    EXPECT_TRUE(contents(path("copy")) == pattern(size)) << size;
    EXPECT_EQ(names(), (std::vector<std::string>{"copy", "file"}));
  }
}

TEST_F(FileOperationsTest, CopyingAFileOntoItselfEmptiedIt) {
  put(path(), "precious");
  std::filesystem::create_symlink("file", path("link"));
  std::filesystem::create_hard_link(path(), path("hard"));
  std::filesystem::create_directory_symlink(directory(), path("self"));
  for (const char* name : {"file", "link", "hard", "self/file", "./file", "self/self/link"}) {
    EXPECT_EQ(copy(path(), path(name)), "invalid_argument") << name;
    EXPECT_EQ(copy(path(name), path()), "invalid_argument") << name;
  }
  EXPECT_EQ(contents(path()), "precious");
  EXPECT_EQ(std::filesystem::hard_link_count(path()), 2U) << "nor was a name led elsewhere";
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
}

TEST_F(FileOperationsTest, CopyingCutTheOldFileUnderItsReaders) {
  put(path(), "new");
  put(path("copy"), pattern(3 * kPage));
  const MappedFile reader = open(path("copy"), Access::read_only);
  EXPECT_EQ(copy(path(), path("copy")), "ok");
  EXPECT_EQ(text(reader, 0, 3 * kPage), pattern(3 * kPage));
}

TEST_F(FileOperationsTest, ANewCopyHasThePermissionsOfItsSource) {
  put(path(), "text");
  for (const std::uint32_t bits : {0600U, 0444U, 0777U}) {  // 0777: past the umask
    set_permissions(path(), bits);
    EXPECT_EQ(copy(path(), path("copy")), "ok");
    EXPECT_EQ(permissions(path("copy")), bits);
    ASSERT_EQ(remove(path("copy")), "ok");
  }
  set_permissions(path(), 06755);
  EXPECT_EQ(copy(path(), path("copy")), "ok");
  EXPECT_EQ(permissions(path("copy")), 0755U) << "without the set-id bits";
}

TEST_F(FileOperationsTest, AReplacedFileKeepsItsPermissionsAndLinks) {
  put(path(), "new");
  put(path("old"), "old");
  set_permissions(path(), 0644);
  set_permissions(path("old"), 0600);
  std::filesystem::create_symlink("old", path("link"));
  EXPECT_EQ(copy(path(), path("link")), "ok");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(contents(path("old")), "new");
  EXPECT_EQ(permissions(path("old")), 0600U);
}

TEST_F(FileOperationsTest, CopiesNothingOverWhatMustStay) {
  put(path(), "new");
  put(path("old"), "old");
  EXPECT_EQ(copy(path(), path("old"), {.if_exists = IfExists::fail}), "exists");
  EXPECT_EQ(contents(path("old")), "old");
  EXPECT_EQ(copy(path(), path("other"), {.if_exists = IfExists::fail}), "ok");
  EXPECT_EQ(contents(path("other")), "new");
}

TEST_F(FileOperationsTest, CopiesWhatReportsNoSize) {
  EXPECT_EQ(copy("/proc/version", path()), "ok");
  EXPECT_EQ(contents(path()), contents("/proc/version"));
}

TEST_F(FileOperationsTest, CopiesBetweenFileSystems) {
  const std::string elsewhere = "/dev/shm/quire-copy-" + std::to_string(::getpid());
  put(path(), pattern(3'000'001));
  if (copy(path(), elsewhere) != "ok") GTEST_SKIP() << "there is no other file system here";
  const std::string found = contents(elsewhere);
  EXPECT_EQ(remove(elsewhere), "ok");
  EXPECT_TRUE(found == pattern(3'000'001));
}

TEST_F(FileOperationsTest, ACopyOfAFileWithHolesHasHoles) {
  put(path(), "begin");
  cut(path(), 8 * kMiB);
  ASSERT_EQ(write_range(path(), 3 * kMiB + 7, "middle"), "ok");
  ASSERT_LT(allocated(path()), kMiB);
  ASSERT_EQ(copy(path(), path("copy")), "ok");
  EXPECT_TRUE(contents(path("copy")) == contents(path()));
  EXPECT_LT(allocated(path("copy")), kMiB);
}

TEST_F(FileOperationsTest, ACopyTellsHowFarItIs) {
  const std::uint64_t size = 40 * kMiB;
  put(path(), std::string(size, 'x'));
  std::uint64_t last = 0;
  int calls = 0;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_TRUE(last < done && done <= total);
    EXPECT_EQ(total, size);
    last = done;
    ++calls;
  };
  EXPECT_EQ(copy(path(), path("copy"), {.progress = progress}), "ok");
  EXPECT_EQ(last, size);
  EXPECT_GE(calls, 3) << "every 16 MiB";
}

TEST_F(FileOperationsTest, ACancelledCopyLeavesTheOldFile) {
  put(path(), std::string(40 * kMiB, 'x'));
  put(path("copy"), "old");
  for (const std::uint64_t enough : {kMiB, 40 * kMiB}) {  // in the middle; when all is copied
    std::stop_source stop;
    const auto progress = [&](std::uint64_t done, std::uint64_t) {
      EXPECT_FALSE(stop.stop_requested()) << "it went on";
      if (done >= enough) stop.request_stop();
    };
    EXPECT_EQ(copy(path(), path("copy"), {.stop = stop.get_token(), .progress = progress}),
              "cancelled");
  }
  EXPECT_EQ(contents(path("copy")), "old");
  EXPECT_EQ(names(), (std::vector<std::string>{"copy", "file"}));
}

TEST_F(FileOperationsTest, AFileThatIsWrittenWhileItIsCopiedIsChanged) {
  const std::string before = std::string(40 * kMiB, 'x');
  const std::pair<const char*, std::function<void()>> changes[] = {
      {"written", [&] { EXPECT_EQ(write_range(path(), 5, "y"), "ok"); }},
      {"longer", [&] { cut(path(), 41 * kMiB); }},
      {"shorter", [&] { cut(path(), 20 * kMiB); }},
      {"empty", [&] { cut(path(), 0); }},
  };
  for (const auto& [what, change] : changes) {
    put(path(), before);
    // The time of the last change must differ: its clock ticks every few milliseconds.
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    bool done = false;
    const auto progress = [&, act = change](std::uint64_t, std::uint64_t) {
      if (!std::exchange(done, true)) act();
    };
    const auto result = quire::copy_file(path(), path("copy"), {.progress = progress});
    EXPECT_EQ(code_of(result), "changed") << what;
    EXPECT_EQ(result ? "" : result.error().path(), path()) << what;
    EXPECT_EQ(names(), std::vector<std::string>{"file"}) << what;
  }
}

TEST_F(FileOperationsTest, AFileThatIsReplacedWhileItIsCopiedIsCopiedAsItWas) {
  put(path(), "old");
  const auto progress = [&](std::uint64_t, std::uint64_t) {
    EXPECT_EQ(write(path(), "new"), "ok");
  };
  EXPECT_EQ(copy(path(), path("copy"), {.progress = progress}), "ok");
  EXPECT_EQ(contents(path("copy")), "old");
}

// What a dead writer of "file" left is taken away by the next one, who must not be its copier.
TEST_F(FileOperationsTest, CopyingWhatADeadWriterLeftTookItAway) {
  put(path("file.quire-partial"), "left");
  EXPECT_EQ(copy(path("file.quire-partial"), path()), "ok");
  EXPECT_EQ(contents(path()), "left");
  EXPECT_EQ(contents(path("file.quire-partial")), "left");
  std::filesystem::create_symlink("file.quire-partial", path("link"));
  EXPECT_EQ(copy(path("link"), path()), "ok");
  EXPECT_EQ(contents(path("file.quire-partial")), "left") << "through a link";
}

// --- remove_file

TEST_F(FileOperationsTest, RemovesAFile) {
  put(path(), "text");
  const MappedFile reader = open(path(), Access::read_only);
  EXPECT_EQ(remove(path()), "ok");
  EXPECT_EQ(names(), std::vector<std::string>{});
  EXPECT_EQ(text(reader, 0, 4), "text") << "who has it keeps it";
  EXPECT_EQ(remove(path()), "not_found");
}

TEST_F(FileOperationsTest, RemovesALinkAndNotWhatItLeadsTo) {
  put(path(), "text");
  std::filesystem::create_symlink("file", path("link"));
  EXPECT_EQ(remove(path("link")), "ok");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

// --- Bad input: each kind its own code, what is there stays, nothing leaks.

class BadFileOperationsTest : public FileOperationsTest {
 protected:
  BadFileOperationsTest() {
    put(path(), "0123456789");
    std::filesystem::create_directory(path("directory"));
    std::filesystem::create_symlink("loop", path("loop"));
    EXPECT_EQ(::mkfifo(path("fifo").c_str(), 0666), 0);
  }
};

TEST_F(BadFileOperationsTest, EachHasItsCode) {
  const std::string long_name(256, 'n');
  const std::string with_nul = path() + std::string("\0more", 5);
  const std::string missing = path("missing");
  using std::string;
  const struct {
    const char* what;
    const char* code;
    string found;
  } table[] = {
      {"reading no file", "not_found", read(missing)},
      {"reading a directory", "invalid_argument", read(path("directory"))},
      {"reading a pipe, without waiting", "invalid_argument", read(path("fifo"))},
      {"reading a device", "invalid_argument", read("/dev/zero")},
      {"reading no name", "invalid_argument", read("")},
      {"reading a name with a slash at its end", "invalid_argument", read(path("file/"))},
      {"reading a name with a NUL", "invalid_argument", read(with_nul)},
      {"reading links in a circle", "invalid_argument", read(path("loop"))},

      {"writing in no directory", "not_found", write(path("missing/file"), "x")},
      {"writing to a directory", "invalid_argument", write(path("directory"), "x")},
      {"writing to a pipe", "invalid_argument", write(path("fifo"), "x")},
      {"writing to no name", "invalid_argument", write("", "x")},
      {"writing to a name with a NUL", "invalid_argument", write(with_nul, "x")},
      {"writing to links in a circle", "invalid_argument", write(path("loop"), "x")},
      {"a name that is too long", "invalid_argument", write(path(long_name), "x")},

      {"changing no file", "not_found", write_range(missing, 0, "x")},
      {"changing a directory", "invalid_argument", write_range(path("directory"), 0, "x")},
      {"changing a pipe", "invalid_argument", write_range(path("fifo"), 0, "x")},
      {"changing no name", "invalid_argument", write_range("", 0, "x")},
      {"changing a name with a NUL", "invalid_argument", write_range(with_nul, 0, "x")},

      {"copying no file", "not_found", copy(missing, path("copy"))},
      {"copying into no directory", "not_found", copy(path(), path("missing/copy"))},
      {"copying a directory", "invalid_argument", copy(path("directory"), path("copy"))},
      {"copying to a directory", "invalid_argument", copy(path(), path("directory"))},
      {"copying a pipe", "invalid_argument", copy(path("fifo"), path("copy"))},
      {"copying to a pipe", "invalid_argument", copy(path(), path("fifo"))},
      {"copying a device", "invalid_argument", copy("/dev/zero", path("copy"))},
      {"copying no name", "invalid_argument", copy("", path("copy"))},
      {"copying to no name", "invalid_argument", copy(path(), "")},
      {"copying a name with a NUL", "invalid_argument", copy(with_nul, path("copy"))},
      {"copying to a name with a NUL", "invalid_argument", copy(path("fifo"), with_nul)},
      {"copying to links in a circle", "invalid_argument", copy(path(), path("loop"))},

      {"removing no file", "not_found", remove(missing)},
      {"removing a directory", "invalid_argument", remove(path("directory"))},
      {"removing no name", "invalid_argument", remove("")},
      {"removing a name with a slash at its end", "invalid_argument", remove(path("file/"))},
      {"removing a name with a NUL", "invalid_argument", remove(with_nul)},
  };
  for (const auto& row : table) EXPECT_EQ(row.found, row.code) << row.what;
  EXPECT_EQ(contents(path()), "0123456789");
  EXPECT_EQ(names(), (std::vector<std::string>{"directory", "fifo", "file", "loop"}));
}

TEST_F(BadFileOperationsTest, AnErrorOfACopySaysWhichFile) {
  EXPECT_EQ(quire::copy_file(path("missing"), path("copy")).error().path(), path("missing"));
  EXPECT_EQ(quire::copy_file(path(), path("none/copy")).error().path(), path("none/copy"));
  EXPECT_EQ(quire::copy_file(path(), path("directory")).error().path(), path("directory"));
}

TEST_F(BadFileOperationsTest, ErrorsLeaveNoDescriptors) {
  const Held before = held();
  static_cast<void>(read(path(), {.max_bytes = 3}));
  static_cast<void>(write_range(path(), 9, "xyz"));
  static_cast<void>(copy(path(), path()));
  static_cast<void>(copy(path(), path("directory")));
  static_cast<void>(copy(path(), path("copy"), {.stop = [] {
                           std::stop_source stop;
                           stop.request_stop();
                           return stop.get_token();
                         }()}));
  EXPECT_EQ(held(), before);
}

TEST_F(BadFileOperationsTest, WithoutDescriptorsNothingIsTouched) {
  // UBSan looks at an object's type by a pipe, when it first meets the type: not below the limit.
  const std::string file = path();
  const std::string target = path("target");
  ASSERT_EQ(write(target, "x"), "ok");
  ASSERT_EQ(read(target), "x");
  ASSERT_EQ(write_range(target, 0, "y"), "ok");
  ASSERT_EQ(copy(file, target), "ok");
  std::filesystem::remove(target);
  const auto next = ::open("/", O_RDONLY | O_CLOEXEC);
  ::close(next);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  // Room for the source of a copy, and not for the file that is made.
  const rlimit tight{static_cast<rlim_t>(next) + 1, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const std::string copied = copy(file, target);
  const rlimit none{static_cast<rlim_t>(next), old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string was_read = read(file);
  const std::string written = write(file, "x");
  const std::string changed = write_range(file, 0, "x");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(copied + was_read + written + changed, "capacitycapacitycapacitycapacity");
  EXPECT_EQ(contents(path()), "0123456789");
  EXPECT_EQ(names(), (std::vector<std::string>{"directory", "fifo", "file", "loop"}));
}

// --- What a real disk does seldom, on a simulated one.

class SimulatedFileOperationsTest : public SimulatedDiskTest {
 protected:
  using Change = std::function<void()>;

  // Runs `change` before the call of this kind with this number, counted from 0.
  void before_call(std::string operation, int number, Change change) {
    auto left = std::make_shared<int>(number);
    disk_.set_hook([=](const os::SimulatedCall& call) {
      if (operation == call.operation && (*left)-- == 0) change();
      return os::SimulatedOutcome{};
    });
  }
  Change resize(std::uint64_t size) {
    return [=, this] {
      EXPECT_TRUE(disk_.open(kPath, os::OpenMode::read_write, 0)->get()->truncate(size));
    };
  }
  // Read by read_file.
  std::string read_it(const ReadFileOptions& options = {}) {
    const auto bytes = read_file(disk_, kPath, options);
    return bytes ? std::string(bytes->text()) : code_of(bytes);
  }
  std::vector<std::string> names() { return disk_.list("/").value(); }
};

TEST_F(SimulatedFileOperationsTest, ALyingSizeWasAllocated) {
  put(disk_, kPath, "short");
  resize(std::uint64_t{1} << 50)();
  before_call("read", 0, resize(5));
  EXPECT_EQ(read_it({.max_bytes = kMax}), "short");
}

TEST_F(SimulatedFileOperationsTest, AFileThatIsTooLargeIsRefusedBeforeItIsRead) {
  put(disk_, kPath, "begin");
  resize(std::uint64_t{1} << 40)();
  std::uint64_t asked = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    asked += call.range.length;
    return os::SimulatedOutcome{};
  });
  EXPECT_EQ(read_it(), "capacity");
  EXPECT_LE(asked, 1U);
}

TEST_F(SimulatedFileOperationsTest, AFileThatShrinksIsReadToItsEnd) {
  put(disk_, kPath, pattern(200'000));
  before_call("read", 1, resize(200'000 - 7));
  EXPECT_EQ(read_it(), pattern(200'000 - 7));
}

TEST_F(SimulatedFileOperationsTest, AFileThatGrowsIsReadToItsEnd) {
  put(disk_, kPath, pattern(100));
  before_call("read", 1, resize(200'000));
  EXPECT_EQ(read_it(), pattern(100) + std::string(199'900, '\0'));
}

TEST_F(SimulatedFileOperationsTest, AFileThatGrowsPastTheLimitIsRefused) {
  put(disk_, kPath, pattern(100));
  before_call("read", 1, resize(200'000));
  EXPECT_EQ(read_it({.max_bytes = 1000}), "capacity");
}

TEST_F(SimulatedFileOperationsTest, AnUnsyncedDirectoryIsSaid) {
  put(disk_, kPath, "old");
  fail_next("sync_directory", EIO);
  EXPECT_EQ(code_of(write_file_atomic(disk_, kPath, as_bytes("new"), {})), "outcome_unknown");
  EXPECT_EQ(SimulatedDiskTest::read(disk_), "new") << "the file is in place";
  fail_next("sync_directory", EIO);
  EXPECT_EQ(code_of(copy_file(disk_, kPath, "/copy", {})), "outcome_unknown");
  EXPECT_EQ(SimulatedDiskTest::read(disk_, "/copy"), "new") << "the copy is in place";
  fail_next("sync_directory", EIO);
  EXPECT_EQ(code_of(remove_file(disk_, kPath)), "outcome_unknown");
  EXPECT_EQ(names(), std::vector<std::string>{"copy"}) << "the file is gone";
}

TEST_F(SimulatedFileOperationsTest, AFullDiskLeavesTheOldFile) {
  put(disk_, kPath, "old");
  put(disk_, "/large", pattern(10 * kPage));
  disk_.set_capacity(12 * kPage);
  EXPECT_EQ(code_of(write_file_atomic(disk_, kPath, as_bytes(pattern(3 * kPage)), {})), "no_space");
  EXPECT_EQ(code_of(copy_file(disk_, "/large", kPath, {})), "no_space");
  EXPECT_EQ(SimulatedDiskTest::read(disk_), "old");
  EXPECT_EQ(names(), (std::vector<std::string>{"file", "large"}));
}

TEST_F(SimulatedFileOperationsTest, AFileThatCouldNotBeSyncedIsNotChangedAgain) {
  put(disk_, kPath, "0123456789");
  fail_next("sync", EIO);
  EXPECT_EQ(code_of(write_file_range(disk_, kPath, 0, as_bytes("ab"))), "io");
  EXPECT_EQ(code_of(write_file_range(disk_, kPath, 2, as_bytes("cd"))), "read_only_after_error");
  EXPECT_EQ(SimulatedDiskTest::read(disk_), "ab23456789") << "refused before writing";
  disk_.open(kPath, os::OpenMode::read, 0).value()->forget_sync_failure();
  EXPECT_TRUE(write_file_range(disk_, kPath, 2, as_bytes("cd")));
}

TEST_F(SimulatedFileOperationsTest, ACopyOverASecretFileNeverShowsMoreThanTheFileDid) {
  ASSERT_TRUE(disk_.open("/open", os::OpenMode::create_new, 0666).value()->write_all(0, {}));
  ASSERT_TRUE(disk_.open(kPath, os::OpenMode::create_new, 0600));
  std::uint32_t most = 0;
  bool looking = false;
  disk_.set_hook([&](const os::SimulatedCall& /*call*/) {
    if (std::exchange(looking, true)) return os::SimulatedOutcome{};
    if (const auto beside = disk_.info("/file.quire-partial")) most |= beside->permissions;
    looking = false;
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(copy_file(disk_, "/open", kPath, {}));
  EXPECT_EQ(most, 0600U);
}

// The system's own copying may not be had, or break off in the middle.
TEST_F(SimulatedFileOperationsTest, WhereTheSystemCannotCopyReadingAndWritingDo) {
  const std::string text = pattern(3 * kMiB);
  put(disk_, kPath, text);
  for (const int code : {EOPNOTSUPP, EIO}) {
    for (const int works_before : {0, 1}) {
      auto left = std::make_shared<int>(works_before);
      disk_.set_hook([=](const os::SimulatedCall& call) {
        const bool now = call.operation == std::string_view("copy") && (*left)-- <= 0;
        return os::SimulatedOutcome{.fail_with = now ? code : 0};
      });
      EXPECT_TRUE(copy_file(disk_, kPath, "/copy", {}));
      EXPECT_TRUE(SimulatedDiskTest::read(disk_, "/copy") == text) << works_before;
    }
  }
}

TEST_F(SimulatedFileOperationsTest, AFileThatIsCutAndLengthenedAgainIsChanged) {
  put(disk_, kPath, pattern(3 * kMiB));
  const auto progress = [&](std::uint64_t, std::uint64_t) {
    resize(100)();
    resize(3 * kMiB)();
  };
  EXPECT_EQ(code_of(copy_file(disk_, kPath, "/copy", {.progress = progress})), "changed");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

// Fails each call of an operation in turn, on fresh disks with a file and another to copy.
class FailedFileOperationsTest : public SimulatedFileOperationsTest {
 protected:
  using Operation = std::function<Result<void>(Disk&)>;
  using Check = std::function<void(Disk&, const Error&)>;

  void fail_every_call(
      const Operation& operation, const Check& check,
      const std::function<void(Disk&)>& prepare = [](Disk&) {}) {
    const Held before = held();
    int failures = 0;
    bool reached = true;
    for (std::uint64_t number = 0; reached; ++number) {
      {
        Disk disk;
        put(disk, kPath, "old");
        put(disk, "/other", pattern(3 * kPage));
        prepare(disk);
        const std::uint64_t target = disk.calls() + number;
        disk.set_hook([=](const os::SimulatedCall& call) {
          return os::SimulatedOutcome{.fail_with = call.number == target ? EIO : 0};
        });
        const auto result = operation(disk);
        reached = disk.calls() > target;
        disk.set_hook(nullptr);
        failures += result ? 0 : 1;
        if (!result) check(disk, result.error());
        const auto names_left = disk.list("/").value();
        for (const std::string& name : names_left) {
          EXPECT_FALSE(name.contains("partial")) << "left behind at call " << number;
        }
      }
      EXPECT_EQ(held(), before) << "call " << number;
    }
    EXPECT_GE(failures, 2);
  }
  // The old file is there, or the new one if that is said.
  static void check_whole(Disk& disk, const Error& error, const std::string& fresh) {
    const bool in_place = error.code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(SimulatedDiskTest::read(disk), in_place ? fresh : "old") << error.message();
    const std::set<std::string> given{kPath, "/other"};
    EXPECT_TRUE(given.contains(error.path())) << error.message();
  }
};

TEST_F(FailedFileOperationsTest, Reading) {
  const auto operation = [](Disk& disk) -> Result<void> {
    const auto bytes = read_file(disk, kPath, {});
    if (!bytes) return std::unexpected(bytes.error());
    EXPECT_EQ(bytes->text(), "old");
    return {};
  };
  fail_every_call(operation, [](Disk& disk, const Error& error) { check_whole(disk, error, "-"); });
}

TEST_F(FailedFileOperationsTest, Writing) {
  const auto operation = [](Disk& disk) {
    return write_file_atomic(disk, kPath, as_bytes("new"), {});
  };
  fail_every_call(operation,
                  [](Disk& disk, const Error& error) { check_whole(disk, error, "new"); });
}

TEST_F(FailedFileOperationsTest, CopyingInsideTheSystem) {
  const auto operation = [](Disk& disk) { return copy_file(disk, "/other", kPath, {}); };
  fail_every_call(operation, [](Disk& disk, const Error& error) {
    check_whole(disk, error, pattern(3 * kPage));
  });
}

TEST_F(FailedFileOperationsTest, CopyingToANewFile) {
  const auto operation = [](Disk& disk) { return copy_file(disk, "/other", "/new", {}); };
  fail_every_call(operation, [](Disk& disk, const Error& error) {
    const bool in_place = error.code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(disk.info("/new").has_value(), in_place) << error.message();
    EXPECT_TRUE(error.path() == "/new" || error.path() == "/other") << error.message();
  });
}

TEST_F(FailedFileOperationsTest, CopyingByReadingAndWriting) {
  const auto operation = [](Disk& disk) { return copy_file(disk, "/other", kPath, {}); };
  const auto prepare = [](Disk& disk) {
    auto other = disk.open("/other", os::OpenMode::read_write, 0).value();
    EXPECT_TRUE(other->truncate(1));
    EXPECT_TRUE(other->truncate(kMiB));
  };
  fail_every_call(
      operation,
      [](Disk& disk, const Error& error) {
        check_whole(disk, error, "a" + std::string(kMiB - 1, '\0'));
      },
      prepare);
}

TEST_F(FailedFileOperationsTest, ChangingARange) {
  const auto operation = [](Disk& disk) { return write_file_range(disk, kPath, 1, as_bytes("_")); };
  fail_every_call(operation, [](Disk& disk, const Error& error) {
    EXPECT_EQ(SimulatedDiskTest::read(disk).size(), 3U);
    EXPECT_EQ(error.path(), kPath);
  });
}

TEST_F(FailedFileOperationsTest, Removing) {
  const auto operation = [](Disk& disk) { return remove_file(disk, kPath); };
  fail_every_call(operation, [](Disk& disk, const Error& error) {
    const bool gone = error.code() == ErrorCode::outcome_unknown;
    EXPECT_EQ(SimulatedDiskTest::read(disk), gone ? "not_found" : "old");
    EXPECT_EQ(error.path(), kPath);
  });
}

}  // namespace
}  // namespace quire::mapped
