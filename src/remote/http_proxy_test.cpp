// Proxies: which requests go through one, and what the URL policy and secrets are worth then.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/proxy_variables_fixture.hpp"
#include "quire/http_source.hpp"
#include "remote/proxy_fixture.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using source::outcome;
using Log = std::vector<std::string>;

class HttpProxyTest : public testing::Test {
 protected:
  HttpProxyTest() : model_(source::pattern(10'000)) {
    server().put("object", model_);
    tls_server().folder().put("object", model_);
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
    return {.allow_private_network = true, .ca_file = tls_server().certificate(), .open_bytes = 1};
  }
  static HttpSourceOptions through(const std::string& proxy) {
    auto how = options();
    how.proxy = proxy;
    return how;
  }
  static HttpSourceOptions as_environment_says() {
    auto how = options();
    how.proxy_from_environment = true;
    return how;
  }
  // For URLs of strangers.
  static HttpSourceOptions strict(HttpSourceOptions how) {
    how.allow_private_network = false;
    how.max_tries = 1;
    return how;
  }
  // The server's object, by another name of its host: the proxy knows those below ".example".
  static std::string url_at(const std::string& host, const std::string& query = "") {
    const std::string url = "http://" + host + ":" + std::to_string(server().port()) + "/object";
    return query.empty() ? url : url + "?" + query;
  }
  // Opens and reads an object: "right", or what was wrong.
  std::string read(const std::string& url, const HttpSourceOptions& how) {
    const auto source = open_http_source(url, how);
    if (!source) {
      message_ = source.error().message();
      return code_of(source);
    }
    return outcome((*source)->read(1000, 100)) == model_.substr(1000, 100) ? "right" : "WRONG";
  }

  const std::string model_;
  std::string message_;  // of the last error
  const net::ProxyVariables variables_;
  const ProxyServer proxy_;
};

// --- Which requests go through it

TEST_F(HttpProxyTest, TheEnvironmentsProxyIsNotUsedUnlessAskedFor) {
  for (const char* name :
       {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    variables_.set(name, proxy_.url());
  }
  EXPECT_EQ(read(server().url("object"), options()), "right");
  EXPECT_EQ(read(tls_server().tls_url("object"), options()), "right");
  EXPECT_EQ(proxy_.log(), Log());
}

TEST_F(HttpProxyTest, EachRequestGoesThroughTheProxyThatIsGiven) {
  EXPECT_EQ(read(server().url("object"), through(proxy_.url())), "right");
  const std::string request = "GET " + server().url("object") + " -";
  EXPECT_EQ(proxy_.log(), Log({request, request}));
}

TEST_F(HttpProxyTest, TlsGoesThroughATunnelAndIsChecked) {
  const std::string url = tls_server().tls_url("object");
  EXPECT_EQ(read(url, through(proxy_.url())), "right");
  const std::string host = url.substr(8, url.rfind('/') - 8);
  EXPECT_EQ(proxy_.log(), Log({"CONNECT " + host + " -"}));
  auto other_authorities = through(proxy_.url());
  other_authorities.ca_file = "";
  EXPECT_EQ(read(url, other_authorities), "network");
  EXPECT_EQ(read(tls_server().tls_url("object", "127.0.0.1"), through(proxy_.url())), "network");
}

TEST_F(HttpProxyTest, TheEnvironmentsProxyIsUsedWhereAskedFor) {
  variables_.set("http_proxy", proxy_.url());
  EXPECT_EQ(read(server().url("object"), as_environment_says()), "right");
  EXPECT_EQ(proxy_.log().size(), 2U);
  EXPECT_EQ(read(tls_server().tls_url("object"), as_environment_says()), "right");
  EXPECT_EQ(proxy_.log().size(), 2U) << "there is none for https";
  variables_.set("https_proxy", proxy_.url());
  EXPECT_EQ(read(tls_server().tls_url("object"), as_environment_says()), "right");
  EXPECT_EQ(proxy_.log().size(), 3U);
}

TEST_F(HttpProxyTest, TheEnvironmentIsReadAtEachOpening) {
  variables_.set("http_proxy", proxy_.url());
  const auto first = open_http_source(server().url("object"), as_environment_says()).value();
  const ProxyServer other;
  variables_.set("http_proxy", other.url());
  EXPECT_EQ(read(server().url("object"), as_environment_says()), "right");
  EXPECT_EQ(proxy_.log().size(), 1U);
  EXPECT_EQ(other.log().size(), 2U);
}

TEST_F(HttpProxyTest, HostsOfNoProxyAreAskedDirectly) {
  variables_.set("http_proxy", proxy_.url());
  variables_.set("no_proxy", "localhost, 127.0.0.0/8");
  EXPECT_EQ(read(server().url("object"), as_environment_says()), "right");
  EXPECT_EQ(read(url_at("localhost"), as_environment_says()), "right");
  EXPECT_EQ(proxy_.log(), Log());
}

TEST_F(HttpProxyTest, TheProxyThatIsGivenCountsBeforeTheEnvironment) {
  variables_.set("http_proxy", "http://127.0.0.1:1");
  variables_.set("no_proxy", "*");
  auto how = as_environment_says();
  how.proxy = proxy_.url();
  EXPECT_EQ(read(server().url("object"), how), "right");
  EXPECT_EQ(proxy_.log().size(), 2U);
}

// --- Secrets

TEST_F(HttpProxyTest, UserAndPasswordOfTheProxyAreSentToIt) {
  const ProxyServer proxy("me:geheim");
  EXPECT_EQ(read(server().url("object"), through(proxy.url("me:geheim"))), "right");
  EXPECT_EQ(read(tls_server().tls_url("object"), through(proxy.url("me:geheim"))), "right");
  EXPECT_EQ(proxy.log().size(), 3U);
}

TEST_F(HttpProxyTest, AProxyThatRefusesIsNotAskedAgainAndTheErrorShowsNoSecret) {
  const ProxyServer proxy("me:geheim");
  for (const std::string& url : {server().url("object"), tls_server().tls_url("object")}) {
    EXPECT_EQ(read(url, through(proxy.url("hidden:hidden"))), "unauthenticated");
    EXPECT_NE(message_.find("proxy says 407"), std::string::npos) << message_;
    EXPECT_EQ(message_.find("hidden"), std::string::npos) << message_;
  }
  EXPECT_EQ(proxy.log().size(), 2U);
}

TEST_F(HttpProxyTest, NoErrorShowsUserAndPasswordOfTheProxy) {
  for (const std::string proxy :
       {"http://hidden:hidden@127.0.0.1:1", "http://hidden:hidden@ /", "http://hidden:hidden@[",
        "hidden:hidden@nowhere.invalid", "nonsense://hidden:hidden@127.0.0.1"}) {
    auto how = through(proxy);
    how.max_tries = 1;
    EXPECT_EQ(read(server().url("object"), how), "network") << proxy;
    EXPECT_EQ(message_.find("hidden"), std::string::npos) << message_;
  }
}

TEST_F(HttpProxyTest, ATunnelsProxySeesNoHeaderOfItsRequests) {
  auto how = through(proxy_.url());
  how.headers = {{"Authorization", "Bearer-secret"}};
  EXPECT_EQ(read(tls_server().tls_url("object"), how), "right");
  ASSERT_EQ(proxy_.log().size(), 1U);
  EXPECT_EQ(proxy_.log().front().find("secret"), std::string::npos);
}

// --- The policy

TEST_F(HttpProxyTest, AProxyMayHaveAnyAddress) {
  EXPECT_EQ(read(url_at("public.example"), strict(through(proxy_.url()))), "right");
  variables_.set("all_proxy", proxy_.url());
  EXPECT_EQ(read(url_at("public.example"), strict(as_environment_says())), "right");
  EXPECT_EQ(proxy_.log().size(), 4U);
}

TEST_F(HttpProxyTest, NoProxyIsAskedForAPrivateAddress) {
  variables_.set("all_proxy", proxy_.url());
  for (const auto& how : {strict(through(proxy_.url())), strict(as_environment_says())}) {
    for (const std::string host : {"127.0.0.1", "0x7f.1", "[::1]", "169.254.169.254"}) {
      EXPECT_EQ(read(url_at(host), how), "denied_by_policy") << host;
    }
    EXPECT_EQ(proxy_.log(), Log());
  }
}

TEST_F(HttpProxyTest, WhatIsAskedDirectlyIsCheckedAsWithoutAProxy) {
  variables_.set("all_proxy", proxy_.url());
  variables_.set("no_proxy", "localhost,127.0.0.1");
  const auto how = strict(as_environment_says());
  // Of the same client, and with a connection to the proxy that is open.
  const auto source = open_http_source(url_at("public.example"), how).value();
  for (const std::string& url :
       {url_at("localhost"), url_at("127.0.0.1"), proxy_.url() + "/__log"}) {
    EXPECT_EQ(read(url, how), "denied_by_policy") << url;
  }
}

TEST_F(HttpProxyTest, NoRedirectLeadsPastThePolicy) {
  variables_.set("all_proxy", proxy_.url());
  variables_.set("no_proxy", "localhost");
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const std::string to = "fault=redirect&to=" + url_at(host);
    EXPECT_EQ(read(url_at("public.example", to), strict(as_environment_says())), "denied_by_policy")
        << host;
  }
  EXPECT_EQ(proxy_.log().size(), 2U);
}

}  // namespace
}  // namespace quire::remote
