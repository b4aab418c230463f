// A proxy for tests, of this machine only.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"

namespace quire::remote {

// tests/proxy_server.py, which see.
class ProxyServer {
 public:
  // Wants `credentials` ("user:password"), if there are any.
  explicit ProxyServer(const std::string& credentials = "")
      : child_({"python3", QUIRE_PROXY_SERVER, credentials}),
        port_(std::atoi(child_.line().c_str())) {
    EXPECT_GT(port_, 0) << "the proxy does not start";
  }

  std::string url(const std::string& credentials = "") const {
    std::string url = "http://";
    if (!credentials.empty()) url.append(credentials).append("@");
    return url.append("127.0.0.1:").append(std::to_string(port_));
  }
  // The requests so far: "METHOD target authorization".
  std::vector<std::string> log() const {
    const auto bytes = open_http_source(url() + "/__log", {.allow_private_network = true,
                                                           .allow_unpinned = true,
                                                           .max_whole_bytes = 1 << 20})
                           .value();
    std::istringstream text(std::string(bytes->read(0, bytes->size()).value().text()));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

 private:
  const Child child_;
  const int port_;
};

}  // namespace quire::remote
