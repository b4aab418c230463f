#include "net/address_policy.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace quire::net {
namespace {

sockaddr_storage address_of(const char* text) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
    storage.ss_family = AF_INET6;
  }
  return storage;
}

bool is_public(const char* text) {
  const sockaddr_storage storage = address_of(text);
  return net::is_public(reinterpret_cast<const sockaddr&>(storage));
}

TEST(AddressPolicyTest, LetsThePublicInternetPass) {
  for (const char* text :
       {"1.1.1.1",         "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.1",
        "169.253.255.255", "169.255.0.0",     "172.15.255.255",  "172.32.0.0",
        "192.0.1.0",       "192.0.3.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",      "198.51.99.255",   "203.0.112.255",
        "203.0.114.0",     "223.255.255.255", "2000::",          "2001:200::1",
        "2001:db7::1",     "2001:db9::1",     "2003::1",         "2606:4700::1111",
        "2a00:1450::1",    "3ffe::1"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

TEST(AddressPolicyTest, RefusesEveryOtherAddress) {
  for (
      const char* text :
      {"0.0.0.0", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.100.100.200",
       "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254",
       "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1",
       "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1",
       "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
       // Unspecified, loopback, and IPv4 inside IPv6: compatible, mapped, NAT64 (both), 6to4, Teredo.
       "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254",
       "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1",
       "2002:7f00:1::", "2001::1", "2001:0:4136:e378::1",
       // Assignments, documentation, unique local, link-local, site-local, multicast, and what is nobody's.
       "2001:1ff::1", "2001:db8::1", "3fff::1", "fc00::1", "fd00::1", "fdff:ffff::1", "fe80::1",
       "febf::1", "fec0::1", "feff::1", "ff02::1", "100::1", "1fff::1", "4000::1", "5f00::1",
       "8000::1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
}

TEST(AddressPolicyTest, RefusesWhatIsNoInternetAddress) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_FALSE(net::is_public(reinterpret_cast<const sockaddr&>(local)));
}

TEST(AddressPolicyTest, KnowsAddressesInText) {
  for (const char* text : {"localhost", "a.localhost", "localhost.", "127.0.0.1", "::1",
                           "169.254.169.254", "fd00::1"}) {
    EXPECT_TRUE(is_private_literal(text)) << text;
  }
  for (const char* text : {"8.8.8.8", "2606:4700::1111", "localhost.example", "mylocalhost",
                           "127.0.0.1.example", ""}) {
    EXPECT_FALSE(is_private_literal(text)) << text;
  }
}

TEST(AddressPolicyTest, NamesAddresses) {
  for (const char* text : {"127.0.0.1", "::1", "2001:db8::1"}) {
    const sockaddr_storage storage = address_of(text);
    EXPECT_EQ(to_text(reinterpret_cast<const sockaddr&>(storage)), text);
  }
}

}  // namespace
}  // namespace quire::net
