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
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/progress_callback.hpp"

namespace quire {

namespace vector {
class StoreCore;
struct ViewState;
struct StoreAccess;
}  // namespace vector

inline namespace v0 {

class BulkLoader;  // quire/bulk_loader.hpp

// What a write that has returned survives. Chosen when a store is made, and kept in it.
enum class Durability : std::uint8_t {
  power_loss = 1,       // the machine losing power
  process_crash = 2,    // the process dying; power loss only after sync()
  checkpoint_only = 3,  // nothing, until sync(), checkpoint() or close()
};
// "power_loss", "process_crash", "checkpoint_only".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(Durability durability) noexcept;
[[nodiscard]] QUIRE_EXPORT std::optional<Durability> durability_from_string(
    std::string_view name) noexcept;

// How far apart two vectors are; a smaller distance is always nearer.
enum class Metric : std::uint8_t {
  l2,             // squared Euclidean: sum of (a - b)^2
  inner_product,  // minus the inner product
  cosine,         // 1 - cosine of the angle; a zero vector is at distance 1 of everything
};
// "l2", "ip", "cosine".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(Metric metric) noexcept;
[[nodiscard]] QUIRE_EXPORT std::optional<Metric> metric_from_string(std::string_view name) noexcept;

// One vector, or a matrix of dense rows, with its element type: made from any contiguous range of
// float or std::uint8_t. Borrows: valid while that range is.
class VectorRef {
 public:
  template <std::ranges::contiguous_range R>
    requires Element<std::ranges::range_value_t<R>>
  VectorRef(const R& elements) noexcept  // NOLINT(google-explicit-constructor): it is a view
      : VectorRef(
            element_type_of<std::ranges::range_value_t<R>>,
            std::as_bytes(std::span(std::ranges::data(elements), std::ranges::size(elements)))) {}
  // Elements of `type`, little-endian, in `bytes`.
  VectorRef(ElementType type, std::span<const std::byte> bytes) noexcept
      : bytes_(bytes), type_(type) {}

  ElementType element_type() const noexcept { return type_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  ElementType type_;
};

// Limits of the format.
inline constexpr std::uint32_t kMaxDimension = 65'536;
inline constexpr std::uint64_t kMaxRows = std::uint64_t{1} << 40;

// What a new store is. The first three are kept in its files.
struct VectorStoreOptions {
  std::uint32_t dimension = 0;  // elements of a vector, 1 to kMaxDimension
  ElementType element_type = ElementType::f32;
  Durability durability = Durability::power_loss;
};

// How to open a store. What is given must equal what the store was made with, else `mismatch`.
struct OpenStoreOptions {
  std::optional<std::uint32_t> dimension = {};
  std::optional<ElementType> element_type = {};
  std::optional<Durability> durability = {};
  // A write checkpoints when the log has grown to this many bytes.
  std::uint64_t checkpoint_log_bytes = std::uint64_t{64} << 20;
  // A batch with at least this many bytes of vectors goes to the rows file at once instead of through
  // the log: two syncs instead of one, but no byte is written twice.
  std::uint64_t direct_batch_bytes = std::uint64_t{1} << 20;
};

// How to load by many threads; see quire/bulk_loader.hpp.
struct BulkLoadOptions {
  // Rows that will be claimed, if it is known: the first claim takes disk space for all of them.
  std::uint64_t expected_rows = 0;
  // Disk space is taken for so many bytes of rows at once, or for one claim if that is more. What is not
  // used goes back when the last load ends, unless other writes have gone behind it.
  std::uint64_t block_bytes = std::uint64_t{64} << 20;
};

// What the store is and how full.
struct StoreInfo {
  std::uint32_t dimension = 0;
  ElementType element_type = ElementType::f32;
  Durability durability = Durability::power_loss;
  std::uint32_t format_version = 0;
  std::uint64_t generation = 0;
  std::uint64_t rows = 0;            // live ids
  std::uint64_t lsn = 0;             // number of the last batch
  std::uint64_t checkpoint_lsn = 0;  // the last batch in the checkpoint
  std::uint64_t log_bytes = 0;       // what an open after a crash would replay
  std::uint64_t bytes_on_disk = 0;   // allocated, all files of the store
  double fragmentation = 0;          // dead rows over all rows; 0 for a store without rows
};

// What opening had to do after a crash.
struct RecoveryReport {
  std::uint64_t replayed_batches = 0;
  // A torn tail of the log that was not acknowledged as durable and was dropped: how much, and where.
  std::uint64_t dropped_bytes = 0;
  std::string dropped_from;
  // Files of unfinished operations that were removed.
  std::vector<std::string> removed_files;
};

// One place where a store is damaged.
struct Damage {
  std::string file;
  ByteRange range;
  std::string what;
  std::optional<std::uint64_t> id;  // the vector it belongs to, where there is one
};

struct VerifyReport {
  std::uint64_t rows = 0;  // live rows whose checksums were compared
  std::vector<Damage> damaged;
  bool ok() const noexcept { return damaged.empty(); }
};

// A neighbour found by `nearest`.
struct Neighbour {
  std::uint64_t id = 0;
  double distance = 0;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

// Puts and removes that become visible and durable together or not at all, applied in order: of
// several for one id the last counts. Copies the vectors. Single-thread.
class QUIRE_EXPORT WriteBatch {
 public:
  void put(std::uint64_t id, VectorRef vector);
  void remove(std::uint64_t id);
  void clear() noexcept;
  std::size_t size() const noexcept { return operations_.size(); }
  bool empty() const noexcept { return operations_.empty(); }

 private:
  friend class VectorStore;
  struct Operation {
    std::uint64_t id;
    std::size_t offset;  // of the vector in bytes_
    std::size_t length;
    ElementType type;
    bool is_put;
  };
  std::vector<Operation> operations_;
  std::vector<std::byte> bytes_;
};

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

// Thread-safe: any number of threads may read and write; writers take turns. Move-only; a moved-from
// or closed store returns `closed` from everything that can fail. A closed one gives an empty view;
// view(), recovery(), dimension() and element_type() of a moved-from one must not be called.
//
// One process writes (the others get `busy`); `open_read_only` shows the store at that moment to any
// process, also beside a writer. Not for use across fork().
class QUIRE_EXPORT VectorStore {
 public:
  // Makes a store in `directory`, which must not exist or be empty; its parent must exist. Durable when
  // it returns. Errors: exists (a store or other files are there), not_found (no parent),
  // busy (someone else is creating it), invalid_argument (dimension), no_space, permission, io.
  [[nodiscard]] static Result<VectorStore> create(const std::filesystem::path& directory,
                                                  const VectorStoreOptions& options,
                                                  const OpenStoreOptions& open_options = {});

  // Opens for reading and writing; recovers what a crash left, see recovery().
  // Errors: not_found (no directory, or no store in it), busy (another writer), mismatch, corrupt and
  // truncated (damage that the log cannot repair; nothing was changed), format_version, permission,
  // no_space (recovery needs room; nothing is lost), io.
  [[nodiscard]] static Result<VectorStore> open(const std::filesystem::path& directory,
                                                const OpenStoreOptions& options = {});

  // Opens what is there, or creates. An existing store must have the given dimension, element type and
  // durability, else `mismatch`.
  [[nodiscard]] static Result<VectorStore> open_or_create(
      const std::filesystem::path& directory, const VectorStoreOptions& options,
      const OpenStoreOptions& open_options = {});

  // Opens for reading: everything committed until now, in private memory where the files lack it. Takes
  // no lock and writes nothing, so it works beside a writer and on read-only media. Writes return
  // wrong_mode. Errors: as open, without busy and no_space.
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
  // Errors, after each of which the old value is still there unless said otherwise: mismatch (element
  // type or dimension), wrong_mode, no_space (try again when there is room), capacity (2^40 rows), io;
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

  // Removes the vector under `id`; false if there was none (nothing is written then). Errors: as put.
  [[nodiscard]] Result<bool> remove(std::uint64_t id);

  // Copies the vector under `id` into `out`, which has room for exactly one, and compares its
  // checksum. Errors: not_found; mismatch (size of out); corrupt (the row is damaged: nothing of it is
  // to be used); truncated, io.
  [[nodiscard]] Result<void> get(std::uint64_t id, std::span<std::byte> out) const;

  // The same as a new vector of elements. Errors: also mismatch if T is not the element type.
  template <Element T>
  [[nodiscard]] Result<std::vector<T>> get(std::uint64_t id) const {
    auto row = get_bytes(id, element_type_of<T>);
    if (!row) return std::unexpected(row.error());
    std::vector<T> elements(row->size() / sizeof(T));
    std::memcpy(elements.data(), row->data(), row->size());
    return elements;
  }

  // The store as it is now: every write that returned before is in it.
  [[nodiscard]] ReadView view() const;

  // Raises everything written before to power_loss durability. Errors: outcome_unknown,
  // read_only_after_error, io.
  [[nodiscard]] Result<void> sync();

  // Moves what the log holds into the files that open reads at once, and empties the log. Writers wait.
  // Errors: as sync, and no_space (nothing is lost).
  [[nodiscard]] Result<void> checkpoint();

  // Checkpoints and releases everything; views stay valid. The store is closed whatever is returned, but
  // for `busy`: a bulk loader or rows of it live, and nothing was done.
  [[nodiscard]] Result<void> close();

  // Reads every file of the store and compares every checksum; writers wait. Errors: io and the like
  // where it could not look; damage that it found is in the report.
  [[nodiscard]] Result<VerifyReport> verify(const ProgressCallback& progress = {}) const;

  [[nodiscard]] Result<StoreInfo> info() const;
  // What opening this handle had to do.
  [[nodiscard]] const RecoveryReport& recovery() const noexcept;
  std::uint32_t dimension() const noexcept;
  ElementType element_type() const noexcept;

 private:
  friend struct vector::StoreAccess;
  explicit VectorStore(std::shared_ptr<vector::StoreCore> core) noexcept;
  Result<std::vector<std::byte>> get_bytes(std::uint64_t id, ElementType type) const;

  std::shared_ptr<vector::StoreCore> core_;  // shared with bulk loads
};

}  // namespace v0
}  // namespace quire
