// HttpClient: requests side by side, over connections that are used again.
//
// Connections are used again only inside one client, and all its exchanges have one policy: a connection that a lax policy
// allowed serves no strict one.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "net/http_exchange.hpp"
#include "net/proxy_choice.hpp"

namespace quire::net {

class HttpEngine;

struct HttpClientOptions {
  // Else a connection to an address that is not public fails with denied_by_policy.
  bool allow_private_network = false;
  bool http2 = false;  // over TLS, where the server has it
  // None unless said, also not from the environment. A proxy may have any address; what is asked for through it is
  // only looked at where the URL names an address.
  ProxyChoice proxy = {};
  // Certificates of authorities, PEM. Empty: what CURL_CA_BUNDLE or SSL_CERT_FILE names, else the system's.
  std::string ca_file = {};
  std::string client_certificate = {};  // PEM
  std::string client_key = {};          // PEM; empty: it is with the certificate
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds stall_timeout{30'000};  // without a byte
  unsigned max_connections = 64;  // so many exchanges at once; the others wait for their turn
  // Answers instead of name servers: "host:port:address", as libcurl's CURLOPT_RESOLVE has them; for tests.
  std::vector<std::string> resolve = {};
  // If there are any: connections to these addresses ("127.0.0.1", "::1", the shortest form) and to no others, whatever
  // they are; then there is no proxy.
  std::vector<std::string> only_addresses = {};

  auto operator<=>(const HttpClientOptions&) const = default;
};

// Thread-safe. Works in a child of fork() too, with connections of its own; what was under way then is the parent's.
class HttpClient {
 public:
  // The process's client with these options, made if there is none. Its thread ends with the last user, which must not be
  // an exchange. Errors: capacity (no thread, no memory), invalid_argument (a certificate file that cannot be read).
  [[nodiscard]] static Result<std::shared_ptr<HttpClient>> with(const HttpClientOptions& options);

  // Cancels what is under way, and returns when all is done.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Begins an exchange, and returns at once. If it throws, which is bad_alloc, nothing has begun.
  void start(const std::shared_ptr<HttpExchange>& exchange) QUIRE_EXCLUDES(mutex_);
  // Ends it soon, with `cancelled`, if it is still under way.
  void cancel(HttpExchange& exchange) noexcept QUIRE_EXCLUDES(mutex_);

 private:
  friend class ClientRegistry;

  explicit HttpClient(const HttpClientOptions& options);
  // Makes a new engine where this one is the parent's.
  Result<void> use_own_engine() QUIRE_REQUIRES(mutex_);

  const HttpClientOptions options_;
  base::Mutex mutex_;
  std::unique_ptr<HttpEngine> engine_ QUIRE_GUARDED_BY(mutex_);
  std::int64_t process_ QUIRE_GUARDED_BY(mutex_);  // whose engine it is
};

}  // namespace quire::net
