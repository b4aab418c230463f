#include "ranged/coverage_tracker.hpp"

#include <utility>

#include "base/try.hpp"

namespace quire::ranged {

CoverageTracker::UnderWay::UnderWay(CoverageTracker& tracker, std::span<const ByteRange> ranges)
    : tracker_(tracker) {
  const base::MutexLock lock(tracker_.mutex_);
  IntervalSet bytes;
  for (const ByteRange range : ranges) {
    for (const ByteRange part : tracker_.noted_.inside(range)) bytes.add(part);
  }
  place_ = tracker_.under_way_.insert(tracker_.under_way_.end(), std::move(bytes));
}

CoverageTracker::UnderWay::~UnderWay() {
  const base::MutexLock lock(tracker_.mutex_);
  tracker_.under_way_.erase(place_);
}

void CoverageTracker::note(ByteRange range) {
  const base::MutexLock lock(mutex_);
  noted_.add(range);
}

Result<void> CoverageTracker::record(IntervalSet& bytes) {
  {
    const base::MutexLock lock(mutex_);
    std::vector<JournalRecord> records;
    for (const ByteRange range : bytes.ranges()) {
      for (const ByteRange part : recorded_.missing(range)) {
        records.push_back(
            {.kind = JournalRecord::Kind::written, .a = part.offset, .b = part.length});
      }
    }
    QUIRE_CHECK(journal_->append(records));
    try {
      recorded_.add(bytes);
      noted_.remove(bytes);
    } catch (...) {
      journal_->give_up();  // invariant 1 does not hold any more
      throw;
    }
  }
  // Another sync may have appended some of these bytes and not synced them yet.
  return journal_->sync();
}

Result<void> CoverageTracker::give_back(ByteRange range) {
  {
    const base::MutexLock lock(mutex_);
    // A record that could not be taken back may speak of these bytes.
    QUIRE_CHECK(journal_->check_usable());
    noted_.remove(range);
    for (IntervalSet& bytes : under_way_) bytes.remove(range);
    std::vector<JournalRecord> records;
    for (const ByteRange part : recorded_.inside(range)) {
      records.push_back(
          {.kind = JournalRecord::Kind::given_back, .a = part.offset, .b = part.length});
    }
    if (records.empty()) return {};
    QUIRE_CHECK(journal_->append(records));
    try {
      recorded_.remove(range);
    } catch (...) {
      journal_->give_up();
      throw;
    }
  }
  return journal_->sync();
}

Result<void> CoverageTracker::announce_growth(std::uint64_t size, std::uint64_t new_size) {
  const JournalRecord record{.kind = JournalRecord::Kind::grows, .a = size, .b = new_size};
  QUIRE_CHECK(journal_->append(std::span(&record, 1)));
  return journal_->sync();
}

Result<void> CoverageTracker::forget_failure() {
  const base::MutexLock lock(mutex_);
  noted_.clear();
  return journal_->recover();
}

Result<Coverage> CoverageTracker::coverage(std::uint64_t size) {
  Coverage coverage;
  {
    const base::MutexLock lock(mutex_);
    coverage = {.written = recorded_.ranges(),
                .missing = recorded_.missing({0, size}),
                .written_bytes = recorded_.total()};
  }
  // Some of it may still wait for another thread's sync.
  QUIRE_CHECK(journal_->sync());
  return coverage;
}

}  // namespace quire::ranged
