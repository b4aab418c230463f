// ReadView: a VectorStore at one moment, read in place.
//
//     quire::ReadView view = store.view();
//     if (auto row = view.find<float>(42)) use(*row);      // std::span<const float>, no copy
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/metric.hpp"
#include "quire/progress_callback.hpp"
#include "quire/vector_ref.hpp"

namespace quire {

namespace vector {
struct ViewState;
struct StoreAccess;
}  // namespace vector

inline namespace v0 {

// The store at one moment: what it shows does not change while it lives, whatever is written beside.
//
// Thread-safe. Holds the files' maps, so spans from it stay valid as long as it (or a copy of it)
// lives, even after the store object is gone. Cheap to copy. A view that is never dropped keeps
// memory and, later, replaced files.
//
// Spans are plain memory: if someone else cuts or replaces the store's files, touching them may raise
// SIGBUS. `VectorStore::get`, `nearest` and `verify` are guarded and return an error instead. Spans
// are not compared with their checksums; `get` is.
class QUIRE_EXPORT ReadView {
 public:
  ReadView(const ReadView&);
  ReadView& operator=(const ReadView&);
  ReadView(ReadView&&) noexcept;
  ReadView& operator=(ReadView&&) noexcept;
  ~ReadView();

  // Number of vectors.
  std::uint64_t size() const noexcept;
  std::uint32_t dimension() const noexcept;
  ElementType element_type() const noexcept;
  // Number of the last batch in the view.
  std::uint64_t lsn() const noexcept;

  // The bytes of the vector under `id`; no copy, no lock, no allocation.
  // Errors: not_found.
  [[nodiscard]] Result<std::span<const std::byte>> find_bytes(std::uint64_t id) const noexcept;

  // The vector under `id` as elements. Errors: not_found; mismatch if T is not the element type.
  template <Element T>
  [[nodiscard]] Result<std::span<const T>> find(std::uint64_t id) const noexcept {
    if (element_type_of<T> != element_type()) {
      return std::unexpected(Error(ErrorCode::mismatch, "find"));
    }
    auto bytes = find_bytes(id);
    if (!bytes) return std::unexpected(bytes.error());
    return std::span(reinterpret_cast<const T*>(bytes->data()), dimension());
  }

  [[nodiscard]] bool contains(std::uint64_t id) const noexcept {
    return find_bytes(id).has_value();
  }

  // Every id, ascending.
  [[nodiscard]] std::vector<std::uint64_t> ids() const;

  // The `k` nearest vectors for each of the queries, dense rows in `queries`: exact, over all rows, on
  // all cores. Nearest first, equal distances by lower id; fewer than k where the view has fewer
  // vectors. Distances of u8 vectors are exact for l2 and ip; f32 ones are summed in single precision.
  // A stored vector whose distance is a NaN, as when it holds one or infinities, is nobody's neighbour.
  // Errors: invalid_argument (k of 0; no whole number of rows; a NaN in a query), mismatch (element
  // type), truncated or io (a page of the rows cannot be read).
  [[nodiscard]] Result<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, Metric metric = Metric::l2,
      const ProgressCallback& progress = {}) const;

 private:
  friend class VectorStore;
  friend struct vector::StoreAccess;
  explicit ReadView(std::shared_ptr<const vector::ViewState> state) noexcept;
  std::shared_ptr<const vector::ViewState> state_;
};

}  // namespace v0
}  // namespace quire
