// S3 servers for tests, of this machine only: a real one, and one that misbehaves. Each ends with its object.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "remote/server_fixture.hpp"

namespace quire::remote {

struct S3Keys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
};

// tests/s3_server.py, which see: Ceph's radosgw. Made and used on the main thread only: the end of the thread
// that made it would end it.
class S3Server {
 public:
  // What most tests share, in buckets of their own: it takes a second or two to start.
  static S3Server& shared() {
    static S3Server server;
    return server;
  }

  // Options as the script takes them; tests/swift_server.py is another script.
  explicit S3Server(std::vector<std::string> options = {},
                    const std::string& script = QUIRE_S3_SERVER)
      : child_(command(std::move(options), script), Child::Input::kPipe) {
    std::istringstream words(child_.line());
    words >> port_ >> keys_.access_key >> keys_.secret_key >> folder_ >> tls_port_;
    EXPECT_GT(port_, 0) << "the server does not start: " << script;
  }
  // Returns when nothing of it is left.
  ~S3Server() {
    child_.close_input();
    while (!child_.line().empty()) {
    }
  }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  // Without a slash at the end. "http://BUCKET.localhost:PORT" is the same server.
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string tls_endpoint() const { return "https://localhost:" + std::to_string(tls_port_); }
  int port() const noexcept { return port_; }
  const S3Keys& keys() const noexcept { return keys_; }

  void make_bucket(const std::string& name) { EXPECT_EQ(answer("bucket " + name), "ok"); }
  // The name of a bucket that nobody else has.
  std::string make_bucket() {
    const std::string name = "bucket-" + std::to_string(++buckets_);
    make_bucket(name);
    return name;
  }
  // Those of a session, which has a quarter of an hour or more; radosgw only.
  S3Keys session_keys() {
    S3Keys keys;
    std::istringstream words(answer("token"));
    words >> keys.access_key >> keys.secret_key >> keys.session_token;
    EXPECT_NE(keys.session_token, "");
    return keys;
  }

  // "METHOD TARGET STATUS" of each request that was answered and whose target begins so; radosgw only.
  std::vector<std::string> requests(const std::string& target) {
    EXPECT_EQ(answer("flush"), "ok");
    std::vector<std::string> requests;
    std::ifstream log(folder_ + "/requests.log");
    for (std::string line; std::getline(log, line);) {
      const std::size_t beast = line.find(" beast: ");
      const std::size_t begin = beast == std::string::npos ? beast : line.find("] \"", beast);
      if (begin == std::string::npos) continue;
      std::istringstream words(line.substr(begin + 3));
      std::string method, path, protocol, status;
      words >> method >> path >> protocol >> status;
      if (!path.starts_with(target)) continue;
      method.append(" ").append(path).append(" ").append(status);
      requests.push_back(method);
    }
    return requests;
  }

 private:
  static std::vector<std::string> command(std::vector<std::string> options,
                                          const std::string& script) {
    options.insert(options.begin(), {"python3", "-B", script});
    return options;
  }
  std::string answer(const std::string& command) const {
    child_.write(command + "\n");
    return child_.line();
  }

  Child child_;
  int port_ = 0;
  int tls_port_ = 0;
  S3Keys keys_;
  std::string folder_;
  int buckets_ = 0;
};

// tests/s3_fault_server.py, which see. Any keys will do.
class S3FaultServer {
 public:
  // Parts of uploads but the last have so many bytes at least.
  explicit S3FaultServer(std::uint64_t smallest_part = 5U << 20U)
      : child_({"python3", "-B", QUIRE_S3_FAULT_SERVER, std::to_string(smallest_part)}),
        port_(std::atoi(child_.line().c_str())) {
    EXPECT_GT(port_, 0) << "the server does not start";
  }

  // Without a slash at the end. "http://BUCKET.localhost:PORT" is the same server.
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int port() const noexcept { return port_; }

  // Makes the bucket, which obeys this JSON list of rules from now on, and no others.
  void script(const std::string& bucket, std::string_view rules = "[]") const {
    call("PUT", "/__script/" + bucket, rules);
  }
  void make_uploads_older(const std::string& bucket, int seconds) const {
    call("PUT", "/__age/" + bucket, std::to_string(seconds));
  }
  // A line for each request since the last forget_log().
  std::vector<std::string> log(const std::string& bucket) const {
    std::vector<std::string> lines;
    std::istringstream text(call("GET", "/__log/" + bucket));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  void forget_log(const std::string& bucket) const { call("DELETE", "/__log/" + bucket); }
  // JSON: {BUCKET: {KEY: {"size", "md5", "etag"}}}
  std::string state(const std::string& bucket) const { return call("GET", "/__state/" + bucket); }
  // JSON: [{"bucket", "key", "id", "initiated", "parts": {NUMBER: SIZE}}]
  std::string uploads(const std::string& bucket) const {
    return call("GET", "/__uploads/" + bucket);
  }

 private:
  // The body of the answer, which has to be one of success.
  std::string call(const std::string& method, const std::string& target,
                   std::string_view body = "") const {
    std::string request =
        method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
    request.append("Content-Length: ")
        .append(std::to_string(body.size()))
        .append("\r\n\r\n")
        .append(body);
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::send(socket, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    std::array<char, 4096> buffer{};
    for (ssize_t read = 0; (read = ::read(socket, buffer.data(), buffer.size())) > 0;) {
      answer.append(buffer.data(), static_cast<std::size_t>(read));
    }
    ::close(socket);
    const std::size_t head = answer.find("\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ") && head != std::string::npos) << target << "\n"
                                                                                  << answer;
    return head == std::string::npos ? "" : answer.substr(head + 4);
  }

  const Child child_;
  const int port_;
};

}  // namespace quire::remote
