// The rows of a vector file in batches of a given number of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quire/vector_files.hpp"

namespace quire::cli {

// Thread-compatible. Borrows the reader. Copies only where a batch is larger than the reader's
// block.
class RowBatches {
 public:
  // `rows` of each batch but the last; 0 for as many as the reader has at hand.
  RowBatches(VectorFileReader& reader, std::uint64_t rows) : reader_(reader), rows_(rows) {}

  // The next batch, dense; empty at the end of the file. Valid until the next call.
  // Errors: as VectorFileReader::next.
  [[nodiscard]] Result<std::span<const std::byte>> next() {
    if (rows_ == 0) return reader_.next();
    auto first = reader_.next(static_cast<std::size_t>(rows_));
    if (!first || is_whole(first->size())) return first;
    buffer_.assign(first->begin(), first->end());
    while (!is_whole(buffer_.size())) {
      const std::uint64_t missing = rows_ - buffer_.size() / reader_.row_bytes();
      auto more = reader_.next(static_cast<std::size_t>(missing));
      if (!more) return more;
      buffer_.insert(buffer_.end(), more->begin(), more->end());
    }
    return std::span<const std::byte>(buffer_);
  }

 private:
  bool is_whole(std::size_t bytes) const {
    return bytes >= rows_ * reader_.row_bytes() || reader_.position() == reader_.rows();
  }

  VectorFileReader& reader_;
  std::uint64_t rows_;
  std::vector<std::byte> buffer_;
};

}  // namespace quire::cli
