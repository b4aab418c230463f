// What goes to an HTTP server, and what comes back.
#pragma once

#include <atomic>
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
  HttpHeaders headers = {};
  // Of put and post. Must stay as it is until the exchange is done.
  std::span<const std::byte> body = {};
};

// Status and headers of an answer.
class HttpHead {
 public:
  int status = 0;
  bool is_http2 = false;
  HttpHeaders headers;

  // The value of the first header of that name, in any case.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
  // True if the body's end can be told from a connection that broke.
  bool tells_end() const noexcept;
  // Content-Length, if it is there and a number.
  std::optional<std::uint64_t> content_length() const noexcept;
};

// How an exchange ended.
struct HttpOutcome {
  // Errors: network, timeout, denied_by_policy, cancelled, capacity.
  Result<void> result;
  // True if the same request may succeed later.
  bool may_pass = false;
  // From Retry-After, in seconds; at most a day.
  std::optional<std::int64_t> retry_after = std::nullopt;
  unsigned most_tries = 0;  // where fewer are worth it; 0: as many as one likes
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

  // Asks for its end; whoever runs it looks. Thread-safe.
  void want_cancel() noexcept { cancel_is_wanted_.store(true, std::memory_order_relaxed); }
  bool cancel_is_wanted() const noexcept {
    return cancel_is_wanted_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> cancel_is_wanted_ = false;
};

}  // namespace quire::net
