// A byte source over HTTP and HTTPS: ranges of an object on a web server, read as a file is.
//
//     auto source = quire::open_http_source("https://data.example/photos.quire");
//     if (!source) return report(source.error());
//     auto header = (*source)->read(0, 4096);          // no request: opening read it already
//     auto rows = (*source)->read_many(ranges);        // near ranges together, far ones side by side
//
// What networks and servers do wrong becomes an error or nothing at all: a body that breaks off goes on where it stopped,
// what passes is tried again, and an answer is taken only if it says that it is the range, of the version, that was asked for.
//
// A URL from a stranger is safe to open: by default no connection is made to an address that is not public, wherever
// redirects and name servers point. `allow_private_network` is for one's own servers.
//
// Part of the library quire::remote.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/byte_source.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which it is explained.
struct HttpSourceOptions {
  // Sent with each request to the URL's own scheme, host and port, and not to where it redirects: Authorization and the
  // like. User and password in the URL are sent as Basic authorization.
  std::vector<std::pair<std::string, std::string>> headers = {};

  // Allows connections to loopback, private and other addresses that are not of the public internet.
  bool allow_private_network = false;
  // Through a proxy only addresses that stand in the URL itself can be checked: the proxy looks names up.
  std::string proxy = {};  // "http://host:port", or with user:password@ before the host
  // The proxy that the environment names at opening, as libcurl reads it: http_proxy, https_proxy, all_proxy, no_proxy. Not
  // asked unless this is set, and not if `proxy` is.
  bool proxy_from_environment = false;
  bool http2 = false;  // over TLS, where the server has it
  std::string ca_file =
      {};  // PEM. Empty: what CURL_CA_BUNDLE or SSL_CERT_FILE names, else the system's
  std::string client_certificate = {};  // PEM
  std::string client_key = {};          // PEM

  // Allows an object of which the server tells no version (neither ETag nor Last-Modified): that it was replaced by
  // another of the same size is not noticed then.
  bool allow_unpinned = false;
  // An object of at most so many bytes is read whole at opening if the server gives no ranges.
  std::uint64_t max_whole_bytes = 0;
  // Opening reads so many bytes and keeps them; from the end of the object, if asked for.
  std::uint64_t open_bytes = std::uint64_t{64} << 10;
  bool open_at_end = false;

  // read_many reads ranges with a gap of at most this together,
  std::uint64_t max_gap = std::uint64_t{1} << 20;
  // at most so many bytes at once (longer ranges are cut into such pieces),
  std::uint64_t max_request_bytes = std::uint64_t{16} << 20;
  // and so many requests side by side.
  unsigned max_in_flight = 32;

  std::chrono::milliseconds connect_timeout{5'000};  // of a connection
  std::chrono::milliseconds stall_timeout{30'000};   // without a byte
  // Connections that break, time out or answer 408, 429 or 5xx are tried again: so often in a row without
  // progress, for so long. Waits double from 0.1 s to 15 s, with full jitter; a Retry-After up to 30 s is obeyed.
  unsigned max_tries = 10;
  std::chrono::milliseconds max_retry_time{180'000};

  // For opening itself.
  ReadOptions opening = {};
};

// The object at an http or https URL. It is pinned by its ETag (strong), else by a weak ETag or its date (compared), else
// refused; every answer is compared with it, and one that differs is `changed`. Opening is one request. Redirects are followed, at
// most 5, never from https to http; a permanent one is remembered.
//
// Errors: invalid_argument (no URL), unsupported (another scheme; a server without ranges or versions),
// denied_by_policy (an address that is not public, a redirect to http), not_found, permission, unauthenticated,
// network, timeout, cancelled, capacity. No error shows user, password, headers, or values of the URL's query.
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> open_http_source(
    std::string_view url, const HttpSourceOptions& options = {});

}  // namespace v0
}  // namespace quire
