// TLS, against nginx.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using source::outcome;

class HttpTlsTest : public testing::Test {
 protected:
  HttpTlsTest() : model_(source::pattern(200'000)) { server().folder().put("object", model_); }

  static const Nginx& server() {
    static const Nginx server;
    return server;
  }
  static HttpSourceOptions options() {
    return {.allow_private_network = true, .ca_file = server().certificate(), .open_bytes = 1};
  }

  const std::string model_;
};

TEST_F(HttpTlsTest, ReadsWithTheAuthorityItIsGiven) {
  const auto source = open_http_source(server().tls_url("object"), options());
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->size(), model_.size());
  EXPECT_EQ(outcome((*source)->read(70'000, 5000)), model_.substr(70'000, 5000));
}

TEST_F(HttpTlsTest, ReadsOverHttp2) {
  auto how = options();
  how.http2 = true;
  how.max_gap = 0;
  const auto source = open_http_source(server().tls_url("object"), how).value();
  std::vector<ByteRange> ranges;
  for (std::uint64_t i = 1; i < 60; ++i) ranges.push_back({i * 3000, 100});
  const auto bytes = source->read_many(ranges).value();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ(bytes[i].text(), model_.substr(ranges[i].offset, 100));
  }
}

// At once: another try would not make a certificate right.
TEST_F(HttpTlsTest, TrustsNoOtherCertificate) {
  const auto began = std::chrono::steady_clock::now();
  auto how = options();
  how.ca_file = "";
  const auto unknown = open_http_source(server().tls_url("object"), how);
  EXPECT_EQ(code_of(unknown), "network");
  EXPECT_EQ(unknown.error().message().find("try"), std::string::npos) << unknown.error().message();
  EXPECT_EQ(code_of(open_http_source(server().tls_url("object", "127.0.0.1"), options())),
            "network");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

TEST_F(HttpTlsTest, SaysWhichCertificateIsNotThere) {
  auto how = options();
  how.ca_file = "/no/such/file.pem";
  const auto source = open_http_source(server().tls_url("object"), how);
  EXPECT_EQ(code_of(source), "invalid_argument");
  EXPECT_EQ(source.error().path(), "/no/such/file.pem");
}

TEST_F(HttpTlsTest, IsNotLedFromTlsToPlainHttp) {
  const auto source = open_http_source(server().tls_url("down"), options());
  EXPECT_EQ(code_of(source), "denied_by_policy");
  EXPECT_TRUE(open_http_source(server().url("down"), options()));
}

}  // namespace
}  // namespace quire::remote
