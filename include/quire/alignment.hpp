// Rounding offsets to powers of two, without wrapping round.
//
//     const auto first_page = quire::align_up(header_bytes, 4096);   // std::optional: it may not fit
//     if (!first_page) return too_large();
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

namespace quire {
inline namespace v0 {

// True for what `alignment` may be below and in the range allocators: a power of two. 1 is none at all,
// 64 the cache line of most machines, 4096 the sector or block of most disks; `page_size()`
// (quire/mapped_memory.hpp) is the page of this machine.
[[nodiscard]] constexpr bool is_alignment(std::uint64_t alignment) noexcept {
  return std::has_single_bit(alignment);
}

// The least multiple of `alignment` that is at least `value`; nothing if it is 2^64 or more, or if
// `alignment` is not a power of two.
[[nodiscard]] constexpr std::optional<std::uint64_t> align_up(std::uint64_t value,
                                                              std::uint64_t alignment) noexcept {
  if (!is_alignment(alignment)) return std::nullopt;
  const std::uint64_t below = alignment - 1;
  if (value > std::numeric_limits<std::uint64_t>::max() - below) return std::nullopt;
  return (value + below) & ~below;
}

// The largest multiple of `alignment` that is at most `value`; nothing if `alignment` is not a power
// of two.
[[nodiscard]] constexpr std::optional<std::uint64_t> align_down(std::uint64_t value,
                                                                std::uint64_t alignment) noexcept {
  if (!is_alignment(alignment)) return std::nullopt;
  return value & ~(alignment - 1);
}

[[nodiscard]] constexpr bool is_aligned(std::uint64_t value, std::uint64_t alignment) noexcept {
  return align_down(value, alignment) == value;
}

}  // namespace v0
}  // namespace quire
