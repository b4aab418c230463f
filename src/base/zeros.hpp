// all_zeros: whether bytes were never written, as files that were made long ahead of their use have them.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace quire::base {

// True for no bytes. Compares the bytes with themselves, one further: as fast as memcmp.
inline bool all_zeros(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return true;
  return bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace quire::base
