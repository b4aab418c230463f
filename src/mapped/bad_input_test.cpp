// Bad input: each kind its own code, the file on disk unchanged, nothing leaked.
#include <sys/resource.h>
#include <sys/wait.h>

#include <functional>
#include <limits>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::string_view kBefore = "0123456789";

class BadInputTest : public MappedFileTest {
 protected:
  BadInputTest() {
    put(path(), kBefore);
    put(path("empty"), "");
    std::filesystem::create_directory(path("directory"));
    ::mkfifo(path("fifo").c_str(), 0666);
    std::filesystem::create_symlink("loop", path("loop"));
  }
};

TEST_F(BadInputTest, Opening) {
  const auto open_read = [&](const char* name) {
    return [=, this] { return code_of(MappedFile::open(path(name), Access::read_only)); };
  };
  const auto open_write = [&](const char* name) {
    return [=, this] { return code_of(MappedFile::open(path(name), Access::read_write)); };
  };
  const auto create = [&](const char* name, std::uint64_t size, MappedFileOptions options = {}) {
    return [=, this] { return code_of(MappedFile::create(path(name), size, options)); };
  };
  const auto replace = [&](const char* name, std::uint64_t size, MappedFileOptions options = {}) {
    return [=, this] { return code_of(MappedFile::create_or_replace(path(name), size, options)); };
  };
  const auto either = [&](const char* name, std::uint64_t size, MappedFileOptions options = {}) {
    return [=, this] { return code_of(MappedFile::open_or_create(path(name), size, options)); };
  };
  const std::string too_long(256, 'n');
  const struct {
    const char* what;
    const char* code;
    std::function<std::string()> call;
  } table[] = {
      {"no such file", "not_found", open_read("missing")},
      {"no such file, for writing", "not_found", open_write("missing")},
      {"no such directory", "not_found", open_read("missing/file")},
      {"a file where a directory should be", "not_found", open_read("file/inside")},
      {"a directory", "invalid_argument", open_read("directory")},
      {"a directory, for writing", "invalid_argument", open_write("directory")},
      {"a pipe, without waiting for its other end", "invalid_argument", open_read("fifo")},
      {"a pipe, for writing", "invalid_argument", open_write("fifo")},
      {"links in a circle", "invalid_argument", open_read("loop")},
      {"no name", "invalid_argument",
       [] { return code_of(MappedFile::open("", Access::read_only)); }},
      {"a reservation smaller than the file", "invalid_argument",
       [&] { return code_of(MappedFile::open(path(), Access::read_only, {.reserve = 9})); }},
      {"a device", "invalid_argument",
       [] { return code_of(MappedFile::open("/dev/null", Access::read_write)); }},

      {"creating what is there", "exists", create("file", 5)},
      {"creating where a directory is", "exists", create("directory", 5)},
      {"creating in no directory", "not_found", create("missing/file", 5)},
      {"more bytes than a file can have", "invalid_argument", create("new", kMax)},
      {"more bytes than there are addresses", "capacity",
       create("new", std::uint64_t{1} << 60, {.sparse = true})},
      {"more bytes than the disk has", "capacity", create("new", std::uint64_t{1} << 60)},
      {"a reservation smaller than the size", "invalid_argument", create("new", 5, {.reserve = 4})},
      {"a name that ends in a slash", "invalid_argument", create("new/", 5)},
      {"a name that is too long", "invalid_argument", create(too_long.c_str(), 5)},

      {"replacing a directory", "invalid_argument", replace("directory", 5)},
      {"replacing a pipe", "invalid_argument", replace("fifo", 5)},
      {"replacing in no directory", "not_found", replace("missing/file", 5)},
      {"replacing by more than a file can have", "invalid_argument", replace("file", kMax)},
      {"replacing by more than the disk has", "capacity", replace("file", std::uint64_t{1} << 60)},
      {"replacing with too small a reservation", "invalid_argument",
       replace("file", 5, {.reserve = 4})},

      {"opening or creating a directory", "invalid_argument", either("directory", 5)},
      {"opening or creating a pipe", "invalid_argument", either("fifo", 5)},
      {"opening or creating in no directory", "not_found", either("missing/file", 5)},
      {"opening or creating too much", "invalid_argument", either("new", kMax)},
  };
  const auto before = names();
  const Held held_before = held();
  for (const auto& row : table) {
    EXPECT_EQ(row.call(), row.code) << row.what;
    EXPECT_EQ(names(), before) << row.what;
    EXPECT_EQ(contents(path()), kBefore) << row.what;
    EXPECT_EQ(held(), held_before) << row.what;
  }
}

TEST_F(BadInputTest, RangesAndModes) {
  MappedFile file = open(path(), Access::read_write, {.reserve = 2 * kMiB});
  MappedFile reader = open(path(), Access::read_only);
  std::array<std::byte, 4> four{};
  const auto nothing = [](auto) noexcept {};
  const struct {
    const char* what;
    const char* code;
    std::function<std::string()> call;
  } table[] = {
      {"an empty range at the end is good", "ok", [&] { return code_of(file.bytes(10, 0)); }},
      {"an empty range past the end", "out_of_range", [&] { return code_of(file.bytes(11, 0)); }},
      {"a range past the end", "out_of_range", [&] { return code_of(file.bytes(7, 4)); }},
      {"a length that overflows", "out_of_range", [&] { return code_of(file.bytes(2, kMax)); }},
      {"an offset that overflows", "out_of_range", [&] { return code_of(file.bytes(kMax, 2)); }},
      {"mutable, past the end", "out_of_range", [&] { return code_of(file.mutable_bytes(7, 4)); }},
      {"a pin past the end", "out_of_range", [&] { return code_of(file.pin(7, 4)); }},
      {"a pin that overflows", "out_of_range", [&] { return code_of(file.pin(2, kMax)); }},
      {"a count that overflows", "out_of_range",
       [&] { return code_of(file.view_as<std::uint64_t>(0, kMax / 8 + 2)); }},
      {"a view past the end", "out_of_range", [&] { return code_of(file.view_as<int>(8, 1)); }},
      {"a view at an odd place", "misaligned", [&] { return code_of(file.view_as<int>(2, 1)); }},
      {"an empty view at an odd place", "misaligned",
       [&] { return code_of(file.view_as<int>(2, 0)); }},
      {"a mutable view at an odd place", "misaligned",
       [&] { return code_of(file.mutable_view_as<int>(2, 1)); }},
      {"reading past the end", "out_of_range", [&] { return code_of(file.read_into(7, four)); }},
      {"reading nothing past the end", "out_of_range",
       [&] { return code_of(file.read_into(11, {})); }},
      {"writing past the end", "out_of_range", [&] { return code_of(file.write(7, four)); }},
      {"writing nothing past the end", "out_of_range", [&] { return code_of(file.write(11, {})); }},
      {"filling past the end", "out_of_range", [&] { return code_of(file.fill(7, 4, {})); }},
      {"guarding past the end", "out_of_range",
       [&] { return code_of(file.guarded({7, 4}, nothing)); }},
      {"guarding what overflows", "out_of_range",
       [&] { return code_of(file.mutable_guarded({kMax, kMax}, nothing)); }},
      {"flushing past the end", "out_of_range", [&] { return code_of(file.flush_range({7, 4})); }},
      {"writing back past the end", "out_of_range",
       [&] { return code_of(file.start_writeback({11, 0})); }},
      {"advising past the end", "out_of_range",
       [&] { return code_of(file.advise({7, 4}, AccessHint::random)); }},
      {"advising what overflows", "out_of_range",
       [&] { return code_of(reader.advise({2, kMax}, AccessHint::dont_need)); }},
      {"advising nothing at the end is good", "ok",
       [&] { return code_of(file.advise({10, 0}, AccessHint::dont_need)); }},
      {"growing to less", "invalid_argument", [&] { return code_of(file.grow(9)); }},
      {"growing to the same", "ok", [&] { return code_of(file.grow(10)); }},
      {"growing past the reservation", "capacity", [&] { return code_of(file.grow(3 * kMiB)); }},
      {"growing to everything", "capacity", [&] { return code_of(file.grow(kMax)); }},
      {"shrinking to more", "invalid_argument", [&] { return code_of(file.shrink(11)); }},

      {"storing into a read-only file", "wrong_mode",
       [&] { return code_of(reader.mutable_bytes(0, 1)); }},
      {"a mutable view of it", "wrong_mode",
       [&] { return code_of(reader.mutable_view_as<char>(0, 1)); }},
      {"writing to it", "wrong_mode", [&] { return code_of(reader.write(0, four)); }},
      {"writing nothing to it", "wrong_mode", [&] { return code_of(reader.write(0, {})); }},
      {"filling it", "wrong_mode", [&] { return code_of(reader.fill(0, 1, {})); }},
      {"guarded stores into it", "wrong_mode",
       [&] { return code_of(reader.mutable_guarded({0, 1}, nothing)); }},
      {"growing it", "wrong_mode", [&] { return code_of(reader.grow(20)); }},
      {"shrinking it", "wrong_mode", [&] { return code_of(reader.shrink(5)); }},
      {"flushing it is good", "ok", [&] { return code_of(reader.flush()); }},
      {"and a range of it", "ok", [&] { return code_of(reader.flush_range({2, 3})); }},
  };
  const Held held_before = held();
  for (const auto& row : table) {
    EXPECT_EQ(row.call(), row.code) << row.what;
    EXPECT_EQ(contents(path()), kBefore) << row.what;
    EXPECT_EQ(held(), held_before) << row.what;
  }
}

TEST_F(BadInputTest, ErrorsNameTheFileAndTheRange) {
  MappedFile file = open(path(), Access::read_only);
  const Error error = file.bytes(7, 4).error();
  EXPECT_EQ(error.message(), "bytes " + path() + " [7, 11): out_of_range: the file has 10 bytes");
  const Error missing = MappedFile::create(path("missing/file"), 5).error();
  EXPECT_EQ(missing.path(), path("missing/file")) << "not the name of the file beside";
}

TEST_F(BadInputTest, GoodUseLeaksNothingEither) {
  const Held before = held();
  {
    MappedFile file = MappedFile::create_or_replace(path(), 5).value();
    const Pin pin = file.pin(0, 5).value();
    MappedFile other = open(path());
    other = std::move(file);
    EXPECT_NE(held(), before);
  }
  EXPECT_EQ(held(), before);
}

TEST_F(BadInputTest, TooManyOpenFiles) {
  const Held before = held();
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none{3, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const std::string opened = code_of(MappedFile::open(path(), Access::read_only));
  const std::string created = code_of(MappedFile::create(path("new"), 5));
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(opened, "capacity");
  EXPECT_EQ(created, "capacity");
  EXPECT_EQ(held(), before);
}

TEST_F(BadInputTest, NoPermission) {
  ::chmod(path().c_str(), 0444);
  ::chmod(path("empty").c_str(), 0);
  ::chmod(directory().c_str(), 0555);
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(9);
    int bad = 0;
    bad += code_of(MappedFile::open(path("empty"), Access::read_only)) == "permission" ? 0 : 1;
    bad += code_of(MappedFile::open(path(), Access::read_write)) == "permission" ? 0 : 1;
    bad += code_of(MappedFile::open(path(), Access::read_only)) == "ok" ? 0 : 1;
    bad += code_of(MappedFile::create(path("new"), 5)) == "permission" ? 0 : 1;
    bad += code_of(MappedFile::create_or_replace(path(), 5)) == "permission" ? 0 : 1;
    bad += code_of(MappedFile::open_or_create(path("new"), 5)) == "permission" ? 0 : 1;
    ::_exit(bad);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::chmod(directory().c_str(), 0755);
  EXPECT_EQ(status, 0);
}

TEST_F(BadInputTest, LittleAddressSpaceReservesLess) {
#ifdef QUIRE_TEST_SANITIZED
  GTEST_SKIP() << "sanitizers need the address space for themselves";
#endif
  put(path("large"), "");
  cut(path("large"), 4096 * kMiB);
  const Held before = held();
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  const rlimit some{1536 * kMiB, limit.rlim_max};
  ::setrlimit(RLIMIT_AS, &some);
  auto small = MappedFile::open(path(), Access::read_only, {.reserve = std::uint64_t{64} << 30});
  const std::string large = code_of(MappedFile::open(path("large"), Access::read_only));
  ::setrlimit(RLIMIT_AS, &limit);
  ASSERT_TRUE(small) << small.error().message();
  EXPECT_EQ(small->reserved(), 1024 * kMiB) << "64 GiB halved until it fits";
  EXPECT_EQ(large, "capacity");
  ASSERT_TRUE(small->close().has_value());
  EXPECT_EQ(held(), before);
}

}  // namespace
}  // namespace quire::mapped
