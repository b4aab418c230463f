#include "net/proxy_choice.hpp"

#include <gtest/gtest.h>

#include <string>

#include "net/proxy_variables_fixture.hpp"

namespace quire::net {
namespace {

class ProxyChoiceTest : public testing::Test {
 protected:
  // Through which proxy the environment has a URL asked for.
  static std::string proxy_for(const std::string& url) {
    return ProxyChoice::of_environment().proxy_for(Url::parse(url).value());
  }
  static bool is_direct(const std::string& host, const std::string& list) {
    const ProxyChoice choice{.for_http = "http://proxy", .direct = list};
    return choice.proxy_for(Url::parse("http://" + host + "/").value()).empty();
  }

  const ProxyVariables variables_;
};

TEST_F(ProxyChoiceTest, EachSchemeHasItsOwnAndAllIsForTheOthers) {
  EXPECT_EQ(proxy_for("http://a/"), "");
  variables_.set("ALL_PROXY", "http://all-large");
  EXPECT_EQ(proxy_for("http://a/"), "http://all-large");
  variables_.set("all_proxy", "http://all");
  EXPECT_EQ(proxy_for("http://a/"), "http://all");
  EXPECT_EQ(proxy_for("https://a/"), "http://all");
  variables_.set("http_proxy", "http://plain");
  variables_.set("HTTPS_PROXY", "http://secure-large");
  EXPECT_EQ(proxy_for("http://a/"), "http://plain");
  EXPECT_EQ(proxy_for("https://a/"), "http://secure-large");
  variables_.set("https_proxy", "http://secure");
  EXPECT_EQ(proxy_for("https://a/"), "http://secure");
}

// In a CGI script it is the header "Proxy" of whoever sent the request.
TEST_F(ProxyChoiceTest, HttpProxyInLargeLettersIsNotRead) {
  variables_.set("HTTP_PROXY", "http://stranger");
  EXPECT_EQ(proxy_for("http://a/"), "");
}

TEST_F(ProxyChoiceTest, AnEmptyVariableIsNone) {
  variables_.set("http_proxy", "");
  variables_.set("no_proxy", "");
  variables_.set("all_proxy", "http://all");
  EXPECT_EQ(proxy_for("http://a/"), "http://all");
}

TEST_F(ProxyChoiceTest, HostsThatAreListedAreAskedDirectly) {
  variables_.set("all_proxy", "http://all");
  variables_.set("NO_PROXY", "large");
  EXPECT_EQ(proxy_for("http://large/"), "");
  variables_.set("no_proxy", "small");
  EXPECT_EQ(proxy_for("http://large/"), "http://all");
  EXPECT_EQ(proxy_for("https://small:8443/"), "");
}

TEST_F(ProxyChoiceTest, AListedNameStandsForWhatIsBelowIt) {
  for (const std::string list : {"example.com", ".example.com", "EXAMPLE.com.", "a, example.com",
                                 "a example.com", ",,\texample.com,b", "*"}) {
    EXPECT_TRUE(is_direct("example.com", list)) << list;
    EXPECT_TRUE(is_direct("www.example.com", list)) << list;
    EXPECT_TRUE(is_direct("example.com.", list)) << list;
  }
  EXPECT_FALSE(is_direct("nonexample.com", "example.com"));
  EXPECT_FALSE(is_direct("com", "example.com"));
  for (const std::string list : {"", ",", ".", "*.example.com", "*,a", "exam"}) {
    EXPECT_FALSE(is_direct("www.example.com", list)) << list;
  }
}

TEST_F(ProxyChoiceTest, AListedAddressMayBeABlock) {
  EXPECT_TRUE(is_direct("10.1.2.3", "10.1.2.3"));
  EXPECT_TRUE(is_direct("10.1.2.3", "x,10.0.0.0/8"));
  EXPECT_TRUE(is_direct("0x0a.1.2.3", "10.1.2.0/25"));
  EXPECT_TRUE(is_direct("[2001:db8::1]", "2001:db8::/32"));
  EXPECT_TRUE(is_direct("[2001:db8::1]", "[2001:db8:0::1]"));
  EXPECT_FALSE(is_direct("10.1.2.128", "10.1.2.0/25"));
  EXPECT_FALSE(is_direct("11.1.2.3", "10.0.0.0/8"));
  EXPECT_FALSE(is_direct("10.1.2.3", "10.1.2.3/33"));
  EXPECT_FALSE(is_direct("10.1.2.3", "2.3"));
  EXPECT_FALSE(is_direct("[a01::]", "10.1.0.0/16"));
  EXPECT_FALSE(is_direct("10.example", "10.0.0.0/8"));
}

}  // namespace
}  // namespace quire::net
