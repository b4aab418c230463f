#include "remote/text_fetch.hpp"

#include <gtest/gtest.h>

#include "remote/server_fixture.hpp"

namespace quire::remote {
namespace {

class TextFetchTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<FaultServer>();
    server_->put("text", "0123456789");
  }
  static void TearDownTestSuite() { server_.reset(); }

  // The text, or the error's code.
  std::string fetch(const std::string& query, TextRequest request = {},
                    const std::string& name = "text") {
    const auto client = net::HttpClient::with({.allow_private_network = true});
    const auto place = std::make_shared<HttpPlace>(*net::Url::parse(server_->url(name, query)),
                                                   net::HttpHeaders());
    const net::RetryOptions retry{.max_tries = 3, .first_wait = std::chrono::milliseconds(1)};
    auto answer = fetch_text(**client, place, retry, std::move(request), {});
    if (!answer) {
      status_ = answer.error().system_code();
      return std::string(to_string(answer.error().code()));
    }
    status_ = answer->head.status;
    return std::move(answer->text);
  }

  int status_ = 0;

 private:
  static inline std::unique_ptr<FaultServer> server_;
};

TEST_F(TextFetchTest, GetsAText) {
  EXPECT_EQ(fetch(""), "0123456789");
  EXPECT_EQ(status_, 200);
  EXPECT_EQ(fetch("", {.headers = {{"Range", "bytes=2-4"}}}), "234");
  EXPECT_EQ(status_, 206);
  EXPECT_EQ(fetch("", {.method = net::HttpMethod::head}), "");
}

TEST_F(TextFetchTest, TakesTheStatusesThatAreAskedFor) {
  EXPECT_EQ(fetch("", {}, "none"), "not_found");
  EXPECT_EQ(status_, 404);
  EXPECT_EQ(fetch("", {.accepts = [](int status) noexcept { return status == 404; }}, "none"),
            "none");
  EXPECT_EQ(fetch("", {.accepts = [](int status) noexcept { return status == 204; }}), "network");
  EXPECT_EQ(status_, 200);
}

TEST_F(TextFetchTest, TakesNoMoreThanIsAllowed) {
  EXPECT_EQ(fetch("", {.max_bytes = 10}), "0123456789");
  EXPECT_EQ(fetch("", {.max_bytes = 9}), "network");
  EXPECT_EQ(fetch("fault=long", {.max_bytes = 110}).size(), 110U);  // chunked
  EXPECT_EQ(fetch("fault=long", {.max_bytes = 109}), "network");
}

TEST_F(TextFetchTest, BeginsAgainWhereItBrokeOff) {
  EXPECT_EQ(fetch("fault=reset&at=4&first=1&key=a"), "0123456789");
  EXPECT_EQ(fetch("fault=truncate&at=4&first=2&key=b"), "0123456789");
  EXPECT_EQ(fetch("fault=whole-reset&at=4&first=1&key=c"), "0123456789");
  EXPECT_EQ(fetch("fault=status&first=2&key=d"), "0123456789");
  EXPECT_EQ(fetch("fault=status&key=e"), "network");
  EXPECT_EQ(status_, 503);
}

TEST_F(TextFetchTest, TakesNothingEncoded) {
  EXPECT_EQ(fetch("fault=gzip", {.headers = {{"Range", "bytes=0-3"}}}), "network");
}

}  // namespace
}  // namespace quire::remote
