// New files on the operating system's own file system: killed makers, links, names, permissions.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "os/new_file.hpp"
#include "os/new_file_fixture.hpp"

namespace quire::os {
namespace {

class RealNewFileTest : public testing::Test {
 protected:
  RealNewFileTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "quire-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~RealNewFileTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  RealNewFileTest(const RealNewFileTest&) = delete;
  RealNewFileTest& operator=(const RealNewFileTest&) = delete;

  std::string path(const std::string& name = "file") const { return directory_ + "/" + name; }
  static void put(const std::string& path, std::string_view text) { std::ofstream(path) << text; }
  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Names names() const { return real_file_system().list(directory_).value(); }
  static std::uint32_t permissions(const std::string& path) {
    return real_file_system().info(path)->permissions;
  }
  static Result<NewFile> create(const std::string& path, IfExists if_exists = IfExists::replace) {
    return NewFile::create(real_file_system(), path, if_exists);
  }
  static Result<void> replace(const std::string& path, std::string_view text) {
    return write_new(real_file_system(), path, text);
  }

  std::string directory_;
};

// Another process that has begun a file and lives until it is killed.
class Maker {
 public:
  explicit Maker(const std::string& path) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const auto file = NewFile::create(real_file_system(), path, IfExists::replace);
      const char told = file ? 1 : 0;
      if (::write(ready[1], &told, 1) == 1) ::pause();
      ::_exit(1);
    }
    char told = 0;
    EXPECT_EQ(::read(ready[0], &told, 1), 1);
    EXPECT_EQ(told, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Maker() { kill(); }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  pid_t process_ = 0;
};

TEST_F(RealNewFileTest, WhatAKilledProcessLeftIsRemovedByTheNextCreation) {
  Maker maker(path());
  EXPECT_TRUE(replace(path(), "while it lives"));
  EXPECT_EQ(names(), (Names{"file", "file.quire-partial"}));
  maker.kill();
  EXPECT_EQ(names(), (Names{"file", "file.quire-partial"}));
  EXPECT_TRUE(replace(path(), "after it died"));
  EXPECT_EQ(names(), Names{"file"});
  EXPECT_EQ(read(path()), "after it died");
}

TEST_F(RealNewFileTest, NamesMayBeAsLongAsNamesCanBe) {
  const std::string longest(255, 'n');
  const std::string other = std::string(254, 'n') + "m";
  auto first = create(path(longest));
  auto second = create(path(other));
  ASSERT_TRUE(first && second) << "their files beside have one name";
  fill(*first, "first");
  fill(*second, "second");
  ASSERT_TRUE(second->put_in_place());
  ASSERT_TRUE(first->put_in_place());
  EXPECT_EQ(read(path(longest)), "first");
  EXPECT_EQ(read(path(other)), "second");
}

TEST_F(RealNewFileTest, ALinkStaysAndWhatItLeadsToIsReplaced) {
  put(path("real"), "old");
  ASSERT_EQ(::symlink("real", path().c_str()), 0);
  ASSERT_EQ(::symlink("missing", path("dangling").c_str()), 0);
  ASSERT_TRUE(replace(path(), "new"));
  ASSERT_TRUE(replace(path("dangling"), "first"));
  EXPECT_TRUE(std::filesystem::is_symlink(path()));
  EXPECT_EQ(read(path("real")), "new");
  EXPECT_EQ(read(path("missing")), "first");
  EXPECT_EQ(code_of(create(path(), IfExists::fail)), "exists");
}

TEST_F(RealNewFileTest, PermissionsAreKeptExactly) {
  const ::mode_t umask = ::umask(0077);
  for (const std::uint32_t kept : {0666U, 0444U, 0000U, 04755U, 0640U}) {
    put(path(), "old");
    ASSERT_EQ(::chmod(path().c_str(), kept), 0);
    ASSERT_TRUE(replace(path(), "new"));
    EXPECT_EQ(permissions(path()), kept) << "although the umask would take from it";
    std::filesystem::remove(path());
  }
  ASSERT_TRUE(replace(path(), "new"));
  EXPECT_EQ(permissions(path()), 0600U) << "a first file has what the umask leaves";
  ::umask(umask);
}

TEST_F(RealNewFileTest, SaysWhatCannotBeCreated) {
  std::filesystem::create_directory(path("directory"));
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  put(path(), "precious");
  for (const IfExists if_exists : {IfExists::replace, IfExists::fail}) {
    EXPECT_EQ(code_of(create("", if_exists)), "invalid_argument");
    EXPECT_EQ(code_of(create(path("slash/"), if_exists)), "invalid_argument");
    EXPECT_EQ(code_of(create(path() + '\0' + "x", if_exists)), "invalid_argument");
    EXPECT_EQ(code_of(create(path("missing/inside"), if_exists)), "not_found");
    EXPECT_EQ(code_of(create(path("file/inside"), if_exists)), "not_found");
  }
  EXPECT_EQ(code_of(create(path("directory"))), "invalid_argument");
  EXPECT_EQ(code_of(create(path("pipe"))), "invalid_argument");
  EXPECT_EQ(read(path()), "precious");
  EXPECT_EQ(names(), (Names{"directory", "file", "pipe"}));
}

}  // namespace
}  // namespace quire::os
