// The TEXMEX family, fvecs, bvecs and ivecs: each row is its count of columns as int32, then the
// columns. http://corpus-texmex.irisa.fr/ describes the three.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/input.hpp"
#include "formats/row_layout.hpp"
#include "os/atomic_file.hpp"
#include "quire/error.hpp"

namespace quire::formats {

inline constexpr std::size_t kTexmexPrefixBytes = sizeof(std::int32_t);

// The layout that the first row of `file`, of `file_size` bytes, gives to all; rows are not counted
// yet. Errors: invalid_argument (empty), truncated (not even the first count is whole), corrupt
// (the count is outside 1 to kMaxVectorFileDimension), those of reading.
[[nodiscard]] Result<RowLayout> texmex_layout(Input& file, std::uint64_t file_size,
                                              std::size_t element_bits);

// Appends dense rows of `row_bytes` each, with `columns` written before each.
// REQUIRES: rows.size() is a multiple of row_bytes. Errors: those of os::AtomicFile::append.
[[nodiscard]] Result<void> append_texmex_rows(os::AtomicFile& file, std::uint32_t columns,
                                              std::size_t row_bytes,
                                              std::span<const std::byte> rows);

}  // namespace quire::formats
