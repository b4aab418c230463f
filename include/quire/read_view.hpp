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
#include "quire/view_rows.hpp"

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
// What gives spans asks for a view with a name: `store.view().find<float>(42)` does not compile, since the
// spans would outlive the view.
//
// Spans are plain memory: if someone else cuts or replaces the store's files, touching them may raise
// SIGBUS. `VectorStore::get`, `nearest` and `verify` are guarded and return an error instead. Spans
// are not compared with their checksums; `get` is.
//
// Which call for what: `find` for one vector, `get_many` for a list of ids, `scan` to meet every vector
// once, `rows` to hand all of them to code that computes over a matrix, `changes` to bring something that
// was made of an older view up to date.
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
  [[nodiscard]] Result<std::span<const std::byte>> find_bytes(std::uint64_t id) const& noexcept;
  Result<std::span<const std::byte>> find_bytes(std::uint64_t id) const&& = delete;

  // The vector under `id` as elements. Errors: not_found; mismatch if T is not the element type.
  template <Element T>
  [[nodiscard]] Result<std::span<const T>> find(std::uint64_t id) const& noexcept {
    if (element_type_of<T> != element_type()) {
      return std::unexpected(Error(ErrorCode::mismatch, "find"));
    }
    auto bytes = find_bytes(id);
    if (!bytes) return std::unexpected(bytes.error());
    return std::span(reinterpret_cast<const T*>(bytes->data()), dimension());
  }
  template <Element T>
  Result<std::span<const T>> find(std::uint64_t id) const&& = delete;

  [[nodiscard]] bool contains(std::uint64_t id) const noexcept {
    return find_bytes(id).has_value();
  }

  // The bytes of the vectors under `ids`: out[i] is that of ids[i], empty if there is none. No copy, no
  // lock, no allocation. Faster than one find after the other where rows are not in the processor's
  // caches: the waits for memory overlap. Returns how many were found.
  // Errors: invalid_argument (`out` is not as long as `ids`); nothing is written then.
  [[nodiscard]] Result<std::size_t> get_many(
      std::span<const std::uint64_t> ids,
      std::span<std::span<const std::byte>> out) const& noexcept;
  Result<std::size_t> get_many(std::span<const std::uint64_t> ids,
                               std::span<std::span<const std::byte>> out) const&& = delete;

  // Every id, ascending.
  [[nodiscard]] std::vector<std::uint64_t> ids() const;

  // Shows every vector to `visit` once, in the order of their rows, which is how they lie on disk, until it
  // says to stop. No vector is copied. Takes memory only where a bulk load has written rows before others
  // that were committed earlier: a little for each change of direction.
  void scan(const RowVisitor& visit) const;

  // All rows as one matrix; see RowMatrix. Goes once over what was put and removed, and takes about 8 bytes
  // a row.
  [[nodiscard]] RowMatrix rows() const&;
  RowMatrix rows() const&& = delete;

  // Number of the batch that put the vector under `id`. No lock, no allocation. Errors: not_found.
  [[nodiscard]] Result<std::uint64_t> lsn_of(std::uint64_t id) const noexcept;

  // The state of each id that a batch after `since_lsn` put or removed: the newest that this view shows,
  // each id once, by ascending LSN. An id that was put and removed since is among them, as removed.
  // `since_lsn` is the lsn() of an older view, or 0 for everything. From lsn() on there is nothing.
  // Errors: out_of_range if `since_lsn` is below history_lsn(): the store has forgotten removes since.
  [[nodiscard]] Result<std::vector<IdChange>> changes(std::uint64_t since_lsn) const;
  // The oldest LSN that `changes` can be asked for: a compaction forgets what was before.
  std::uint64_t history_lsn() const noexcept;

  // Reads the pages of all rows, or of the vectors under `ids`, into memory, so that reading them does not
  // wait for the disk nor fault, until the system needs the memory for others. Ids that are absent are
  // left out.
  // Errors: truncated (a page cannot be had: the file was cut or its device failed), capacity (no memory).
  [[nodiscard]] Result<void> prefault() const;
  [[nodiscard]] Result<void> prefault(std::span<const std::uint64_t> ids) const;
  // Asks the system to take the pages of all rows out of memory now, as far as no one else uses them; what
  // is not on disk yet is written first. Changes nothing that can be read; the next read of a page waits
  // for the disk. The system tells only whether it was asked, not what it took.
  // Errors: unsupported (a kernel before 5.4), capacity.
  [[nodiscard]] Result<void> evict() const;

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
