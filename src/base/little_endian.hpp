// Little-endian integers in byte buffers, and the platform that Quire is written for.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

namespace quire::base {

static_assert(std::endian::native == std::endian::little, "Quire is for little-endian machines");
static_assert(sizeof(void*) == 8, "Quire is for 64-bit machines");

// REQUIRES: offset + sizeof(T) <= bytes.size().
template <std::integral T>
[[nodiscard]] T load_le(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// REQUIRES: offset + sizeof(T) <= bytes.size().
template <std::integral T>
void store_le(std::span<std::byte> bytes, std::size_t offset, T value) noexcept {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace quire::base
