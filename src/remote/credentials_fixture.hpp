// What tests of credentials share: files in a folder of their own, and a server that gives credentials out.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "remote/aws_environment.hpp"
#include "remote/credentials_places.hpp"
#include "remote/server_fixture.hpp"

namespace quire::remote {

using Variables = std::map<std::string, std::string, std::less<>>;

// The place it came from, or the error's code; and that no error shows what is hidden.
inline std::string outcome(const Result<net::SigningKey>& key) {
  if (key) return key->access_key;
  EXPECT_EQ(key.error().message().find("hidden"), std::string::npos) << key.error().message();
  return std::string(to_string(key.error().code()));
}

// A home without anything in it, and whatever the test puts there. Nothing of the real environment is seen, and no instance
// metadata are asked for unless the test says where.
class Home {
 public:
  Home() {
    std::filesystem::create_directories(folder_.path() / ".aws");
    variables_ = {{"HOME", folder_.path()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  }

  void set(const std::string& name, const std::string& value) { variables_[name] = value; }
  void unset(const std::string& name) { variables_.erase(name); }
  std::string path(const std::string& name) const { return folder_.path() / name; }
  void put(const std::string& name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  AwsEnvironment environment() const { return AwsEnvironment(variables_); }

  Result<net::SigningKey> key(const CredentialsOptions& options = {}) const {
    auto places = credentials_places(options, environment());
    if (!places) return std::unexpected(places.error());
    return Credentials(*std::move(places)).key({});
  }
  // What `key` fails with, in words.
  std::string failure(const CredentialsOptions& options = {}) const {
    const auto key = this->key(options);
    outcome(key);
    return key ? "none: " + key->access_key : key.error().message();
  }

 private:
  const ServerFolder folder_;
  Variables variables_;
};

// tests/metadata_server.py, which see.
class MetadataServer {
 public:
  MetadataServer()
      : child_({"python3", QUIRE_METADATA_SERVER, folder_.root()}),
        port_(std::atoi(child_.line().c_str())) {
    EXPECT_GT(port_, 0) << "the server does not start";
  }

  std::string url(const std::string& path, const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_) + path;
  }
  // Of the files that tell it what to do.
  void put(const std::string& name, std::string_view text) const { folder_.put(name, text); }
  // Makes it as it was at its start.
  void forget() const {
    std::filesystem::remove_all(folder_.root());
    std::filesystem::create_directory(folder_.root());
  }
  void remove(const std::string& name) const { std::filesystem::remove(folder_.root() / name); }
  std::string path(const std::string& name) const { return folder_.root() / name; }
  // The requests so far.
  std::string log() const {
    std::ostringstream text;
    text << std::ifstream(folder_.root() / "log").rdbuf();
    return text.str();
  }

 private:
  const ServerFolder folder_;
  const Child child_;
  const int port_;
};

}  // namespace quire::remote
