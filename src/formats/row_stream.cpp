#include "formats/row_stream.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/little_endian.hpp"
#include "base/try.hpp"

namespace quire::formats {

namespace {

std::size_t rows_per_block(const RowLayout& layout, std::size_t block_bytes) {
  const std::size_t fitting = std::max<std::size_t>(1, block_bytes / layout.stride());
  return static_cast<std::size_t>(std::min<std::uint64_t>(fitting, layout.rows));
}

}  // namespace

RowStream::RowStream(std::unique_ptr<Input> input, const RowLayout& layout, std::size_t block_bytes)
    : input_(std::move(input)), layout_(layout), block_rows_(rows_per_block(layout, block_bytes)) {}

Result<std::span<const std::byte>> RowStream::next(std::size_t max_rows) {
  if (max_rows == 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "read")
                               .with_path(input_->path())
                               .with_detail("max_rows is 0; no rows would look like the end"));
  }
  const std::uint64_t left = layout_.rows - position_;
  const std::size_t count =
      std::min(max_rows, static_cast<std::size_t>(std::min<std::uint64_t>(block_rows_, left)));
  if (held_ < count) QUIRE_CHECK(refill());

  const std::span<const std::byte> rows(buffer_.get() + held_at_, count * layout_.row_bytes());
  held_at_ += rows.size();
  held_ -= count;
  position_ += count;
  return rows;
}

Result<void> RowStream::seek(std::uint64_t row) {
  if (row > layout_.rows) {
    return std::unexpected(
        Error(ErrorCode::out_of_range, "seek")
            .with_path(input_->path())
            .with_detail("row " + std::to_string(row) + " of " + std::to_string(layout_.rows)));
  }
  position_ = row;
  held_at_ = 0;
  held_ = 0;
  return {};
}

// Fills the block: moves the held rows to its front and reads what fits behind them. On an error
// the held rows are held still.
Result<void> RowStream::refill() {
  if (!buffer_) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(block_rows_ * layout_.stride());
  }
  const std::size_t held_bytes = held_ * layout_.row_bytes();
  std::memmove(buffer_.get(), buffer_.get() + held_at_, held_bytes);
  held_at_ = 0;

  const std::uint64_t first = position_ + held_;
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(block_rows_ - held_, layout_.rows - first));
  std::byte* const rows = buffer_.get() + held_bytes;
  QUIRE_CHECK(input_->read_exactly(layout_.offset_of(first), {rows, count * layout_.stride()}));
  QUIRE_CHECK(make_dense(rows, count, first));
  held_ += count;
  return {};
}

// Checks the prefixes of `count` rows as they are in the file and moves the rows together over
// them.
Result<void> RowStream::make_dense(std::byte* rows, std::size_t count,
                                   std::uint64_t first_row) const {
  if (layout_.prefix_bytes == 0) return {};
  const std::size_t stride = layout_.stride();
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const std::byte> row(rows + i * stride, stride);
    const auto columns = base::load_le<std::int32_t>(row, 0);
    if (columns != static_cast<std::int32_t>(layout_.columns)) {
      const std::uint64_t offset = layout_.offset_of(first_row + i);
      return std::unexpected(Error(ErrorCode::corrupt, "read")
                                 .with_path(input_->path())
                                 .with_range({offset, layout_.prefix_bytes})
                                 .with_detail("row " + std::to_string(first_row + i) + " at byte " +
                                              std::to_string(offset) + " has dimension " +
                                              std::to_string(columns) + ", row 0 has " +
                                              std::to_string(layout_.columns)));
    }
    std::memmove(rows + i * layout_.row_bytes(), row.data() + layout_.prefix_bytes,
                 layout_.row_bytes());
  }
  return {};
}

}  // namespace quire::formats
