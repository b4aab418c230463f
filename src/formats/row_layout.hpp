// RowLayout: where the rows lie in a file, whatever its format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "quire/error.hpp"

namespace quire::formats {

// Rows begin at first_row_offset and follow each other without gaps. Each is a prefix (in fvecs,
// bvecs and ivecs the int32 count of columns) and `columns` elements. A value type.
//
// A layout that a function of this room returned has 1 to kMaxVectorFileDimension columns; one that
// `count_rows` returned ends exactly where the file ends.
struct RowLayout {
  std::uint64_t first_row_offset = 0;
  std::size_t prefix_bytes = 0;
  std::uint32_t columns = 0;
  std::size_t element_bits = 0;
  // True if the header says how many rows there are; `rows` is then its claim until count_rows has
  // held it against the file.
  bool rows_claimed = false;
  std::uint64_t rows = 0;

  // Bytes of a row's elements, and of a row in the file.
  std::size_t row_bytes() const noexcept { return (columns * element_bits + 7) / 8; }
  std::size_t stride() const noexcept { return prefix_bytes + row_bytes(); }
  // REQUIRES: row <= rows.
  std::uint64_t offset_of(std::uint64_t row) const noexcept {
    return first_row_offset + row * stride();
  }
};

// The layout with `rows` set from the file's real size, in bytes.
// REQUIRES: layout.first_row_offset <= file_size.
// Errors: truncated (the last row is cut, or rows that the header claims are missing), corrupt
// (more rows claimed than 64 bits of bytes hold; bytes behind the last claimed row).
[[nodiscard]] Result<RowLayout> count_rows(RowLayout layout, std::uint64_t file_size,
                                           const std::string& path);

// Errors: invalid_argument if the file has no bytes at all.
[[nodiscard]] Result<void> refuse_empty(std::uint64_t file_size, const std::string& path);

}  // namespace quire::formats
