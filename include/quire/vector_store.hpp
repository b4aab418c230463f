// VectorStore: fixed-dimension vectors under 64-bit ids, in one directory, inside your process.
//
// Use it to keep embeddings or descriptors: writes are durable when they return, readers get spans
// into the mapped rows and wait for nobody, and the rows are one dense matrix that any library can
// search in place. It is no server and no approximate index.
//
//     auto store = quire::VectorStore::open_or_create("embeddings", {.dimension = 128});
//     if (!store) return fail(store.error());
//     std::vector<float> vector(128, 0.5F);
//     if (auto put = store->put(42, vector); !put) return fail(put.error());   // durable here
//
//     quire::ReadView view = store->view();                // the store at this moment
//     if (auto row = view.find<float>(42)) use(*row);      // std::span<const float>, no copy
//
// On disk: docs/formats/vector-store.md. What is promised: docs/guarantees.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/metric.hpp"
#include "quire/progress_callback.hpp"
#include "quire/read_view.hpp"
#include "quire/vector_ref.hpp"
#include "quire/vector_store_options.hpp"
#include "quire/vector_store_reports.hpp"
#include "quire/write_batch.hpp"

namespace quire {

namespace vector {
class StoreCore;
struct StoreAccess;
}  // namespace vector

inline namespace v0 {

class BulkLoader;             // quire/bulk_loader.hpp
struct StoreMetricsSnapshot;  // quire/store_metrics.hpp

// Thread-safe: any number of threads may read and write; what writers write at the same
// time is synced together. Move-only; a moved-from
// or closed store returns `closed` from everything that can fail. A closed one gives an empty view;
// view(), recovery(), dimension() and element_type() of a moved-from one must not be called.
//
// One process writes (the others get `busy`); `open_read_only` shows the store at that moment to any
// process, also beside a writer. Not for use across fork().
class QUIRE_EXPORT VectorStore {
 public:
  // Makes a store in `directory`, which must not exist or be empty; its parent must exist. Durable when
  // it returns. Errors: exists (a store or other files are there), not_found (no parent),
  // busy (someone else is creating it), invalid_argument (dimension), unsupported (a network file system; see
  // OpenStoreOptions), no_space, permission, io.
  [[nodiscard]] static Result<VectorStore> create(const std::filesystem::path& directory,
                                                  const VectorStoreOptions& options,
                                                  const OpenStoreOptions& open_options = {});

  // Opens for reading and writing; recovers what a crash left, see recovery().
  // Errors: not_found (no directory, or no store in it), busy (another writer), mismatch, corrupt and
  // truncated (damage that the log cannot repair; no file that counts was changed), format_version, permission,
  // no_space (recovery needs room; nothing is lost), unsupported (a network file system; see OpenStoreOptions), io.
  [[nodiscard]] static Result<VectorStore> open(const std::filesystem::path& directory,
                                                const OpenStoreOptions& options = {});

  // Opens what is there, or creates. An existing store must have the given dimension, element type and
  // durability, else `mismatch`.
  [[nodiscard]] static Result<VectorStore> open_or_create(
      const std::filesystem::path& directory, const VectorStoreOptions& options,
      const OpenStoreOptions& open_options = {});

  // Opens for reading: everything committed until now, and more with each refresh(). Writes nothing, so it works
  // beside a writer, which it does not hold up, and on read-only media. Writes return wrong_mode. Errors: as open, without
  // busy and no_space.
  [[nodiscard]] static Result<VectorStore> open_read_only(const std::filesystem::path& directory,
                                                          const OpenStoreOptions& options = {});

  VectorStore(VectorStore&&) noexcept;
  VectorStore& operator=(VectorStore&&) noexcept;
  VectorStore(const VectorStore&) = delete;
  VectorStore& operator=(const VectorStore&) = delete;
  // Releases without a checkpoint and reports nothing: what is durable stays so, and the next open
  // replays the log. Use close() to checkpoint and to hear of errors.
  ~VectorStore();

  // Stores `vector` under `id`, replacing what was there. When it returns, the vector survives what
  // the store's durability says.
  // Errors, after each of which the old value is still there unless said otherwise: mismatch (dimension, or
  // element type unless OpenStoreOptions::convert), invalid_argument (a NaN to be converted to a type that has
  // none; bits behind the last element of a b1 vector), wrong_mode, no_space (try again when there is room), capacity (2^40 rows), io;
  // outcome_unknown (a sync failed: the batch is whole or absent when the store is opened again; from
  // then on writes return read_only_after_error), closed.
  [[nodiscard]] Result<void> put(std::uint64_t id, VectorRef vector);

  // Stores row i of the matrix `rows` under ids[i], all or nothing; an id that comes twice keeps its
  // last row. An empty batch does nothing. Errors: as put; mismatch if there are not as many rows as ids.
  [[nodiscard]] Result<void> put_batch(std::span<const std::uint64_t> ids, VectorRef rows);

  // Applies a mixed batch, all or nothing. Errors: as put.
  [[nodiscard]] Result<void> write(const WriteBatch& batch);

  // Begins loading by many threads, which write straight to the rows file; include quire/bulk_loader.hpp.
  // Other writes go on beside. Errors: wrong_mode, read_only_after_error, closed.
  [[nodiscard]] Result<BulkLoader> bulk_load(const BulkLoadOptions& options = {});

  // Stores `vector` under `id` if there is none; false if there is one (nothing is written then).
  // Errors: as put.
  [[nodiscard]] Result<bool> put_if_absent(std::uint64_t id, VectorRef vector);

  // Replaces the vector under `id` if the one there was put by batch `lsn` (see ReadView::lsn_of); false if it was
  // replaced or removed since (nothing is written then). Errors: as put; invalid_argument (an `lsn` of 0).
  [[nodiscard]] Result<bool> put_if_unchanged(std::uint64_t id, VectorRef vector,
                                              std::uint64_t lsn);

  // Takes disk space for so many more rows, until the store is closed or compacted. Errors: no_space, capacity, as put.
  [[nodiscard]] Result<void> reserve(std::uint64_t rows);

  // Removes the vector under `id`; false if there was none (nothing is written then). Errors: as put.
  [[nodiscard]] Result<bool> remove(std::uint64_t id);

  // Copies the vector under `id` into `out`, which has room for exactly one, and compares its
  // checksum. Errors: not_found; mismatch (size of out); corrupt (the row is damaged: nothing of it is
  // to be used); truncated, io.
  [[nodiscard]] Result<void> get(std::uint64_t id, std::span<std::byte> out) const;

  // The same as a new vector of elements. Errors: also mismatch if T is not the element type, unless
  // OpenStoreOptions::convert; then invalid_argument where a NaN has no value in T.
  template <Element T>
  [[nodiscard]] Result<std::vector<T>> get(std::uint64_t id) const {
    auto row = get_bytes(id, element_type_of<T>);
    if (!row) return std::unexpected(row.error());
    std::vector<T> elements(row->size() / sizeof(T));
    std::memcpy(elements.data(), row->data(), row->size());
    return elements;
  }

  // Lets a store that was opened read-only show what was committed since: what its writer has acknowledged, or, if it
  // has no writer, everything. False if there is nothing new. Views made before stay as they are. Costs what is new;
  // after a compaction, or when it has missed a whole log, as much as opening. Errors: as open_read_only, and
  // changed (another store has taken the directory); what was shown before goes on being shown.
  [[nodiscard]] Result<bool> refresh();

  // The store as it is now: every write that returned before is in it, and of a read-only one all up to the last
  // refresh().
  [[nodiscard]] ReadView view() const;

  // Raises everything written before to power_loss durability. Errors: outcome_unknown,
  // read_only_after_error, io.
  [[nodiscard]] Result<void> sync();

  // Moves what the log holds into the files that open reads at once, and empties the log. Writers go on meanwhile.
  // Errors: as sync, and no_space (nothing is lost).
  [[nodiscard]] Result<void> checkpoint();

  // Rewrites the store without its dead rows, and gives their disk space back (while views or readers in other
  // processes live that show the old files, when the last of them goes). Readers notice nothing; writers wait for a
  // moment at the end. Done without being asked, too: see OpenStoreOptions::compact_above. Needs disk space for the live
  // rows meanwhile. Errors, nothing being changed: as put; corrupt (a live row is damaged), busy (a bulk load).
  [[nodiscard]] Result<CompactionReport> compact(const ProgressCallback& progress = {});

  // Checkpoints and releases everything; views stay valid. The store is closed whatever is returned, but
  // for `busy`: a bulk loader or rows of it live, and nothing was done.
  [[nodiscard]] Result<void> close();

  // Reads every file of the store and compares every checksum; writers wait while headers and logs
  // are read. What it found is in the report, and so is every part of a file that the device cannot read, and a file that
  // it cannot open; of a log, what comes before such a part is compared. Errors: permission and the like where the system
  // refuses a file. Of a store that was opened read-only, the logs were compared when it was opened, and are not read
  // again.
  // With `cold`, all of it is read past the page cache, the logs of a read-only store too. Each file is synced before that,
  // also by a read-only store, which changes nothing in them; no checkpoint is made. A read-only store that had to take
  // rows from its logs compares those there. Errors: also unsupported (the file system cannot read past its cache;
  // it names the file), and as sync().
  [[nodiscard]] Result<VerifyReport> verify(const ProgressCallback& progress = {},
                                            const VerifyOptions& options = {}) const;

  // What the store is and how full. What it did since it was opened and how fast is metrics(); together
  // they are all the statistics there are.
  [[nodiscard]] Result<StoreInfo> info() const;
  // Latencies, counters and gauges since this handle was opened; include quire/store_metrics.hpp. Looks at
  // the store's files for their size: call it some times a second, not more. Errors: as info.
  [[nodiscard]] Result<StoreMetricsSnapshot> metrics() const;
  // What opening this handle had to do.
  [[nodiscard]] const RecoveryReport& recovery() const noexcept;
  std::uint32_t dimension() const noexcept;
  ElementType element_type() const noexcept;

 private:
  friend struct vector::StoreAccess;
  explicit VectorStore(std::shared_ptr<vector::StoreCore> core) noexcept;
  Result<bool> put_if(std::uint64_t id, VectorRef vector, std::uint64_t lsn);
  Result<std::vector<std::byte>> get_bytes(std::uint64_t id, ElementType type) const;

  std::shared_ptr<vector::StoreCore> core_;  // shared with bulk loads
};

}  // namespace v0
}  // namespace quire
