// RowStream: the rows of a file of any layout, dense, a block at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "formats/input.hpp"
#include "formats/row_layout.hpp"
#include "quire/error.hpp"

namespace quire::formats {

// Thread-compatible.
//
// Invariants:
//   1. position_ <= layout_.rows; it is the row that next() returns first.
//   2. buffer_ holds held_ dense rows, the rows from position_ on, beginning at held_at_.
//   3. held_at_ + held_ * row_bytes <= block_rows_ * row_bytes, the rows that were dense once; what
//   a
//      refill reads lies behind the held rows, within block_rows_ * stride bytes.
class RowStream {
 public:
  // REQUIRES: layout comes from count_rows for this file, or has no prefix and no rows.
  // A block has the rows that fit `block_bytes`, at least one; its memory is taken at the first
  // next().
  RowStream(std::unique_ptr<Input> input, const RowLayout& layout, std::size_t block_bytes);

  const RowLayout& layout() const noexcept { return layout_; }
  std::uint64_t position() const noexcept { return position_; }

  // The contracts of VectorFileReader::next and seek.
  [[nodiscard]] Result<std::span<const std::byte>> next(std::size_t max_rows);
  [[nodiscard]] Result<void> seek(std::uint64_t row);

 private:
  Result<void> refill();
  Result<void> make_dense(std::byte* rows, std::size_t count, std::uint64_t first_row) const;

  std::unique_ptr<Input> input_;
  const RowLayout layout_;
  const std::size_t block_rows_;
  std::unique_ptr<std::byte[]> buffer_;
  std::uint64_t position_ = 0;
  std::size_t held_at_ = 0;
  std::size_t held_ = 0;
};

}  // namespace quire::formats
