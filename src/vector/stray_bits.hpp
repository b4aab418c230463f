// Rows of single bits end in the middle of a byte: the rest of it is zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/element_type.hpp"

namespace quire::vector {

// True if a bit of `rows`, dense rows of `type`, is no element and yet not zero.
[[nodiscard]] inline bool has_stray_bits(ElementType type, std::uint32_t dimension,
                                         std::span<const std::byte> rows) noexcept {
  if (type != ElementType::b1 || dimension % 8 == 0) return false;
  const std::size_t stride = row_bytes(type, dimension);
  const auto stray = std::byte{0xFF} << static_cast<int>(dimension % 8);
  for (std::size_t at = stride - 1; at < rows.size(); at += stride) {
    if ((rows[at] & stray) != std::byte{0}) return true;
  }
  return false;
}

}  // namespace quire::vector
