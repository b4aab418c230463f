// The Content-Range header: which bytes of an object an answer holds (RFC 9110, 14.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quire/byte_range.hpp"

namespace quire::net {

// What the header says. "bytes */100": no range; "bytes 0-9/*": no size.
struct ContentRange {
  std::optional<ByteRange> range;
  std::optional<std::uint64_t> size;  // of the whole object

  // Nothing if the text is not of that form, or says what cannot be.
  [[nodiscard]] static std::optional<ContentRange> parse(std::string_view text) noexcept;
};

}  // namespace quire::net
