// Snapshot: the vectors of a store at one moment, in one immutable, checksummed file; read in place.
//
// Use it to hand a store's content on: a backup, a copy for other machines, a data set that is published
// and searched where it lies. Making one takes neither a pause nor a lock of the store.
//
//     auto made = quire::create_snapshot(store.view(), "photos.quire");       // whole, or not at all
//     if (!made) return report(made.error());
//
//     auto snapshot = quire::Snapshot::open("photos.quire");                  // mapped
//     if (!snapshot) return report(snapshot.error());
//     auto row = snapshot->find<float>(42);                                   // no copy
//     if (row) use(row->elements());                                          // std::span<const float>
//
// Every read compares the checksums of what it used before it gives anything: of a mapped snapshot each
// block once, when it is first touched; of any other each block when it is fetched. What is damaged is
// refused with `corrupt`; the rest stays readable.
//
// In the file: docs/formats/snapshot.md. What is promised: docs/guarantees.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/byte_sink.hpp"
#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/vector_store.hpp"

namespace quire {

namespace snapshot {
class SnapshotCore;
struct SnapshotAccess;
// Where a scan is.
struct ScanPosition {
  std::uint64_t first_id = 0;  // none below are given
  std::uint64_t last_id = 0;   // nor above
  std::uint64_t block = 0;     // the next one
  bool is_placed = false;      // `block` was found
};
}  // namespace snapshot

inline namespace v0 {

// How the rows of a snapshot are stored. The numbers are ids in the file; 1 and 2 are kept.
enum class SnapshotCodec : std::uint8_t {
  none = 0,  // as they are: one dense matrix
};
// "none".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(SnapshotCodec codec) noexcept;
[[nodiscard]] QUIRE_EXPORT std::optional<SnapshotCodec> snapshot_codec_from_string(
    std::string_view name) noexcept;

using SnapshotId = std::array<std::byte, 16>;

// What a snapshot says of itself.
struct SnapshotInfo {
  SnapshotId id{};
  std::optional<SnapshotId> parent = std::nullopt;  // nothing in this version
  SnapshotId store_id{};
  std::uint64_t lsn = 0;         // the store's last batch that is in it
  std::uint64_t created_ns = 0;  // since 1970-01-01 UTC
  std::uint64_t rows = 0;
  std::uint32_t dimension = 0;
  ElementType element_type = ElementType::f32;
  SnapshotCodec codec = SnapshotCodec::none;
  std::uint32_t block_rows = 0;  // of each block but the last
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;  // of the file
  std::uint32_t format_version = 0;
  std::optional<std::uint64_t> first_id = std::nullopt;  // nothing if there are no rows
  std::optional<std::uint64_t> last_id = std::nullopt;
};

struct WriteSnapshotOptions {
  SnapshotCodec codec = SnapshotCodec::none;
  // What is read and compared as one, of vectors before the codec: rounded down to whole rows, at least
  // one, at most 4096 rows. 1 to 16 MiB.
  std::uint32_t block_bytes = std::uint32_t{256} << 10;
  // Ends the work with `cancelled`; nothing appears.
  std::stop_token stop = {};
  // In rows. Called on the calling thread.
  ProgressCallback progress = {};
};

// Writes the vectors of `view` as a snapshot and commits the sink. The store may be written meanwhile: the
// content is that of the view. Takes memory that does not grow with the store, but for 8 bytes a block and 40
// bytes a page of 64 blocks; each vector is compared with the checksum that the store has of it.
// Errors: invalid_argument (block_bytes; a sink that holds bytes already), unsupported (codec), corrupt (a vector is damaged: names it), truncated or io (a page
// of the store cannot be read), capacity (too many blocks: take larger ones), cancelled, and those of the
// sink. Thread-safe, as far as the sink is its own.
[[nodiscard]] QUIRE_EXPORT Result<SnapshotInfo> write_snapshot(
    const ReadView& view, ByteSink& sink, const WriteSnapshotOptions& options = {});

// The same into a file, which appears whole and durable, or not at all; see open_file_sink.
[[nodiscard]] QUIRE_EXPORT Result<SnapshotInfo> create_snapshot(
    const ReadView& view, const std::filesystem::path& path,
    const WriteSnapshotOptions& options = {}, const FileSinkOptions& file = {});

struct OpenSnapshotOptions {
  // Of a snapshot that is no memory: blocks and id pages that were compared are kept, up to this many
  // bytes. A mapped one needs no cache.
  std::uint64_t cache_bytes = std::uint64_t{64} << 20;
  // Limits opening.
  ReadOptions read = {};
};

// One vector of a snapshot; keeps the bytes alive that it shows. Cheap to copy.
template <Element T>
class SnapshotRow {
 public:
  explicit SnapshotRow(Bytes bytes) noexcept : bytes_(std::move(bytes)) {}
  // Valid while this object, or a copy of it, lives.
  std::span<const T> elements() const noexcept {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  Bytes bytes_;
};

// Rows that follow one another, with their ids.
struct SnapshotRows {
  std::uint64_t first_row = 0;     // the number of the first one
  std::vector<std::uint64_t> ids;  // ascending
  Bytes rows;                      // dense: ids.size() * stride bytes, aligned for their elements
};

// Goes through a snapshot, or a part of it, in ascending order of ids. Single-thread; keeps the snapshot
// open. Move-only.
class QUIRE_EXPORT SnapshotScan {
 public:
  SnapshotScan(SnapshotScan&&) noexcept = default;
  SnapshotScan& operator=(SnapshotScan&&) noexcept = default;
  SnapshotScan(const SnapshotScan&) = delete;
  SnapshotScan& operator=(const SnapshotScan&) = delete;
  ~SnapshotScan() = default;

  // The next rows: those of one block, shown in place where the snapshot is mapped. No rows at the end, and
  // only there.
  // Errors: corrupt (a block or id page is damaged: names it and its rows), and those of the source. After
  // `corrupt` the next call goes on behind the damage: so one reads what is left.
  [[nodiscard]] Result<SnapshotRows> next(const ReadOptions& options = {});

 private:
  friend class Snapshot;
  SnapshotScan(std::shared_ptr<const snapshot::SnapshotCore> core,
               const snapshot::ScanPosition& position) noexcept
      : core_(std::move(core)), position_(position) {}

  std::shared_ptr<const snapshot::SnapshotCore> core_;
  snapshot::ScanPosition position_;
};

// One damaged place of a snapshot.
struct SnapshotDamage {
  ByteRange range;  // in the file
  std::string what;
  // The rows that cannot be trusted for it, and between which ids those lie; none for damage of the
  // header.
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> first_id = std::nullopt;
  std::optional<std::uint64_t> last_id = std::nullopt;
};

struct SnapshotVerifyReport {
  std::uint64_t rows = 0;  // rows that are whole
  std::uint64_t blocks = 0;
  std::vector<SnapshotDamage> damaged;
  bool ok() const noexcept { return damaged.empty(); }
};

// An open snapshot. Thread-safe; cheap to copy: copies share what is open.
//
// What find(), get_many(), scan() and matrix() give of a mapped snapshot is plain memory: if someone cuts
// the file, touching it raises SIGBUS. get(), nearest(), verify() and restore_snapshot() return `changed`
// instead (`io` where a device failed), and so does everything of a snapshot that is read through
// open_file_source. A moved-from one must not be used.
class QUIRE_EXPORT Snapshot {
 public:
  // Opens what `source`, which is not null, holds, with one read of its end, or two if the index does not fit that.
  // Errors: corrupt (no snapshot, or its end is damaged), truncated (its end is missing), format_version,
  // unsupported (its codec), and those of the source.
  [[nodiscard]] static Result<Snapshot> open(std::shared_ptr<const ByteSource> source,
                                             const OpenSnapshotOptions& options = {});
  // Opens a file as a map. Errors: also those of open_map_source.
  [[nodiscard]] static Result<Snapshot> open(const std::filesystem::path& path,
                                             const OpenSnapshotOptions& options = {});

  const SnapshotInfo& info() const noexcept QUIRE_LIFETIMEBOUND;
  std::uint64_t size() const noexcept { return info().rows; }
  std::uint32_t dimension() const noexcept { return info().dimension; }
  ElementType element_type() const noexcept { return info().element_type; }
  // The source's.
  const std::string& name() const noexcept QUIRE_LIFETIMEBOUND;

  // Everything below may fail with corrupt (a part that it needs is damaged: names it, its bytes and its
  // rows) and with the errors of the source.

  [[nodiscard]] Result<bool> contains(std::uint64_t id, const ReadOptions& options = {}) const;

  // The number of the row under `id`: its place in matrix() and ids(). Errors: not_found.
  [[nodiscard]] Result<std::uint64_t> row_of(std::uint64_t id,
                                             const ReadOptions& options = {}) const;

  // The bytes of the vector under `id`; from a map without a copy. Errors: not_found.
  [[nodiscard]] Result<Bytes> find_bytes(std::uint64_t id, const ReadOptions& options = {}) const;

  // The same as elements. Errors: also mismatch if T is not the element type.
  template <Element T>
  [[nodiscard]] Result<SnapshotRow<T>> find(std::uint64_t id,
                                            const ReadOptions& options = {}) const {
    if (auto same = check_type("find", element_type_of<T>); !same) {
      return std::unexpected(same.error());
    }
    auto bytes = find_bytes(id, options);
    if (!bytes) return std::unexpected(bytes.error());
    return SnapshotRow<T>(*std::move(bytes));
  }

  // Copies the vector under `id` into `out`, which has room for exactly one.
  // Errors: not_found; mismatch (the size of out).
  [[nodiscard]] Result<void> get(std::uint64_t id, std::span<std::byte> out,
                                 const ReadOptions& options = {}) const;

  // The bytes of the vectors under `ids`, in any order: out[i] is that of ids[i], empty if there is none.
  // From a map without a copy. Of any other source the id pages that are not in the cache are read by one
  // ByteSource::read_many, then the blocks by another: two rounds of requests for the whole batch. What
  // is over 64 MiB, of pages or of blocks, is read in further rounds, so about that is held at once beside
  // the cache and the answer. The vectors of a round share a buffer, which lives as long as any of them.
  // Returns how many of the ids have a vector.
  // Errors: invalid_argument (`out` is not as long as `ids`; it stays as it is then). After any other all of
  // `out` are empty.
  [[nodiscard]] Result<std::size_t> get_many(std::span<const std::uint64_t> ids,
                                             std::span<Bytes> out,
                                             const ReadOptions& options = {}) const;

  // The same as elements, which are none where there is no vector. Errors: mismatch if T is not the element
  // type.
  template <Element T>
  [[nodiscard]] Result<std::vector<SnapshotRow<T>>> get_many(
      std::span<const std::uint64_t> ids, const ReadOptions& options = {}) const {
    if (auto same = check_type("get_many", element_type_of<T>); !same) {
      return std::unexpected(same.error());
    }
    std::vector<Bytes> bytes(ids.size());
    if (auto found = get_many(ids, bytes, options); !found) {
      return std::unexpected(found.error());
    }
    return std::vector<SnapshotRow<T>>(std::move_iterator(bytes.begin()),
                                       std::move_iterator(bytes.end()));
  }

  // The rows with ids from first_id to last_id, both included, block by block.
  [[nodiscard]] SnapshotScan scan(std::uint64_t first_id = 0,
                                  std::uint64_t last_id = UINT64_MAX) const;

  // Every id, ascending.
  [[nodiscard]] Result<std::vector<std::uint64_t>> ids(const ReadOptions& options = {}) const;

  // As ReadView::nearest: the same neighbours that the store had.
  [[nodiscard]] Result<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, const NearestOptions& options = {},
      const ReadOptions& read_options = {}) const;

  // All vectors as one dense matrix, size() rows of dimension() elements, in the file's pages: row i has
  // the i-th id of ids(), and row_of() leads there: for hot loops that cannot pay for the counter in what
  // find() returns. Compares every block that was not compared yet, so the first call reads
  // everything. Valid while a copy of this snapshot lives.
  // Errors: mismatch if T is not the element type; unsupported (not mapped, or stored with a codec).
  template <Element T>
  [[nodiscard]] Result<std::span<const T>> matrix() const {
    if (auto same = check_type("matrix", element_type_of<T>); !same) {
      return std::unexpected(same.error());
    }
    auto bytes = matrix_bytes();
    if (!bytes) return std::unexpected(bytes.error());
    return std::span(reinterpret_cast<const T*>(bytes->data()), bytes->size() / sizeof(T));
  }
  [[nodiscard]] Result<std::span<const std::byte>> matrix_bytes() const;

  // Reads the whole file anew and compares every checksum, whatever was compared before. Damage that it
  // found is in the report, at most 10,000 places; what the device cannot read (`io`) counts as such. Progress
  // in bytes.
  [[nodiscard]] Result<SnapshotVerifyReport> verify(const ProgressCallback& progress = {},
                                                    const ReadOptions& options = {}) const;

 private:
  friend struct snapshot::SnapshotAccess;
  explicit Snapshot(std::shared_ptr<const snapshot::SnapshotCore> core) noexcept;
  Result<void> check_type(const char* operation, ElementType type) const;

  std::shared_ptr<const snapshot::SnapshotCore> core_;
};

struct RestoreSnapshotOptions {
  Durability durability = Durability::power_loss;  // of the store, from then on
  // Leaves out blocks that are damaged, or that the device cannot read, instead of failing; the report names
  // them.
  bool salvage = false;
  // Ends the work with `cancelled`; there is no store then.
  std::stop_token stop = {};
  // In rows. Called on the calling thread.
  ProgressCallback progress = {};
  // As OpenStoreOptions::allow_network_file_system.
  bool allow_network_file_system = false;
};

struct RestoreReport {
  std::uint64_t rows = 0;  // in the store
  // What was left out, if `salvage` was asked for; the same as verify() tells.
  std::vector<SnapshotDamage> left_out;
};

// Makes a store with the vectors of a snapshot in `directory`, which must not exist or be empty; its
// parent must exist. The store is there when it returns, whole and durable; before that, and if it fails or
// is killed, there is none. Errors: exists, not_found, busy (someone else creates it), no_space, permission,
// io, cancelled, unsupported (a network file system; see the options), corrupt (without `salvage`), and those of the
// source.
[[nodiscard]] QUIRE_EXPORT Result<RestoreReport> restore_snapshot(
    const Snapshot& snapshot, const std::filesystem::path& directory,
    const RestoreSnapshotOptions& options = {});

}  // namespace v0
}  // namespace quire
