// StoreCore: an open store. Opening is in open.cpp, the write path in write.cpp, checkpoints in
// checkpoint.cpp, verification in verify.cpp.
//
// How a batch is written, and why each order holds:
//   1. Its rows are written behind the last claimed row. Nobody looks there: no entry names them.
//   2. A batch large enough syncs them now (under power_loss), for its record will not carry them.
//   3. Its record is appended to the log. Before that nothing can bring the batch back after a crash;
//      a record written in part is not valid.
//   4. Under power_loss the log is synced. If that fails, nobody can say whether the batch will be
//      there: outcome_unknown, and no further write, for the kernel may have dropped the pages.
//   5. The catalog learns it, then views are allowed to see its LSN.
// A bulk load does 1 by itself, without a lock, in rows that it was granted; its commit goes on with 2.
//
// Invariants:
//   1. `manifest_` is what the MANIFEST on disk says, or what it said before a replacement whose outcome
//      is not known; both are good, because logs are removed only after a replacement that succeeded.
//   2. Log K + 1 gets its first record only when every record in log K, and the rows those name, are
//      durable, and log K gets none from the moment on that log K + 1 is begun. So a log with a
//      successor that holds something is complete.
//   3. Rows below `next_row_` are written by nobody but the bulk load that they were granted to, if any,
//      and by that before their record. A load gives back only rows that no claim holds, and only the
//      last ones before `next_row_` are taken back.
//   4. Rows from `used_rows_` on are named by no record that counts and no entry. The row limit of a
//      checkpoint is `used_rows_`, so rows below it may still be granted and be named by later records: by
//      records that do not carry their rows, so that recovery never writes other bytes over a row of the
//      checkpoint.
//   5. While a bulk load lives, the rows file is as long as the rows granted to it reach, is not cut, and
//      the lock is held, whether the store object is there or not.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "quire/vector_store.hpp"
#include "vector/catalog.hpp"
#include "vector/format.hpp"
#include "vector/log_writer.hpp"
#include "vector/metrics.hpp"
#include "vector/row_file.hpp"
#include "vector/slot_file.hpp"
#include "vector/view_state.hpp"

namespace quire::vector {

enum class StoreMode : std::uint8_t { read_write, read_only };

// One put or remove of a batch, not yet numbered.
struct Change {
  OperationKind kind = OperationKind::put;
  std::uint64_t id = 0;
  std::span<const std::byte> row;  // of a put
};

// Thread-safe.
class StoreCore {
 public:
  [[nodiscard]] static Result<void> create(os::FileSystem& file_system,
                                           const std::string& directory,
                                           const VectorStoreOptions& options);
  [[nodiscard]] static Result<std::unique_ptr<StoreCore>> open(os::FileSystem& file_system,
                                                               const std::string& directory,
                                                               StoreMode mode,
                                                               const OpenStoreOptions& options);

  // Applies the changes as one batch; of several for one id the last counts.
  [[nodiscard]] Result<void> commit(std::vector<Change> changes) QUIRE_EXCLUDES(write_mutex_);
  // Removes one id; false if it was not there.
  [[nodiscard]] Result<bool> remove(std::uint64_t id) QUIRE_EXCLUDES(write_mutex_);

  // Counts a bulk load, which ends with end_bulk_load, and gives it the rows file.
  // Errors: closed, wrong_mode, read_only_after_error.
  [[nodiscard]] Result<std::shared_ptr<const RowFile>> begin_bulk_load()
      QUIRE_EXCLUDES(write_mutex_);
  // Gives the load rows to write, at least `least` and if there is space `wanted`.
  // Errors: as begin_bulk_load; capacity, no_space, io.
  [[nodiscard]] Result<ByteRange> grant_rows(std::uint64_t least, std::uint64_t wanted)
      QUIRE_EXCLUDES(write_mutex_);
  // Applies puts whose granted rows are written as one batch; of several for one id the last counts.
  [[nodiscard]] Result<void> commit_rows(std::vector<Operation> operations)
      QUIRE_EXCLUDES(write_mutex_);
  // `unused` are granted rows that nobody wrote or will write.
  void end_bulk_load(ByteRange unused) noexcept QUIRE_EXCLUDES(write_mutex_);

  [[nodiscard]] Result<void> sync() QUIRE_EXCLUDES(write_mutex_);
  [[nodiscard]] Result<void> checkpoint() QUIRE_EXCLUDES(write_mutex_);
  [[nodiscard]] Result<void> close() QUIRE_EXCLUDES(write_mutex_);
  [[nodiscard]] Result<VerifyReport> verify(const ProgressCallback& progress)
      QUIRE_EXCLUDES(write_mutex_);
  [[nodiscard]] Result<StoreInfo> info() QUIRE_EXCLUDES(write_mutex_);
  // Errors: as info.
  [[nodiscard]] Result<StoreMetricsSnapshot> metrics_snapshot() QUIRE_EXCLUDES(write_mutex_);

  [[nodiscard]] std::shared_ptr<const ViewState> view() const QUIRE_EXCLUDES(view_mutex_);
  // Copies a row and compares its checksum.
  [[nodiscard]] Result<void> get(std::uint64_t id, std::span<std::byte> out) const;

  const StoreIdentity& identity() const noexcept { return identity_; }
  const std::string& directory() const noexcept { return directory_; }
  const RecoveryReport& recovery() const noexcept { return recovery_; }
  // Where what is done is noted. Views may hold it longer than the store lives.
  const std::shared_ptr<StoreMetrics>& metrics() const noexcept { return metrics_; }

 private:
  StoreCore(os::FileSystem& file_system, std::string directory, StoreMode mode,
            const OpenStoreOptions& options, const Manifest& manifest);

  // open.cpp
  static Result<std::unique_ptr<StoreCore>> open_reader(os::FileSystem& file_system,
                                                        const std::string& directory,
                                                        const OpenStoreOptions& options,
                                                        Manifest manifest);
  static Result<std::unique_ptr<StoreCore>> open_with(os::FileSystem& file_system,
                                                      const std::string& directory, StoreMode mode,
                                                      const OpenStoreOptions& options,
                                                      const Manifest& manifest,
                                                      std::unique_ptr<os::File> lock);
  Result<void> load() QUIRE_REQUIRES(write_mutex_);
  Result<void> load_slots() QUIRE_REQUIRES(write_mutex_);
  Result<void> sync_names() QUIRE_REQUIRES(write_mutex_);
  Result<void> recover(struct LogSet logs) QUIRE_REQUIRES(write_mutex_);
  Result<void> load_read_only(struct LogSet logs) QUIRE_REQUIRES(write_mutex_);
  Result<void> restore_rows(const struct ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_);
  void apply(const struct ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_);
  void remove_leftovers() QUIRE_REQUIRES(write_mutex_);

  // write.cpp
  Result<void> check_writable() const QUIRE_REQUIRES(write_mutex_);
  Result<void> commit_locked(std::vector<Change> changes) QUIRE_REQUIRES(write_mutex_);
  void drop_ineffective(std::vector<Change>& changes) const QUIRE_REQUIRES(write_mutex_);
  Result<void> make_log_ready() QUIRE_REQUIRES(write_mutex_);
  Result<void> write_rows(std::span<const Change> changes) QUIRE_REQUIRES(write_mutex_);
  // Steps 2 to 5 for operations whose rows are written. `carried` are the changes whose rows the record
  // carries, one an operation, or none if the rows are to be synced instead.
  Result<void> finish_batch(std::span<const Operation> operations, std::span<const Change> carried)
      QUIRE_REQUIRES(write_mutex_);
  Result<void> log_batch(std::span<const Operation> operations, std::span<const Change> carried)
      QUIRE_REQUIRES(write_mutex_);
  void apply_next(std::span<const Operation> operations) QUIRE_REQUIRES(write_mutex_);
  Result<void> sync_locked() QUIRE_REQUIRES(write_mutex_);
  // Refuses writes from now on, and returns what the caller is told.
  Error refuse_writes(Error cause, ErrorCode told) QUIRE_REQUIRES(write_mutex_);
  void publish(std::shared_ptr<const RowMap> rows) QUIRE_REQUIRES(write_mutex_)
      QUIRE_EXCLUDES(view_mutex_);

  // checkpoint.cpp
  Result<void> checkpoint_locked() QUIRE_REQUIRES(write_mutex_);
  Result<void> start_next_log() QUIRE_REQUIRES(write_mutex_);
  void checkpoint_if_due() QUIRE_REQUIRES(write_mutex_);

  // verify.cpp
  Result<void> verify_headers(VerifyReport& report) QUIRE_REQUIRES(write_mutex_);
  Result<void> verify_slots(VerifyReport& report) QUIRE_REQUIRES(write_mutex_);
  Result<void> verify_logs(VerifyReport& report) QUIRE_REQUIRES(write_mutex_);
  void verify_rows(VerifyReport& report, const ProgressCallback& progress)
      QUIRE_REQUIRES(write_mutex_);

  os::FileSystem& file_system_;
  const std::string directory_;
  const StoreMode mode_;
  const OpenStoreOptions options_;
  const StoreIdentity identity_;
  const Durability durability_;
  RecoveryReport recovery_;  // complete when open returns
  // Written under write_mutex_; read without it, inside views.
  const std::shared_ptr<Catalog> catalog_ = std::make_shared<Catalog>();
  const std::shared_ptr<StoreMetrics> metrics_ = std::make_shared<StoreMetrics>();

  base::Mutex write_mutex_;
  Manifest manifest_ QUIRE_GUARDED_BY(write_mutex_);
  std::unique_ptr<os::File> lock_ QUIRE_GUARDED_BY(write_mutex_);
  std::shared_ptr<RowFile> rows_ QUIRE_GUARDED_BY(write_mutex_);
  std::unique_ptr<SlotFile> slots_ QUIRE_GUARDED_BY(write_mutex_);
  std::optional<LogWriter> log_ QUIRE_GUARDED_BY(write_mutex_);
  std::uint64_t lsn_ QUIRE_GUARDED_BY(write_mutex_) = 0;          // of the last batch
  std::uint64_t durable_lsn_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // all up to it are durable
  std::uint64_t next_row_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t used_rows_ QUIRE_GUARDED_BY(write_mutex_) = 0;           // at most next_row_
  std::uint64_t bulk_loads_ QUIRE_GUARDED_BY(write_mutex_) = 0;          // that live
  std::uint64_t replayed_log_bytes_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // of a reader
  std::uint64_t checkpoint_at_ QUIRE_GUARDED_BY(write_mutex_) = 0;       // bytes of log
  std::optional<Error> failure_ QUIRE_GUARDED_BY(write_mutex_);          // why writes are refused
  // A batch is between its record and its publication. Still set when the next call comes, because memory
  // ran out in between, it refuses writes: nobody can say what of the batch is where.
  bool batch_is_open_ QUIRE_GUARDED_BY(write_mutex_) = false;
  // What a replacement of the MANIFEST that failed may have left there.
  std::optional<Manifest> manifest_in_doubt_ QUIRE_GUARDED_BY(write_mutex_);
  std::uint64_t older_log_bytes_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // of logs before log_
  bool closed_ QUIRE_GUARDED_BY(write_mutex_) = false;

  struct Published {
    std::shared_ptr<const RowMap> rows;
    std::uint64_t lsn = 0;
    std::uint64_t versions = 0;
    std::uint64_t live = 0;
  };
  mutable base::Mutex view_mutex_;
  Published published_ QUIRE_GUARDED_BY(view_mutex_);
};

// Reads and checks the MANIFEST. Errors: not_found (no store here), corrupt, truncated, format_version.
[[nodiscard]] Result<Manifest> read_manifest(os::FileSystem& file_system,
                                             const std::string& directory);
// Replaces the MANIFEST, durably. Errors: no_space, io; the old one or the new one is then there.
[[nodiscard]] Result<void> replace_manifest(os::FileSystem& file_system,
                                            const std::string& directory, const Manifest& manifest);

}  // namespace quire::vector
