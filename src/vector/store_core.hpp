// StoreCore: an open store. Opening is in open.cpp, the write path in write.cpp, checkpoints in
// checkpoint.cpp, compaction in compact.cpp, what readers in other processes do in refresh.cpp, verification in
// verify.cpp.
//
// How a batch is written, and why each order holds:
//   1. Its rows are written behind the last claimed row. Nobody looks there: no entry names them.
//   2. A batch large enough syncs them now (under power_loss), for its record will not carry them.
//   3. Its record is appended to the log. Before that nothing can bring the batch back after a crash;
//      a record written in part is not valid.
//   4. The catalog learns it. No view shows its LSN yet.
//   5. Under power_loss the log is synced. If that fails, nobody can say whether the batch will be
//      there: outcome_unknown, and no further write, for the kernel may have dropped the pages.
//   6. Views are allowed to see its LSN, here and in other processes, and the writer is told.
// Batches that come together (commit_queue.hpp) do 1 to 4 one after another, and share 5 and 6. A bulk load does 1
// and 2 by itself, without a lock, in rows that it was granted; its commit goes on with 3.
//
// Locks: `upkeep_mutex_` is held by who changes what is on disk but for batches: checkpoints, compaction, closing;
// `write_mutex_` by who writes a batch or changes what a batch needs; `view_mutex_` for a moment. They are taken in
// this order. A checkpoint holds `write_mutex_` only to begin a new log and to note that it is done.
//
// Invariants:
//   1. `manifest_` is what the MANIFEST on disk says, or what it said before a replacement whose outcome
//      is not known; both are good, because logs are removed only after a replacement that succeeded. Where they
//      are of two generations, nothing is written any more. It changes with both locks held.
//   2. Log K + 1 gets its first record only when every record in log K, and the rows those name, are durable,
//      and log K gets none from the moment on that log K + 1 is begun. So a log whose successor holds something is
//      complete; and so is one whose successor says in its header that it is.
//   3. Rows below `next_row_` are written by nobody but the bulk load that they were granted to, if any,
//      and by that before their record. A load gives back only rows that no claim holds, and only the
//      last ones before `next_row_` are taken back.
//   4. Rows from `used_rows_` on are named by no record that counts and no entry. The row limit of a
//      checkpoint is what `used_rows_` was, so rows below it may still be granted and be named by later records: by
//      records that do not carry their rows, so that recovery never writes other bytes over a row of the
//      checkpoint.
//   5. While a bulk load lives, the rows file is as long as the rows granted to it reach, is not cut nor replaced, and
//      the lock is held, whether the store object is there or not.
//   6. A catalog, a rows file and a slots file belong to one generation. Views hold the catalog and the map of
//      theirs; version i of a catalog is entry i of its slots file.
//   7. The slots file has disk space for the entries of every batch that was acknowledged, so that a checkpoint does
//      not fail for want of it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "os/cold_file_system.hpp"
#include "os/file_system.hpp"
#include "quire/vector_store.hpp"
#include "vector/background.hpp"
#include "vector/catalog.hpp"
#include "vector/commit_queue.hpp"
#include "vector/format.hpp"
#include "vector/log_writer.hpp"
#include "vector/metrics.hpp"
#include "vector/row_file.hpp"
#include "vector/slot_file.hpp"
#include "vector/spare_logs.hpp"
#include "vector/view_state.hpp"

namespace quire::vector {

enum class StoreMode : std::uint8_t { read_write, read_only };

// One put or remove of a batch, not yet numbered.
struct Change {
  OperationKind kind = OperationKind::put;
  std::uint64_t id = 0;
  std::span<const std::byte> row;  // of a put
};

// A batch on its way through the queue.
struct Submission final : Queued {
  std::vector<Change> changes;        // their rows are to be written; or
  std::vector<Operation> operations;  // puts whose granted rows are written, and durable if need be
  // The batch is nothing unless the newest batch that put or removed the id of its first change is this one; 0:
  // unless the id is not there.
  std::optional<std::uint64_t> expected_lsn;
  // True if it changed something.
  Result<bool> outcome = false;
  std::exception_ptr exception;  // memory ran out
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

  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;
  ~StoreCore();

  // Applies the changes as one batch; of several for one id the last counts. False if nothing changed: there was
  // nothing to remove, or `expected_lsn` (see Submission) was another.
  [[nodiscard]] Result<bool> commit(std::vector<Change> changes,
                                    std::optional<std::uint64_t> expected_lsn = {})
      QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);

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

  [[nodiscard]] Result<void> sync() QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<void> checkpoint() QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<CompactionReport> compact(const ProgressCallback& progress)
      QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<void> reserve(std::uint64_t rows) QUIRE_EXCLUDES(write_mutex_);
  // Shows what was committed since; false if there is nothing new.
  [[nodiscard]] Result<bool> refresh() QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<void> close() QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<VerifyReport> verify(const ProgressCallback& progress,
                                            const VerifyOptions& options)
      QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  [[nodiscard]] Result<StoreInfo> info() QUIRE_EXCLUDES(write_mutex_);
  // Errors: as info.
  [[nodiscard]] Result<StoreMetricsSnapshot> metrics_snapshot() QUIRE_EXCLUDES(write_mutex_);

  [[nodiscard]] std::shared_ptr<const ViewState> view() const QUIRE_EXCLUDES(view_mutex_);
  // Copies a row and compares its checksum.
  [[nodiscard]] Result<void> get(std::uint64_t id, std::span<std::byte> out) const;

  const StoreIdentity& identity() const noexcept { return identity_; }
  // Whether vectors of other element types are to be converted.
  bool converts() const noexcept { return options_.convert; }
  const std::string& directory() const noexcept { return directory_; }
  const RecoveryReport& recovery() const noexcept { return recovery_; }
  // Where what is done is noted. Views may hold it longer than the store lives.
  const std::shared_ptr<StoreMetrics>& metrics() const noexcept { return metrics_; }

 private:
  StoreCore(os::FileSystem& file_system, std::string directory, StoreMode mode,
            const OpenStoreOptions& options, const Manifest& manifest);

  // open.cpp
  static Result<std::unique_ptr<StoreCore>> open_with(os::FileSystem& file_system,
                                                      const std::string& directory, StoreMode mode,
                                                      const OpenStoreOptions& options,
                                                      const Manifest& manifest,
                                                      std::unique_ptr<os::File> lock);
  Result<void> load() QUIRE_REQUIRES(upkeep_mutex_, write_mutex_);
  Result<void> load_slots() QUIRE_REQUIRES(write_mutex_);
  Result<void> sync_names() QUIRE_REQUIRES(write_mutex_);
  Result<void> recover(struct LogSet logs) QUIRE_REQUIRES(upkeep_mutex_, write_mutex_);
  Result<void> restore_rows(const struct ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_);
  void apply(const struct ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_);
  void remove_leftovers() QUIRE_REQUIRES(write_mutex_);

  // write.cpp
  // Nothing keeps the files from being written. Errors: closed, wrong_mode, read_only_after_error.
  Result<void> check_writable() const QUIRE_REQUIRES(write_mutex_);
  bool is_writable() const noexcept QUIRE_REQUIRES(write_mutex_);
  // The same, and the store is not being closed.
  Result<void> check_takes_batches() const QUIRE_REQUIRES(write_mutex_);
  Result<bool> submit(const std::shared_ptr<Submission>& submission)
      QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  // Steps 1 to 6 for a group.
  void commit_group(CommitQueue::Group group) noexcept QUIRE_EXCLUDES(write_mutex_);
  // Steps 1 to 4; false if there is nothing to do.
  Result<bool> stage(Submission& submission) QUIRE_REQUIRES(write_mutex_);
  Result<bool> is_as_expected(const Submission& submission) const QUIRE_REQUIRES(write_mutex_);
  void drop_ineffective(std::vector<Change>& changes) const QUIRE_REQUIRES(write_mutex_);
  Result<void> write_rows(std::span<const Change> changes) QUIRE_REQUIRES(write_mutex_);
  // Steps 3 and 4 for operations whose rows are written. `carried` are the changes whose rows the record
  // carries, one an operation, or none if the rows are in their file.
  Result<void> log_and_apply(std::span<const Operation> operations, std::span<const Change> carried)
      QUIRE_REQUIRES(write_mutex_);
  Result<void> append_record(std::span<const Operation> operations, std::span<const Change> carried)
      QUIRE_REQUIRES(write_mutex_);
  void apply_next(std::span<const Operation> operations) QUIRE_REQUIRES(write_mutex_);
  void count(std::span<const Operation> operations) const noexcept;
  // Step 5 for all that is staged, then step 6.
  Result<void> acknowledge() QUIRE_REQUIRES(write_mutex_) QUIRE_EXCLUDES(view_mutex_);
  void stage_view(std::shared_ptr<const RowMap> rows) QUIRE_REQUIRES(write_mutex_);
  void publish() QUIRE_REQUIRES(write_mutex_) QUIRE_EXCLUDES(view_mutex_);
  void tell_readers(std::uint64_t lsn) QUIRE_REQUIRES(write_mutex_);
  Result<void> sync_rows() QUIRE_REQUIRES(write_mutex_);
  Result<void> sync_log() QUIRE_REQUIRES(write_mutex_);
  // Refuses writes from now on, and returns what the caller is told.
  Error refuse_writes(Error cause, ErrorCode told) QUIRE_REQUIRES(write_mutex_);
  // Does, or has done, what the last batches made due is done: in the background, or now if there is none.
  void do_what_is_due() noexcept QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  void note_what_is_due() QUIRE_REQUIRES(write_mutex_);
  void do_chores(Chores chores) noexcept QUIRE_EXCLUDES(upkeep_mutex_, write_mutex_);
  void publish_metrics() QUIRE_EXCLUDES(write_mutex_);

  // checkpoint.cpp
  // The same, counted and timed.
  Result<void> checkpoint_with_upkeep() QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_);
  Result<bool> write_checkpoint() QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_);
  // What a checkpoint of all batches until now will say, with a new log begun; nothing if there is nothing to do.
  Result<std::optional<Manifest>> begin_checkpoint() QUIRE_REQUIRES(write_mutex_);
  bool log_is_used() const QUIRE_REQUIRES(write_mutex_);
  // True if the last checkpoint does not have everything.
  bool has_news() const QUIRE_REQUIRES(write_mutex_);
  // Notes that the MANIFEST says `next` now.
  void adopt_manifest(const Manifest& next) QUIRE_REQUIRES(upkeep_mutex_, write_mutex_);
  void remove_logs(std::uint64_t first, std::uint64_t end) QUIRE_REQUIRES(upkeep_mutex_);
  // What a new log is begun for, which says how many spares must be left.
  enum class LogUse : std::uint8_t { puts, removes, checkpoint };
  Result<void> start_next_log(LogUse use) QUIRE_REQUIRES(write_mutex_);

  // refresh.cpp
  static Result<std::unique_ptr<StoreCore>> open_reader(os::FileSystem& file_system,
                                                        const std::string& directory,
                                                        const OpenStoreOptions& options,
                                                        Manifest manifest);
  Result<struct ReplayBounds> bounds_of_writer() const;
  Result<void> keep_rows_whole() QUIRE_REQUIRES(write_mutex_);
  Result<void> check_no_writer_came(const struct ReplayBounds& bounds) const;
  Error moved_on(const char* why) const;
  Result<bool> file_has_rows(const struct ReplayedBatch& batch) const QUIRE_REQUIRES(write_mutex_);
  Result<void> load_read_only(struct LogSet logs, const struct ReplayBounds& bounds)
      QUIRE_REQUIRES(write_mutex_);
  Result<bool> follow_logs() QUIRE_REQUIRES(write_mutex_);
  Result<void> start_again() QUIRE_REQUIRES(write_mutex_);

  // compact.cpp
  Result<CompactionReport> compact_with_upkeep(const ProgressCallback& progress)
      QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_, view_mutex_);
  Result<CompactionReport> write_next_generation(const ProgressCallback& progress)
      QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_, view_mutex_);
  // Brings the next generation up to date while no batch is written, and goes on with it.
  // False, and nothing is done, if more than `most_bytes` are still to be copied.
  Result<bool> switch_to(class NextGeneration& next, std::uint64_t history_lsn,
                         std::uint64_t most_bytes) QUIRE_REQUIRES(upkeep_mutex_)
      QUIRE_EXCLUDES(write_mutex_, view_mutex_);
  Result<void> check_no_bulk_load(const char* operation) const QUIRE_REQUIRES(write_mutex_);
  std::uint64_t dead_rows() const QUIRE_REQUIRES(write_mutex_);
  double fragmentation() const QUIRE_REQUIRES(write_mutex_);
  // punch.cpp
  void leave_views_whole() noexcept QUIRE_REQUIRES(write_mutex_);
  void punch_dead_rows() QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_, view_mutex_);
  // Fewer dead rows than these are not worth a compaction by itself.
  std::uint64_t least_dead_rows() const noexcept;

  // verify.cpp
  void open_large_files(os::ColdFileSystem& cold) QUIRE_REQUIRES(upkeep_mutex_)
      QUIRE_EXCLUDES(write_mutex_);
  // All of them read the store's files through `files`, and rows through `cold`, if it is not null.
  Result<void> verify_files(class ReadableFileSystem& files, os::ColdFileSystem* cold,
                            VerifyReport& report, const ProgressCallback& progress)
      QUIRE_REQUIRES(upkeep_mutex_) QUIRE_EXCLUDES(write_mutex_);
  Result<void> verify_headers(ReadableFileSystem& files, VerifyReport& report)
      QUIRE_REQUIRES(write_mutex_);
  Result<void> verify_slots(ReadableFileSystem& files, const Manifest& manifest,
                            VerifyReport& report) const;
  Result<void> verify_logs(ReadableFileSystem& files, VerifyReport& report)
      QUIRE_REQUIRES(write_mutex_);
  // The logs of what a reader shows. `carried` gets the rows that are in them and need not be in the rows file.
  Result<void> verify_logs_of_reader(ReadableFileSystem& files, VerifyReport& report,
                                     std::set<std::uint64_t>& carried) QUIRE_REQUIRES(write_mutex_);
  // Through the map of the views, or through `cold` if there is one.
  Result<void> verify_rows(const ViewState& state, class ColdRows* cold,
                           const std::set<std::uint64_t>& carried, VerifyReport& report,
                           const ProgressCallback& progress) const;

  os::FileSystem& file_system_;
  const std::string directory_;
  const StoreMode mode_;
  const OpenStoreOptions options_;
  const StoreIdentity identity_;
  const Durability durability_;
  RecoveryReport recovery_;  // complete when open returns
  SpareLogs spares_;
  const std::shared_ptr<StoreMetrics> metrics_ = std::make_shared<StoreMetrics>();

  CommitQueue queue_{[this](CommitQueue::Group group) { commit_group(group); }};

  base::Mutex upkeep_mutex_;
  base::Mutex write_mutex_;
  // What is applied here is read without the lock, inside views.
  std::shared_ptr<Catalog> catalog_ QUIRE_GUARDED_BY(write_mutex_) = std::make_shared<Catalog>();
  Manifest manifest_ QUIRE_GUARDED_BY(write_mutex_);
  std::unique_ptr<os::File> lock_ QUIRE_GUARDED_BY(write_mutex_);
  std::shared_ptr<RowFile> rows_ QUIRE_GUARDED_BY(write_mutex_);
  std::shared_ptr<SlotFile> slots_ QUIRE_GUARDED_BY(write_mutex_);
  std::optional<LogWriter> log_ QUIRE_GUARDED_BY(write_mutex_);
  std::uint64_t lsn_ QUIRE_GUARDED_BY(write_mutex_) = 0;          // of the last batch
  std::uint64_t durable_lsn_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // all up to it are durable
  std::uint64_t next_row_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t used_rows_ QUIRE_GUARDED_BY(write_mutex_) = 0;      // at most next_row_
  std::uint64_t bulk_loads_ QUIRE_GUARDED_BY(write_mutex_) = 0;     // that live
  std::uint64_t checkpoint_at_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // bytes of logs
  // Dead rows from which on a compaction, or holes, are worth trying; more after one that failed.
  std::uint64_t compact_at_dead_rows_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t punch_at_dead_rows_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t reserved_rows_ QUIRE_GUARDED_BY(write_mutex_) = 0;    // asked for ahead
  std::uint64_t older_log_bytes_ QUIRE_GUARDED_BY(write_mutex_) = 0;  // of logs before log_
  std::chrono::steady_clock::time_point publish_metrics_at_ QUIRE_GUARDED_BY(write_mutex_){};
  std::optional<Error> failure_ QUIRE_GUARDED_BY(write_mutex_);  // why writes are refused
  // What a replacement of the MANIFEST that failed may have left there.
  std::optional<Manifest> manifest_in_doubt_ QUIRE_GUARDED_BY(write_mutex_);
  std::stop_source stop_;  // of compactions
  std::atomic<Chores> due_{0};
  // The log names rows of a batch that are in the rows file alone, and have not been synced there.
  bool has_unsynced_rows_ QUIRE_GUARDED_BY(write_mutex_) = false;
  bool spares_are_due_ QUIRE_GUARDED_BY(write_mutex_) = true;
  // A batch is between its record and its publication, or a generation between its MANIFEST and its use. Still set
  // when the next call comes, because memory ran out in between, it refuses writes: nobody can say what is where.
  bool batch_is_open_ QUIRE_GUARDED_BY(write_mutex_) = false;
  bool closing_ QUIRE_GUARDED_BY(write_mutex_) = false;
  bool closed_ QUIRE_GUARDED_BY(write_mutex_) = false;
  // Of a reader: rows are in its memory that are not in the file; its catalog is ahead of what it knows to be
  // whole; what it replayed; where its next batch will be.
  bool has_private_rows_ QUIRE_GUARDED_BY(write_mutex_) = false;
  bool is_astray_ QUIRE_GUARDED_BY(write_mutex_) = false;
  std::uint64_t replayed_log_bytes_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t tail_log_ QUIRE_GUARDED_BY(write_mutex_) = 0;
  std::uint64_t tail_position_ QUIRE_GUARDED_BY(write_mutex_) = 0;

  struct Published {
    std::shared_ptr<Catalog> catalog;
    std::shared_ptr<const RowMap> rows;
    std::uint64_t lsn = 0;
    std::uint64_t versions = 0;
    std::uint64_t live = 0;
    std::uint64_t history_lsn = 0;
  };
  // Outlives the store with the views in it. Views are added with view_mutex_ held.
  const std::shared_ptr<ViewRegistry> views_ = std::make_shared<ViewRegistry>();
  // What views will show once what is staged is acknowledged.
  Published staged_ QUIRE_GUARDED_BY(write_mutex_);
  mutable base::Mutex view_mutex_;
  Published published_ QUIRE_GUARDED_BY(view_mutex_);

  Background background_{[this](Chores chores) { do_chores(chores); }};  // last: it uses the rest
};

// Reads and checks the MANIFEST. Errors: not_found (no store here), corrupt, truncated, format_version.
[[nodiscard]] Result<Manifest> read_manifest(os::FileSystem& file_system,
                                             const std::string& directory);
// Replaces the MANIFEST, durably. Errors: no_space, io; the old one or the new one is then there.
[[nodiscard]] Result<void> replace_manifest(os::FileSystem& file_system,
                                            const std::string& directory, const Manifest& manifest);
// Its two halves: MANIFEST.tmp is written and synced, and then has the MANIFEST's name. Errors of the first leave the
// old one; after one of the second, either may be there.
[[nodiscard]] Result<void> prepare_manifest(os::FileSystem& file_system,
                                            const std::string& directory, const Manifest& manifest);
// Disk space for the next one, in MANIFEST.tmp, so that it can be written when there is no other.
[[nodiscard]] Result<void> hold_manifest_space(os::FileSystem& file_system,
                                               const std::string& directory);
[[nodiscard]] Result<void> adopt_prepared_manifest(os::FileSystem& file_system,
                                                   const std::string& directory);

}  // namespace quire::vector
