// CoverageJournal: the file that says which bytes of another are surely written. Byte-exact:
// docs/formats/coverage-journal.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "quire/error.hpp"
#include "ranged/interval_set.hpp"

namespace quire::ranged {

// What a journal is of.
struct JournalSubject {
  os::FileId file;
  std::uint64_t size = 0;  // of the file
  std::string content_version;
};

// What a record says, with a and b as the format has them.
struct JournalRecord {
  enum class Kind : std::uint8_t { written = 1, given_back = 2, grows = 3 };
  Kind kind = Kind::written;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

// Thread-safe: appending and syncing take turns, and one sync is for all who wait for it.
class CoverageJournal {
 public:
  // Where the journal of the file at `path` is.
  static std::string path_for(const std::string& path) { return path + ".quire-coverage"; }

  // Makes a journal without records, in place of what is there, and locks it.
  // Errors: busy (another has it locked), no_space, permission, io.
  // REQUIRES: the content version is not too long.
  [[nodiscard]] static Result<std::unique_ptr<CoverageJournal>> create(
      os::FileSystem& file_system, const std::string& path, const JournalSubject& subject);
  // Opens a journal of this subject; `written` becomes what it lists. For writing, it is locked, and what a
  // crash tore is cut off. Errors: not_found, busy, changed (it is not of this file, size or version),
  // corrupt, truncated, format_version, io.
  [[nodiscard]] static Result<std::unique_ptr<CoverageJournal>> open(os::FileSystem& file_system,
                                                                     const std::string& path,
                                                                     os::OpenMode mode,
                                                                     const JournalSubject& subject,
                                                                     IntervalSet& written);

  CoverageJournal(std::unique_ptr<os::File> file, std::uint64_t salt, std::uint64_t records,
                  std::uint64_t zeroed_until) noexcept
      : file_(std::move(file)),
        salt_(salt),
        durable_(records),
        records_(records),
        zeroed_until_(zeroed_until) {}

  // Adds records; a later sync makes them durable. On an error none counts. Errors: no_space, io.
  [[nodiscard]] Result<void> append(std::span<const JournalRecord> records) QUIRE_EXCLUDES(mutex_);
  // Returns when all that was appended before is durable. Errors: no_space, io, read_only_after_error.
  [[nodiscard]] Result<void> sync() QUIRE_EXCLUDES(mutex_, sync_mutex_);
  // Takes the name away, durably.
  [[nodiscard]] Result<void> remove(os::FileSystem& file_system);
  // Allows syncing again after a failure.
  void forget_sync_failure() { file_->forget_sync_failure(); }

 private:
  static Result<std::unique_ptr<os::File>> open_locked(os::FileSystem& file_system,
                                                       const std::string& path, bool may_create);
  void write_zeros_ahead() QUIRE_REQUIRES(mutex_);

  const std::unique_ptr<os::File> file_;
  const std::uint64_t salt_;
  // How many records are durable. Relaxed: a record that says fewer says nothing wrong.
  std::atomic<std::uint64_t> durable_;
  base::Mutex sync_mutex_;  // taken before mutex_
  base::Mutex mutex_;
  std::uint64_t records_ QUIRE_GUARDED_BY(mutex_);
  std::uint64_t zeroed_until_ QUIRE_GUARDED_BY(mutex_);  // end of the file
};

}  // namespace quire::ranged
