// HttpClient: requests side by side, over connections that are used again, by one thread (libcurl's multi interface).
//
// Invariants:
//   1. Only the client's thread touches libcurl's handles, and the exchanges that are under way.
//   2. An exchange belongs to whoever starts it until `start`, then to the client's thread until its on_done, which is
//      called once, whatever happens; afterwards the client knows it no more.
//   3. Connections are used again only inside one client, and all its exchanges have one policy: a connection that a lax
//      policy allowed serves no strict one.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "net/http_exchange.hpp"

namespace quire::net {

struct HttpClientOptions {
  // Else a connection to an address that is not public fails with denied_by_policy.
  bool allow_private_network = false;
  bool http2 = false;      // over TLS, where the server has it
  std::string proxy = {};  // none unless said, also not from the environment
  // Certificates of authorities, PEM. Empty: what CURL_CA_BUNDLE or SSL_CERT_FILE names, else the system's.
  std::string ca_file = {};
  std::string client_certificate = {};  // PEM
  std::string client_key = {};          // PEM
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds stall_timeout{30'000};  // without a byte
  unsigned max_connections = 64;  // so many exchanges at once; the others wait for their turn
  // Answers instead of name servers: "host:port:address", as libcurl's CURLOPT_RESOLVE has them; for tests.
  std::vector<std::string> resolve = {};

  auto operator<=>(const HttpClientOptions&) const = default;
};

// Thread-safe.
class HttpClient {
 public:
  // The process's client with these options, made if there is none. Its thread ends with the last user.
  // Errors: capacity (no thread, no memory), invalid_argument (a certificate file that is not there).
  [[nodiscard]] static Result<std::shared_ptr<HttpClient>> with(const HttpClientOptions& options);

  // Cancels what is under way, and returns when all is done. Not on the client's thread.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Begins an exchange, and returns at once.
  void start(std::shared_ptr<HttpExchange> exchange) QUIRE_EXCLUDES(mutex_);
  // Ends it soon, with `cancelled`, if it is still under way.
  void cancel(std::shared_ptr<HttpExchange> exchange) QUIRE_EXCLUDES(mutex_);

 private:
  class Engine;

  explicit HttpClient(const HttpClientOptions& options);

  const HttpClientOptions options_;
  const std::unique_ptr<Engine> engine_;  // the thread's
  base::Mutex mutex_;
  std::deque<std::shared_ptr<HttpExchange>> starting_ QUIRE_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<HttpExchange>> cancelling_ QUIRE_GUARDED_BY(mutex_);
  bool stopping_ QUIRE_GUARDED_BY(mutex_) = false;
  std::thread thread_;

  friend class Engine;
};

}  // namespace quire::net
