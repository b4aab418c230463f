// The URL policy where there is a public address to come from: in a network of its own, which only root can make.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "net/http_client.hpp"
#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using source::outcome;

constexpr const char* kPublic =
    "198.20.0.1";  // whoever has it elsewhere: nothing leaves this network

// Puts the calling thread, and what it starts, into a network with a loopback of both kinds of addresses.
bool enter_own_network() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq up{};
  std::memcpy(up.ifr_name, "lo", 3);
  up.ifr_flags = IFF_UP | IFF_RUNNING;
  ifreq address{};
  std::memcpy(address.ifr_name, "lo:1", 5);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  EXPECT_EQ(::inet_pton(AF_INET, kPublic, &in.sin_addr), 1);
  std::memcpy(&address.ifr_addr, &in, sizeof in);
  const bool is_made =
      ::ioctl(socket, SIOCSIFFLAGS, &up) == 0 && ::ioctl(socket, SIOCSIFADDR, &address) == 0;
  ::close(socket);
  return is_made;
}

class HttpPolicyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { has_network_ = enter_own_network(); }
  void SetUp() override {
    if (!has_network_) GTEST_SKIP() << "this root may not make a network of its own";
  }

  HttpPolicyTest() : server_("0.0.0.0") { server_.put("object", model_); }

  std::string url(const std::string& host, const std::string& rest) const {
    return "http://" + host + ":" + std::to_string(server_.port()) + "/" + rest;
  }

  static inline bool has_network_ = false;
  const std::string model_ = source::pattern(10'000);
  const FaultServer server_;
};

TEST_F(HttpPolicyTest, APublicAddressIsRead) {
  const auto source = open_http_source(url(kPublic, "object"));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(outcome((*source)->read(0, 100)), model_.substr(0, 100));
}

TEST_F(HttpPolicyTest, NoRedirectLeadsToAPrivateOne) {
  for (const std::string host :
       {"127.0.0.1", "2130706433", "0.0.0.0", "localhost", "[::1]", "[::ffff:127.0.0.1]"}) {
    for (const std::string code : {"302", "301"}) {
      const std::string to = url(host, "object%3Fkey=" + host);
      const auto source =
          open_http_source(url(kPublic, "object?fault=redirect&code=" + code + "&to=" + to));
      EXPECT_EQ(code_of(source), "denied_by_policy") << host;
    }
  }
}

// Behind the opening: what was public then may lead elsewhere later.
TEST_F(HttpPolicyTest, NoLaterRedirectDoesEither) {
  const auto source = open_http_source(
      url(kPublic, "object?skip=1&fault=redirect&to=" + url("127.0.0.1", "object")),
      {.open_bytes = 1});
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ(code_of((*source)->read(100, 100)), "denied_by_policy");
}

class Ask final : public net::HttpExchange {
 public:
  explicit Ask(const std::string& url) : url_(net::Url::parse(url).value()) {}
  net::HttpRequest request() override {
    return {.method = net::HttpMethod::get, .url = url_, .headers = {}};
  }
  bool on_head(const net::HttpHead& head) override {
    status = head.status;
    return true;
  }
  bool on_body(std::span<const std::byte> /*piece*/) override { return true; }
  void on_done(net::HttpOutcome how) noexcept override {
    outcome = std::move(how);
    done.count_down();
  }

  std::latch done{1};
  int status = 0;
  net::HttpOutcome outcome;

 private:
  const net::Url url_;
};

// A name server that answers otherwise the second time: each connection's address is looked at.
TEST_F(HttpPolicyTest, ANameThatChangesItsAddressDoesNotPass) {
  const std::string name = "rebinding.example:" + std::to_string(server_.port()) + ":";
  for (const auto& [address, expected] : std::vector<std::pair<std::string, std::string>>{
           {kPublic, "ok"}, {"127.0.0.1", "denied_by_policy"}}) {
    const auto client = net::HttpClient::with({.resolve = {name + address}}).value();
    const auto ask = std::make_shared<Ask>(url("rebinding.example", "object"));
    client->start(ask);
    ask->done.wait();
    EXPECT_EQ(code_of(ask->outcome.result), expected) << address;
    EXPECT_EQ(ask->status, expected == "ok" ? 200 : 0) << address;
  }
}

}  // namespace
}  // namespace quire::remote
