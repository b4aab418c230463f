#include "net/url.hpp"

#include <gtest/gtest.h>

namespace quire::net {
namespace {

std::string text_of(std::string_view text) {
  const auto url = Url::parse(text);
  return url ? url->text() : std::string(to_string(url.error().code()));
}

std::string host_of(std::string_view text) {
  const auto url = Url::parse(text);
  return url ? url->host() : std::string(to_string(url.error().code()));
}

TEST(UrlTest, TakesAUrlApart) {
  const Url url = Url::parse("HTTPS://me:p%40ss@Example.COM:8443/a/../b%20c?x=1&y=#end").value();
  EXPECT_TRUE(url.is_secure());
  EXPECT_EQ(url.host(), "example.com");
  EXPECT_EQ(url.port(), 8443);
  EXPECT_EQ(url.authority(), "example.com:8443");
  EXPECT_EQ(url.target(), "/a/../b%20c?x=1&y=");
  EXPECT_EQ(url.user(), "me");
  EXPECT_EQ(url.password(), "p@ss");
  EXPECT_EQ(url.text(), "https://example.com:8443/a/../b%20c?x=1&y=");
}

TEST(UrlTest, KnowsWhatIsLeftOut) {
  const Url url = Url::parse("http://example.com").value();
  EXPECT_EQ(url.port(), 80);
  EXPECT_EQ(url.target(), "/");
  EXPECT_EQ(url.authority(), "example.com");
  EXPECT_EQ(url.user(), "");
  EXPECT_EQ(text_of("https://example.com:443?q"), "https://example.com/?q");
}

TEST(UrlTest, WritesAddressesInOneForm) {
  for (const char* text : {"http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/",
                           "http://0177.0.0.1/", "http://127.1/", "http://0x7F000001/"}) {
    EXPECT_EQ(host_of(text), "127.0.0.1") << text;
  }
  EXPECT_EQ(host_of("http://[::1]:80/"), "::1");
  EXPECT_EQ(text_of("http://[2001:DB8::1]:8080/x"), "http://[2001:db8::1]:8080/x");
}

// The host is what stands behind the last '@' before the path, whatever looks like one before it.
TEST(UrlTest, FindsTheHostBehindDeceivingUsers) {
  EXPECT_EQ(host_of("http://public.example@127.0.0.1/"), "127.0.0.1");
  EXPECT_EQ(host_of("http://a.example/@127.0.0.1"), "a.example");
  EXPECT_EQ(host_of("http://a.example?@127.0.0.1/"), "a.example");
  EXPECT_EQ(host_of("http://a.example#@127.0.0.1/"), "a.example");
}

TEST(UrlTest, RefusesWhatIsNoHttpUrl) {
  EXPECT_EQ(text_of("ftp://example.com/x"), "unsupported");
  EXPECT_EQ(text_of("file:///etc/passwd"), "unsupported");
  EXPECT_EQ(text_of("gopher://example.com/"), "unsupported");
  for (const char* text :
       {"", "example.com/x", "/x", "http://", "http:///x", "http://%2531/", "http:/x", "http:x",
        "///x", "http://example.com:0/", "http://example.com:65536/", "http://example.com:x/",
        "http://exa mple.com/", "http://ex\nample.com/", "http://[::1/", "http://[fe80::1%25eth0]/",
        "http://b\xc3\xbc"
        "cher.example/"}) {
    EXPECT_EQ(text_of(text), "invalid_argument") << text;
  }
  EXPECT_EQ(text_of(std::string_view("http://a.example/\0x", 19)), "invalid_argument");
}

TEST(UrlTest, EscapesWhatNoUrlMayHold) {
  EXPECT_EQ(text_of("http://a.example/\xc3\xa9?\xc3\xa9"), "http://a.example/%c3%a9?%c3%a9");
}

TEST(UrlTest, ResolvesLocations) {
  const Url base = Url::parse("https://me:secret@a.example:8443/x/y?q=1").value();
  const auto resolved = [&](std::string_view location) {
    const auto url = base.resolve(location);
    return url ? url->text() : std::string(to_string(url.error().code()));
  };
  EXPECT_EQ(resolved("z"), "https://a.example:8443/x/z");
  EXPECT_EQ(resolved("/z?r=2"), "https://a.example:8443/z?r=2");
  EXPECT_EQ(resolved("//b.example/z"), "https://b.example/z");
  EXPECT_EQ(resolved("http://c.example"), "http://c.example/");
  EXPECT_EQ(resolved("ftp://c.example/"), "unsupported");
  EXPECT_EQ(resolved("z:1"), "invalid_argument");
  EXPECT_EQ(resolved("/z:1"), "https://a.example:8443/z:1");
  EXPECT_EQ(base.resolve("z").value().user(), "") << "who reads there must be said anew";
}

TEST(UrlTest, TellsOriginsApart) {
  const Url url = Url::parse("https://a.example/x").value();
  EXPECT_TRUE(url.has_same_origin(Url::parse("https://A.example:443/y").value()));
  EXPECT_FALSE(url.has_same_origin(Url::parse("http://a.example/x").value()));
  EXPECT_FALSE(url.has_same_origin(Url::parse("https://b.example/x").value()));
  EXPECT_FALSE(url.has_same_origin(Url::parse("https://a.example:444/x").value()));
}

TEST(UrlTest, ShowsNoSecrets) {
  const Url url =
      Url::parse("https://me:secret@a.example/x?X-Amz-Signature=secret&secret&v=secret").value();
  EXPECT_EQ(url.shown(), "https://a.example/x?X-Amz-Signature=…&…&v=…");
  EXPECT_EQ(Url::parse("http://a.example/?c2VjcmV0==&x=").value().shown(), "http://a.example/?…&…");
  EXPECT_EQ(url.text().find("me:"), std::string::npos);
  const auto bad = Url::parse("https://me:secret@a.example:secret/secret?secret");
  EXPECT_EQ(bad.error().message().find("secret"), std::string::npos) << bad.error().message();
}

}  // namespace
}  // namespace quire::net
