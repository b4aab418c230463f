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
#include "quire/nearest_options.hpp"
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

  // The `k` nearest vectors for each of the queries, dense rows in `queries`: exact, over all rows that
  // options.filter lets in, on all cores. Nearest first, equal distances by lower id; fewer than k where
  // there are fewer vectors. Hundreds of queries in one call cost little more than a few.
  //
  // Distances of u8, i8 and b1 are exact for l2, ip and hamming. Those of f32, f16 and bf16 are summed in
  // single precision, in one order: they do not depend on the number of queries, threads or vectors, but may
  // differ in the last bits on another kind of processor. An l2 distance has a relative error below 10^-5,
  // an inner product an error below 10^-5 of the product of both lengths, a cosine one below 2 * 10^-5,
  // unless a length is beyond 10^18 or below 10^-15. A stored vector whose distance is a NaN, as when it
  // holds one or infinities, is nobody's neighbour (but for hamming, where a NaN is one difference).
  //
  // Errors: invalid_argument (k or options.threads of 0; no whole number of rows; a NaN in a query; bits
  // behind the last element of a b1 query), mismatch (element type), truncated or io (a page of the rows
  // cannot be read).
  [[nodiscard]] Result<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, const NearestOptions& options = {}) const;

 private:
  friend class VectorStore;
  friend struct vector::StoreAccess;
  explicit ReadView(std::shared_ptr<const vector::ViewState> state) noexcept;
  std::shared_ptr<const vector::ViewState> state_;
};

}  // namespace v0
}  // namespace quire
