// ViewRow, RowMatrix, IdChange: what a ReadView gives when it is asked for more than one vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// A vector of a view.
struct ViewRow {
  std::uint64_t id = 0;
  std::uint64_t lsn = 0;  // number of the batch that put it
  std::uint64_t row = 0;  // where it is in the RowMatrix
  std::span<const std::byte> bytes;
};

// Is given a vector; says whether to go on.
using RowVisitor = std::function<bool(const ViewRow&)>;

// All rows of a view as one matrix in memory, for code that computes over whole matrices: FAISS, USearch,
// BLAS. No row is copied.
//
//     const quire::RowMatrix matrix = view.rows();
//     const faiss::IDSelectorBitmap live(matrix.live.size(), matrix.live.data());
//     search(*matrix.elements<float>(), live);           // a neighbour r is the vector matrix.ids[r]
//
// Thread-compatible. The bytes are those of the view that it came from: valid as long as that, or a copy
// of it, lives, and as little guarded as its other spans.
struct RowMatrix {
  // Rows one behind the other, each `stride` bytes; the first is row 0. Rows that are not live hold what
  // was removed or replaced, or anything: their bytes may be read, and mean nothing.
  std::span<const std::byte> bytes;
  std::size_t stride = 0;
  // ids[r] is the id of row r; 0 where the row is not live.
  std::vector<std::uint64_t> ids;
  // Bit r % 8, counted from the lowest, of byte r / 8 says whether row r is live. Bits beyond are zero.
  std::vector<std::uint8_t> live;
  ElementType element_type = ElementType::f32;

  // Number of rows, live or not.
  std::size_t size() const noexcept { return ids.size(); }
  // REQUIRES: row < size().
  bool is_live(std::size_t row) const noexcept { return ((live[row / 8] >> (row % 8)) & 1U) != 0; }
  // The matrix as elements, row after row. Errors: mismatch if T is not the element type.
  template <Element T>
  [[nodiscard]] Result<std::span<const T>> elements() const noexcept {
    if (element_type_of<T> != element_type) {
      return std::unexpected(Error(ErrorCode::mismatch, "elements"));
    }
    return std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
  }
};

// What became of an id.
struct IdChange {
  std::uint64_t id = 0;
  std::uint64_t lsn = 0;  // number of the last batch that put or removed it
  bool removed = false;   // by that batch
  friend bool operator==(const IdChange&, const IdChange&) = default;
};

}  // namespace v0
}  // namespace quire
