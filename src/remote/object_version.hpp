// Which version of an object an HTTP answer is of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/http_exchange.hpp"
#include "quire/byte_source.hpp"

namespace quire::remote {

// A value.
struct ObjectVersion {
  std::uint64_t size = 0;
  std::string etag = {};  // as the server wrote it; empty if there was none
  std::string last_modified = {};

  // Of an answer whose object has `size` bytes.
  [[nodiscard]] static ObjectVersion of(const net::HttpHead& head, std::uint64_t size);

  // May be sent in If-Match: servers answer a weak one as if the object had changed.
  bool is_strong() const noexcept { return !etag.empty() && !etag.starts_with("W/"); }
  SourceIdentity identity() const;

  // True if `head` is an answer of this version, as far as it says. A date counts only without an ETag.
  bool is_of(const net::HttpHead& head) const;
};

}  // namespace quire::remote
