// Mending: sets a single wrong byte right where a checksum of 64 bits says which byte and what it was.
//
// Every change of one byte is tried, at most 2^16 or so: that one of them fits by chance is less likely than
// 2^-48. So it is no guess; of more than one wrong byte nothing is tried.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "vector/format.hpp"

namespace quire::vector {

// The MANIFEST that `bytes` were before one byte of them changed. It must not be whole.
[[nodiscard]] std::optional<Manifest> mend_manifest(std::span<const std::byte> bytes,
                                                    const std::string& path);

// As SlotEntry::decode, of an entry with one wrong byte.
[[nodiscard]] bool mend_entry(std::span<const std::byte> bytes, std::uint64_t seed,
                              SlotEntry& entry);

struct MendedHeader {
  FileHeader header;
  // False if no checksum says that salt and first LSN are right; records and entries that fit the salt
  // still prove it.
  bool is_proven = false;
};

// The header that stood in `block`, of kHeaderBytes. `known` has all but salt and first LSN.
[[nodiscard]] MendedHeader mend_header(std::span<const std::byte> block, FileHeader known);

}  // namespace quire::vector
