// ByteRange: the bytes [offset, offset + length) of a file or object.
//
// One rule holds everywhere in Quire: a range is inside `size` if `offset <= size` and
// `length <= size - offset`. So an empty range at the very end is valid, and nothing overflows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace quire {
inline namespace v0 {

// A value type. Every range made by `make` ends at or below 2^64 - 1.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  // The range, or nothing if its end does not fit 64 bits.
  static constexpr std::optional<ByteRange> make(std::uint64_t offset,
                                                 std::uint64_t length) noexcept {
    if (length > std::numeric_limits<std::uint64_t>::max() - offset) return std::nullopt;
    return ByteRange{offset, length};
  }

  // One past the last byte; saturates where a hand-made range overflows.
  constexpr std::uint64_t end() const noexcept {
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    return length > kMax - offset ? kMax : offset + length;
  }
  constexpr bool empty() const noexcept { return length == 0; }

  // True if the range lies inside an object of `size` bytes.
  constexpr bool fits(std::uint64_t size) const noexcept {
    return offset <= size && length <= size - offset;
  }
  constexpr bool contains(const ByteRange& other) const noexcept {
    return other.offset >= offset && ByteRange{other.offset - offset, other.length}.fits(length);
  }
  // An empty range overlaps nothing.
  constexpr bool overlaps(const ByteRange& other) const noexcept {
    return !empty() && !other.empty() && offset < other.end() && other.offset < end();
  }
  // The common part; empty, at the larger offset, if there is none.
  constexpr ByteRange intersect(const ByteRange& other) const noexcept {
    const std::uint64_t first = std::max(offset, other.offset);
    const std::uint64_t last = std::min(end(), other.end());
    return {first, last > first ? last - first : 0};
  }

  friend constexpr bool operator==(const ByteRange&, const ByteRange&) noexcept = default;
};

}  // namespace v0
}  // namespace quire
