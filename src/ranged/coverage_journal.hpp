// CoverageJournal: the file that says which bytes of another are surely written, as it is appended to.
//
// Invariants:
//   1. The records [0, durable_) are on stable storage. Those from durable_ to records_ are kept in
//      memory too, as long as they may have to be written once more: a sync that fails may have lost
//      them while the system takes their pages for clean.
//   2. Nothing lies behind the record records_ - 1 that could be taken for a record, unless
//      end_is_unsure_: what a failed append left is cut off first, and that is synced.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "quire/error.hpp"
#include "ranged/coverage_format.hpp"
#include "ranged/interval_set.hpp"

namespace quire::ranged {

// Thread-safe: appending and syncing take turns, and one sync is for all who wait for it.
class CoverageJournal {
 public:
  // Where the journal of the file at `path` is.
  static std::string path_for(const std::string& path) { return path + ".quire-coverage"; }

  // True if the journal at `path` is of this file; false if there is none, or none that can be read as one.
  // Errors: permission, io.
  [[nodiscard]] static Result<bool> exists_for(os::FileSystem& file_system, const std::string& path,
                                               const os::FileId& file);

  // Opens the file at `path` to make a journal of it, and locks it: who has the lock is the only one to
  // create one. Changes nothing of what is there. Errors: busy (another has it locked), exists (a file
  // that is no journal), no_space, permission, io.
  [[nodiscard]] static Result<std::unique_ptr<os::File>> lock_for_creation(
      os::FileSystem& file_system, const std::string& path);
  // Makes a journal without records, in place of what is there. REQUIRES: the content version is not too
  // long. Errors: no_space, io.
  [[nodiscard]] static Result<std::unique_ptr<CoverageJournal>> create(
      os::FileSystem& file_system, std::unique_ptr<os::File> locked, const JournalSubject& subject);
  // Opens the journal of this subject; `written` becomes what it lists. For writing, it is locked, what a
  // crash tore is cut off, and what it lists is durable. A reader that gives no content version takes
  // any. Errors: not_found, busy, changed (it is not of this file, size or version), corrupt, truncated,
  // format_version, no_space, io.
  [[nodiscard]] static Result<std::unique_ptr<CoverageJournal>> open(os::FileSystem& file_system,
                                                                     const std::string& path,
                                                                     os::OpenMode mode,
                                                                     const JournalSubject& subject,
                                                                     IntervalSet& written);

  CoverageJournal(std::unique_ptr<os::File> file, std::uint64_t salt,
                  std::uint64_t records) noexcept;

  // Adds records; a later sync makes them durable. On an error none counts. Errors: no_space, io,
  // read_only_after_error (an earlier append could not be taken back; or give_up).
  [[nodiscard]] Result<void> append(std::span<const JournalRecord> records) QUIRE_EXCLUDES(mutex_);
  // Returns when all that was appended before is durable. Errors: no_space, io, read_only_after_error.
  [[nodiscard]] Result<void> sync() QUIRE_EXCLUDES(mutex_, sync_mutex_);
  // Appends and syncs nothing any more: what is in memory is not what the records say.
  void give_up() noexcept QUIRE_EXCLUDES(mutex_);
  // Errors: read_only_after_error (see append and give_up).
  [[nodiscard]] Result<void> check_usable() const QUIRE_EXCLUDES(mutex_);
  // Goes on after a failure: writes what a sync may have lost once more, cuts off what an append left, and
  // syncs. REQUIRES: nothing else runs. Errors: no_space, io, read_only_after_error (after give_up).
  [[nodiscard]] Result<void> recover() QUIRE_EXCLUDES(mutex_);
  // True if a sync failed, or an append that could not be taken back, or it was given up.
  bool has_failed() const QUIRE_EXCLUDES(mutex_);
  // Takes the name away, durably. Errors: changed (another file has that name now), io.
  [[nodiscard]] Result<void> remove(os::FileSystem& file_system);

 private:
  static Result<std::unique_ptr<os::File>> open_locked(os::FileSystem& file_system,
                                                       const std::string& path, bool may_create);
  Result<void> settle_end(std::uint64_t durable) QUIRE_EXCLUDES(mutex_);
  Result<void> cut_behind_end() QUIRE_REQUIRES(mutex_);
  void write_zeros_ahead() QUIRE_REQUIRES(mutex_);
  std::unexpected<Error> unusable() const;
  static std::uint64_t offset_of(std::uint64_t record) noexcept {
    return kJournalHeaderBytes + record * kJournalRecordBytes;
  }

  const std::unique_ptr<os::File> file_;
  const std::uint64_t salt_;
  base::Mutex sync_mutex_;  // taken before mutex_
  mutable base::Mutex mutex_;
  std::uint64_t records_ QUIRE_GUARDED_BY(mutex_);
  std::uint64_t durable_ QUIRE_GUARDED_BY(mutex_);
  std::vector<std::byte> not_durable_ QUIRE_GUARDED_BY(mutex_);  // records from durable_ on
  std::uint64_t zeroed_until_ QUIRE_GUARDED_BY(mutex_);          // end of the file
  bool end_is_unsure_ QUIRE_GUARDED_BY(mutex_) = false;
  bool given_up_ QUIRE_GUARDED_BY(mutex_) = false;
};

}  // namespace quire::ranged
