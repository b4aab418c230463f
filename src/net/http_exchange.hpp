// What goes to an HTTP server, and what comes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/url.hpp"
#include "quire/error.hpp"

namespace quire::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

enum class HttpMethod : std::uint8_t { get, head, put, post, del };
[[nodiscard]] std::string_view to_string(HttpMethod method) noexcept;  // "GET", …, "DELETE"

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  Url url;
  HttpHeaders headers;
  // Of put and post. Must stay as it is until the exchange is done.
  std::span<const std::byte> body = {};
};

// Status and headers of an answer.
class HttpHead {
 public:
  int status = 0;
  HttpHeaders headers;

  // The value of the first header of that name, in any case.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
  // Content-Length, if it is there and a number.
  std::optional<std::uint64_t> content_length() const noexcept;
};

// How an exchange ended.
struct HttpOutcome {
  // Errors: network, timeout, denied_by_policy, cancelled, capacity.
  Result<void> result;
  // True if the same request may succeed later.
  bool may_pass = false;
  // From Retry-After, in seconds.
  std::optional<std::int64_t> retry_after = std::nullopt;
};

// A request, and whoever gets its answer. The client's thread calls these, one after the other; they must be quick.
class HttpExchange {
 public:
  HttpExchange() = default;
  virtual ~HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Called once, when the exchange begins.
  virtual HttpRequest request() = 0;
  // Called once the answer's head is there; not for 1xx. False ends the exchange, well: nothing of the body is wanted.
  virtual bool on_head(const HttpHead& head) = 0;
  // A piece of the body. False ends the exchange, well.
  virtual bool on_body(std::span<const std::byte> piece) = 0;
  // The last call, always made. Must not throw.
  virtual void on_done(HttpOutcome outcome) noexcept = 0;
};

}  // namespace quire::net
