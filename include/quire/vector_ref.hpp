// VectorRef: one vector, or a matrix of them, handed to a call.
#pragma once

#include <cstddef>
#include <ranges>
#include <span>

#include "quire/element_type.hpp"

namespace quire {
inline namespace v0 {

// One vector, or a matrix of dense rows, with its element type: made from any contiguous range of an
// Element (float, Float16, BFloat16, std::int8_t, std::uint8_t), or from bytes, as rows of b1 are. Borrows:
// valid while that range is.
class VectorRef {
 public:
  template <std::ranges::contiguous_range R>
    requires Element<std::ranges::range_value_t<R>>
  VectorRef(const R& elements) noexcept  // NOLINT(google-explicit-constructor): it is a view
      : VectorRef(
            element_type_of<std::ranges::range_value_t<R>>,
            std::as_bytes(std::span(std::ranges::data(elements), std::ranges::size(elements)))) {}
  // Elements of `type`, little-endian, in `bytes`; rows of b1 packed as ElementType says.
  VectorRef(ElementType type, std::span<const std::byte> bytes) noexcept
      : bytes_(bytes), type_(type) {}

  ElementType element_type() const noexcept { return type_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  ElementType type_;
};

}  // namespace v0
}  // namespace quire
