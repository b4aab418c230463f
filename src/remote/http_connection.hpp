// What it takes to ask for an object over HTTP, and the source that reads it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/http_client.hpp"
#include "net/retry.hpp"
#include "quire/http_source.hpp"
#include "remote/http_place.hpp"

namespace quire::remote {

struct HttpConnection {
  std::shared_ptr<net::HttpClient> client;
  net::RetryOptions retry;

  // Errors: invalid_argument (headers that are none, certificates that cannot be read), capacity.
  [[nodiscard]] static Result<HttpConnection> with(const HttpSourceOptions& options);
};

// True for a name and value that a request can have: a line's end would begin a header of the giver's choice.
[[nodiscard]] bool is_header(const std::pair<std::string, std::string>& header);

// The object at a place, as `open_http_source` opens it.
[[nodiscard]] Result<std::shared_ptr<const ByteSource>> open_place(
    const HttpConnection& connection, std::shared_ptr<HttpPlace> place,
    const HttpSourceOptions& options);

}  // namespace quire::remote
