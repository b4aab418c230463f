#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "quire/remote.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::outcome;

// The bytes of a place, or the name of the error.
std::string read_all(const std::string& place, const OpenSourceOptions& options = {}) {
  const auto opened = open_source(place, options);
  if (!opened) return std::string(to_string(opened.error().code()));
  return outcome((*opened)->read(0, (*opened)->size()));
}

TEST(OpenSourceTest, OpensEveryKindOfPlace) {
  const FaultServer server;
  server.put("object", "over http");
  const ServerFolder folder;
  folder.put("a b", "of a file");
  const std::string path = folder.root() / "a b";

  EXPECT_EQ(read_all(path), "of a file");
  EXPECT_EQ(read_all("file:" + path), "of a file");
  EXPECT_EQ(read_all("mmap:" + path), "of a file");
  EXPECT_TRUE(open_source("MMAP:" + path).value()->has_view());
  EXPECT_FALSE(open_source("File:" + path).value()->has_view());
  const std::string escaped = folder.root().string() + "/a%20b";
  EXPECT_EQ(read_all("file://" + escaped), "of a file");
  EXPECT_EQ(read_all("file://localhost" + escaped), "of a file");
  EXPECT_EQ(read_all(server.url("object"), {.http = {.allow_private_network = true}}), "over http");
  EXPECT_EQ(read_all(server.url("object")), "denied_by_policy");
}

TEST(OpenSourceTest, SaysWhatItCannotOpen) {
  EXPECT_EQ(read_all("/no/such/file"), "not_found");
  EXPECT_EQ(read_all(""), "invalid_argument");
  EXPECT_EQ(read_all("file://elsewhere/x"), "invalid_argument");
  EXPECT_EQ(read_all("file:///x%2"), "invalid_argument");
  EXPECT_EQ(read_all("file:///x%zz"), "invalid_argument");
  EXPECT_EQ(read_all("file:///x%00"), "invalid_argument");
  EXPECT_EQ(read_all("gs://bucket/key"), "unsupported");
  const auto refused = open_source("ftp://me:secret@a.example/x");
  EXPECT_EQ(refused.error().message().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace quire::remote
