// Servers that say nothing before there is a connection: a call ends at its deadline all the same.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "quire/http_source.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Listens on 127.0.0.1 and accepts nobody. The kernel makes connections until its queue is full.
class Deaf {
 public:
  Deaf() : listening_(make_socket(0)) {
    sockaddr_in any = loopback(0);
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(::listen(listening_, 0), 0);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    EXPECT_EQ(::getsockname(listening_, reinterpret_cast<sockaddr*>(&bound), &length), 0);
    port_ = ntohs(bound.sin_port);
  }
  ~Deaf() {
    ::close(listening_);
    for (const int socket : queued_) ::close(socket);
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;

  // No connection to it is made from now on.
  void fill_queue() {
    const sockaddr_in address = loopback(port_);
    for (bool is_full = false; !is_full && queued_.size() < 100;) {
      queued_.push_back(make_socket(SOCK_NONBLOCK));
      std::ignore =
          ::connect(queued_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      pollfd connected{.fd = queued_.back(), .events = POLLOUT, .revents = 0};
      is_full = ::poll(&connected, 1, 200) == 0;
    }
  }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static int make_socket(int flags) {
    return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  }
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  const int listening_;
  int port_ = 0;
  std::vector<int> queued_;
};

class HttpDeadlineTest : public testing::Test {
 protected:
  struct Silence {
    std::string what, url, proxy;
  };

  HttpDeadlineTest() { full_.fill_queue(); }

  std::vector<Silence> silences() const {
    const std::string tls = "https://" + deaf_.authority() + "/object";
    return {{"connect", "http://" + full_.authority() + "/object", ""},
            {"TLS handshake", tls, ""},
            {"connect to a proxy", tls, "http://" + full_.authority()},
            {"tunnel of a proxy", tls, "http://" + deaf_.authority()}};
  }
  // With them nothing but what the test says ends a call.
  static HttpSourceOptions patient(const Silence& silence) {
    return {.allow_private_network = true,
            .proxy = silence.proxy,
            .connect_timeout = std::chrono::hours(1),
            .stall_timeout = std::chrono::hours(1),
            .max_retry_time = std::chrono::hours(1)};
  }

  const Deaf deaf_;
  Deaf full_;
};

TEST_F(HttpDeadlineTest, OpeningGivesUpAtItsDeadline) {
  for (const Silence& silence : silences()) {
    auto how = patient(silence);
    how.opening.deadline = Clock::now() + milliseconds(200);
    EXPECT_EQ(code_of(open_http_source(silence.url, how)), "timeout") << silence.what;
    EXPECT_LT(Clock::now(), *how.opening.deadline + std::chrono::seconds(1)) << silence.what;
  }
}

TEST_F(HttpDeadlineTest, OpeningStopsWhenItIsAsked) {
  for (const Silence& silence : silences()) {
    std::stop_source stop;
    auto how = patient(silence);
    how.opening.stop = stop.get_token();
    const std::jthread stopper([&] {
      std::this_thread::sleep_for(milliseconds(50));
      stop.request_stop();
    });
    EXPECT_EQ(code_of(open_http_source(silence.url, how)), "cancelled") << silence.what;
  }
}

TEST_F(HttpDeadlineTest, AConnectionThatIsNotMadeInItsTimeIsATimeout) {
  for (const Silence& silence : silences()) {
    auto how = patient(silence);
    how.connect_timeout = milliseconds(100);
    how.max_tries = 2;
    const auto source = open_http_source(silence.url, how);
    EXPECT_EQ(code_of(source), "timeout") << silence.what;
    EXPECT_NE(source.error().message().find("try 2"), std::string::npos)
        << source.error().message();
  }
}

}  // namespace
}  // namespace quire::remote
