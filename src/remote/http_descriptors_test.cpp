// What connections hold of the process is given back.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Source = std::shared_ptr<const ByteSource>;

class HttpDescriptorsTest : public testing::Test {
 protected:
  HttpDescriptorsTest() {
    server().put("object", source::pattern(100'000));
    tls_server().folder().put("object", source::pattern(100'000));
    // What libraries open once and keep.
    EXPECT_TRUE(open_http_source(tls_server().tls_url("object"), options()));
    before_ = open_descriptors();
  }

  static const FaultServer& server() {
    static const FaultServer server;
    return server;
  }
  static const Nginx& tls_server() {
    static const Nginx server;
    return server;
  }
  static HttpSourceOptions options() {
    return {.allow_private_network = true,
            .ca_file = tls_server().certificate(),
            .open_bytes = 1,
            .max_gap = 0};
  }
  static std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  }
  // Several connections at once.
  static std::string read_some(const Source& source) {
    return code_of(source->read_many(std::vector<ByteRange>{{100, 9}, {2000, 9}, {50'000, 9}}));
  }

  std::ptrdiff_t before_ = 0;
};

TEST_F(HttpDescriptorsTest, IdleConnectionsAreClosedWithTheLastSourceOfTheirPolicy) {
  {
    std::vector<Source> sources;
    for (int i = 0; i < 50; ++i) {
      auto how = options();
      how.http2 = i % 2 == 0;  // a policy of its own
      const bool is_tls = i % 3 == 0;
      sources.push_back(
          open_http_source(is_tls ? tls_server().tls_url("object") : server().url("object"), how)
              .value());
      ASSERT_EQ(read_some(sources.back()), "ok");
      how.allow_private_network = false;
      EXPECT_EQ(code_of(open_http_source(server().url("object"), how)), "denied_by_policy");
    }
    EXPECT_GT(open_descriptors(), before_);
    // Connections are shared: at most three at once to each server.
    EXPECT_LT(open_descriptors(), before_ + 50);
  }
  EXPECT_EQ(open_descriptors(), before_);
}

TEST_F(HttpDescriptorsTest, ReadsThatAreLateOrCancelledLeaveNoConnection) {
  {
    const auto source =
        open_http_source(server().url("object", "skip=1&fault=stall&at=3"), options()).value();
    const auto late = [&] {
      return code_of(source->read(10, 9, {.deadline = Clock::now() + milliseconds(20)}));
    };
    const auto cancelled = [&] {
      std::stop_source stop;
      const std::jthread stopper([&] {
        std::this_thread::sleep_for(milliseconds(20));
        stop.request_stop();
      });
      return code_of(source->read(10, 9, {.stop = stop.get_token()}));
    };
    ASSERT_EQ(late(), "timeout");
    const auto after_one = open_descriptors();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(late(), "timeout");
      ASSERT_EQ(cancelled(), "cancelled");
    }
    EXPECT_LE(open_descriptors(), after_one);
  }
  EXPECT_EQ(open_descriptors(), before_);
}

TEST_F(HttpDescriptorsTest, FailuresLeaveNoConnection) {
  auto how = options();
  how.max_tries = 2;
  for (const std::string fault : {"fault=reset", "fault=garbage", "fault=status", "fault=shift",
                                  "fault=status&code=404", "fault=redirect&to=ftp://x"}) {
    EXPECT_NE(code_of(open_http_source(server().url("object", fault), how)), "ok") << fault;
  }
  how.ca_file = "";
  EXPECT_EQ(code_of(open_http_source(tls_server().tls_url("object"), how)), "network");
  EXPECT_EQ(code_of(open_http_source("http://127.0.0.1:1/", how)), "network");
  EXPECT_EQ(open_descriptors(), before_);
}

}  // namespace
}  // namespace quire::remote
