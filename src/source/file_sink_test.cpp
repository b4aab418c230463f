// The contract of byte sinks, kept by files; and what is special about them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "source/local_backends_fixture.hpp"
#include "source/sink_contract.hpp"

namespace quire::source {
namespace {

struct FileTarget : LocalFile {
  std::unique_ptr<ByteSink> open(IfExists if_exists) const {
    return open_file_sink(path(), {.if_exists = if_exists}).value();
  }
  std::optional<std::string> content() const {
    std::ifstream in(path(), std::ios::binary);
    if (!in) return std::nullopt;
    return std::string{std::istreambuf_iterator<char>(in), {}};
  }
  std::string directory() const { return std::filesystem::path(path()).parent_path(); }
  bool is_clean() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      if (entry.path() != path()) return false;
    }
    return true;
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(File, SinkContract, FileTarget);

class FileSinkTest : public testing::Test {
 protected:
  std::string replace_by(std::string_view bytes) {
    auto sink = open_file_sink(target_.path());
    if (!sink) return code_of(sink);
    if (auto done = (*sink)->append(std::as_bytes(std::span(bytes))); !done) return code_of(done);
    return code_of((*sink)->commit());
  }
  std::string open(const std::string& path, IfExists if_exists = IfExists::replace) {
    return code_of(open_file_sink(path, {.if_exists = if_exists}));
  }
  FileTarget target_;
};

TEST_F(FileSinkTest, KeepsThePermissions) {
  const mode_t mask = ::umask(0077);  // which would take away more
  target_.put("old");
  ASSERT_EQ(::chmod(target_.path().c_str(), 0754), 0);
  EXPECT_EQ(replace_by("new"), "ok");
  ::umask(mask);
  struct stat found{};
  ASSERT_EQ(::stat(target_.path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0754U);
  EXPECT_EQ(target_.content(), "new");
}

TEST_F(FileSinkTest, ALinkStaysAndItsTargetIsReplaced) {
  const std::string real = target_.directory() + "/real";
  std::ofstream(real) << "old";
  std::filesystem::create_symlink("real", target_.path());
  EXPECT_EQ(replace_by("new"), "ok");
  EXPECT_TRUE(std::filesystem::is_symlink(target_.path()));
  EXPECT_EQ(target_.content(), "new");
  EXPECT_EQ(std::filesystem::file_size(real), 3);
}

TEST_F(FileSinkTest, WhatADeadProcessLeftIsRemoved) {
  std::ofstream(target_.path() + ".quire-partial") << "left behind";
  EXPECT_EQ(replace_by("new"), "ok");
  EXPECT_EQ(target_.content(), "new");
  EXPECT_TRUE(target_.is_clean());
}

TEST_F(FileSinkTest, OpeningSaysWhatIsWrong) {
  target_.put("old");
  const std::string pipe = target_.directory() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const auto if_exists : {IfExists::replace, IfExists::fail}) {
    EXPECT_EQ(open("", if_exists), "invalid_argument");
    EXPECT_EQ(open(target_.path() + ".d/file", if_exists), "not_found");
  }
  EXPECT_EQ(open(target_.directory()), "invalid_argument");
  EXPECT_EQ(open(pipe), "invalid_argument");
  EXPECT_EQ(open(target_.path(), IfExists::fail), "exists");
  EXPECT_EQ(target_.content(), "old");
}

}  // namespace
}  // namespace quire::source
