// CoverageTracker: what of a resumed file was written, what is being synced, and what is surely written.
//
// A byte that a range wrote is *noted*. A sync takes those noted bytes that it is about, has the file
// synced, and *records* them in the journal. Given back, a byte is none of these.
//
// Invariants:
//   1. recorded_ is what the journal lists, by its records until now.
//   2. A byte is recorded only if it was noted before the file's sync began that covers it, and not
//      given back since: giving back takes it out of every sync that is under way.
//   3. A byte that was recorded is given back only once the journal durably says so.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.hpp"
#include "quire/ranged_file.hpp"
#include "ranged/coverage_journal.hpp"
#include "ranged/interval_set.hpp"

namespace quire::ranged {

// Thread-safe.
class CoverageTracker {
 public:
  CoverageTracker(std::unique_ptr<CoverageJournal> journal, IntervalSet recorded)
      : journal_(std::move(journal)), recorded_(std::move(recorded)) {}

  // The bytes were written.
  void note(ByteRange range) QUIRE_EXCLUDES(mutex_);

  // Has `sync_file` make the file durable, and then records those of `ranges` that were noted before;
  // returns when the journal is durable too.
  template <class SyncFile>
  [[nodiscard]] Result<void> sync(std::span<const ByteRange> ranges, SyncFile&& sync_file) {
    const UnderWay under_way(*this, ranges);
    if (auto synced = sync_file(); !synced) return synced;
    return record(under_way.bytes());
  }

  // The bytes are no longer of use. Errors: those of the journal; the bytes may then not be used again.
  [[nodiscard]] Result<void> give_back(ByteRange range) QUIRE_EXCLUDES(mutex_);
  // The file, of `size` bytes, is about to get `new_size`.
  [[nodiscard]] Result<void> announce_growth(std::uint64_t size, std::uint64_t new_size);
  // Nothing that is not recorded is taken for written any more, and syncing is allowed again. Errors:
  // those of the journal. REQUIRES: nothing else runs.
  [[nodiscard]] Result<void> forget_failure() QUIRE_EXCLUDES(mutex_);

  // Of a file of `size` bytes. Errors: those of the journal.
  [[nodiscard]] Result<Coverage> coverage(std::uint64_t size) QUIRE_EXCLUDES(mutex_);

  CoverageJournal& journal() noexcept { return *journal_; }

 private:
  // The bytes of one sync, from before the file is synced until they are recorded.
  class UnderWay {
   public:
    UnderWay(CoverageTracker& tracker, std::span<const ByteRange> ranges);
    ~UnderWay();
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    IntervalSet& bytes() const noexcept { return *place_; }

   private:
    CoverageTracker& tracker_;
    std::list<IntervalSet>::iterator place_;
  };

  Result<void> record(IntervalSet& bytes) QUIRE_EXCLUDES(mutex_);

  const std::unique_ptr<CoverageJournal> journal_;
  base::Mutex mutex_;
  IntervalSet noted_ QUIRE_GUARDED_BY(mutex_);
  IntervalSet recorded_ QUIRE_GUARDED_BY(mutex_);
  std::list<IntervalSet> under_way_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::ranged
