// The write path of a store: the steps are numbered in store_core.hpp.
#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <numeric>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "vector/control_page.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

constexpr std::size_t kGatherBytes = std::size_t{1} << 20;
// Entries that the slots file has space for beyond what puts take, so that removes go on when the disk is full.
constexpr std::uint64_t kEntriesForRemoves = 2048;
constexpr std::chrono::seconds kMetricsInterval{1};

// Keeps the last change (or operation) of each id, in order.
template <class OfOneId>
void keep_last_of_each_id(std::vector<OfOneId>& changes) {
  const bool ascending = std::ranges::adjacent_find(changes, std::ranges::greater_equal{},
                                                    &OfOneId::id) == changes.end();
  if (ascending) return;
  std::vector<std::size_t> order(changes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(changes[i].id, i); });
  std::vector<bool> superseded(changes.size());
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    if (changes[order[i]].id == changes[order[i + 1]].id) superseded[order[i]] = true;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (!superseded[i]) changes[kept++] = changes[i];
  }
  changes.resize(kept);
}

std::uint64_t bytes_of_rows(std::span<const Change> changes) {
  std::uint64_t bytes = 0;
  for (const Change& change : changes) bytes += change.row.size();
  return bytes;
}

Error no_more_rows(const char* operation, const std::string& directory) {
  return Error(ErrorCode::capacity, operation)
      .with_path(directory)
      .with_detail("a store has at most 2^40 rows");
}

}  // namespace

Result<void> StoreCore::check_writable() const {
  if (closed_) {
    return std::unexpected(Error(ErrorCode::closed, "write").with_path(directory_));
  }
  if (mode_ == StoreMode::read_only) {
    return std::unexpected(Error(ErrorCode::wrong_mode, "write")
                               .with_path(directory_)
                               .with_detail("the store was opened read-only"));
  }
  if (batch_is_open_) {
    return std::unexpected(
        Error(ErrorCode::read_only_after_error, "write")
            .with_path(directory_)
            .with_detail("memory ran out in the middle of a write; open the store again to go on"));
  }
  if (failure_) {
    return std::unexpected(Error(ErrorCode::read_only_after_error, "write")
                               .with_path(directory_)
                               .with_detail("an earlier error left the outcome of a write open (" +
                                            failure_->message() +
                                            "); open the store again to go on"));
  }
  return {};
}

Result<void> StoreCore::check_takes_batches() const {
  if (closing_) return std::unexpected(Error(ErrorCode::closed, "write").with_path(directory_));
  return check_writable();
}

bool StoreCore::is_writable() const noexcept {
  return !closed_ && mode_ == StoreMode::read_write && !batch_is_open_ && !failure_;
}

Result<void> StoreCore::check_no_bulk_load(const char* operation) const {
  if (bulk_loads_ == 0) return {};
  return std::unexpected(Error(ErrorCode::busy, operation)
                             .with_path(directory_)
                             .with_detail("a bulk load is going on"));
}

Error StoreCore::refuse_writes(Error cause, ErrorCode told) {
  Error error =
      Error(told, cause.operation(), cause.system_code())
          .with_path(cause.path())
          .with_detail("the store is read-only until it is opened again: " + cause.message());
  failure_ = std::move(cause);
  return error;
}

Result<bool> StoreCore::commit(std::vector<Change> changes,
                               std::optional<std::uint64_t> expected_lsn) {
  auto submission = std::make_shared<Submission>();
  submission->changes = std::move(changes);
  submission->expected_lsn = expected_lsn;
  return submit(submission);
}

Result<bool> StoreCore::submit(const std::shared_ptr<Submission>& submission) {
  {
    const Stopwatch put;
    queue_.run(submission);
    put.record_in(metrics_->put);
  }
  do_what_is_due();
  if (submission->exception) std::rethrow_exception(submission->exception);
  return std::move(submission->outcome);
}

void StoreCore::commit_group(CommitQueue::Group group) noexcept {
  const auto of = [](const std::shared_ptr<Queued>& queued) -> Submission& {
    return static_cast<Submission&>(*queued);
  };
  const base::MutexLock lock(write_mutex_);
  const std::uint64_t before = lsn_;
  auto first_effective = group.end();
  for (auto at = group.begin(); at != group.end(); ++at) {
    const auto& queued = *at;
    Submission& submission = of(queued);
    try {
      submission.outcome = stage(submission);
      const bool is_effective = submission.outcome && *submission.outcome;
      if (is_effective && first_effective == group.end()) first_effective = at;
    } catch (...) {
      submission.exception = std::current_exception();
    }
  }
  if (lsn_ == before) return;
  try {
    if (const Result<void> acknowledged = acknowledge(); !acknowledged) {
      // Also to those that found nothing to do: what they found may be gone.
      for (auto at = first_effective; at != group.end(); ++at) {
        Submission& submission = of(*at);
        if (submission.outcome) submission.outcome = std::unexpected(acknowledged.error());
      }
    }
    note_what_is_due();
  } catch (...) {
    batch_is_open_ = true;
    for (auto at = first_effective; at != group.end(); ++at) {
      if (!of(*at).exception) of(*at).exception = std::current_exception();
    }
  }
}

Result<bool> StoreCore::is_as_expected(const Submission& submission) const {
  if (!submission.expected_lsn) return true;
  const std::uint64_t id = submission.changes.front().id;
  const std::optional<Version> newest = catalog_->newest(id);
  const bool is_there = newest && newest->is_put();
  return *submission.expected_lsn == (is_there ? newest->lsn : 0);
}

void StoreCore::drop_ineffective(std::vector<Change>& changes) const {
  keep_last_of_each_id(changes);
  const Catalog& catalog = *catalog_;
  std::erase_if(changes, [&](const Change& change) {
    return change.kind == OperationKind::remove && !catalog.is_live(change.id);
  });
}

Result<bool> StoreCore::stage(Submission& submission) {
  QUIRE_CHECK(check_takes_batches());
  if (!submission.operations.empty()) {
    QUIRE_CHECK(log_and_apply(submission.operations, {}));
    return true;
  }
  QUIRE_TRY(const bool expected, is_as_expected(submission));
  if (!expected) return false;
  std::vector<Change>& changes = submission.changes;
  drop_ineffective(changes);
  if (changes.empty()) return false;

  std::vector<Operation> operations;
  operations.reserve(changes.size());
  std::uint64_t row = next_row_;
  for (const Change& change : changes) {
    const bool is_put = change.kind == OperationKind::put;
    operations.push_back({.kind = change.kind,
                          .id = change.id,
                          .row = is_put ? row : 0,
                          .row_checksum = is_put ? base::checksum(change.row) : 0});
    row += is_put ? 1 : 0;
  }
  if (row > kMaxRows) return std::unexpected(no_more_rows("put", directory_));

  QUIRE_CHECK(write_rows(changes));
  const bool direct = bytes_of_rows(changes) >= options_.direct_batch_bytes;
  if (direct && durability_ == Durability::power_loss) QUIRE_CHECK(sync_rows());
  QUIRE_CHECK(log_and_apply(operations,
                            direct ? std::span<const Change>() : std::span<const Change>(changes)));
  return true;
}

Result<std::shared_ptr<const RowFile>> StoreCore::begin_bulk_load() {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_takes_batches());
  ++bulk_loads_;
  return rows_;
}

Result<ByteRange> StoreCore::grant_rows(std::uint64_t least, std::uint64_t wanted) {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
  const std::uint64_t left = kMaxRows - next_row_;
  if (least > left) return std::unexpected(no_more_rows("claim", directory_));
  std::uint64_t count = std::min(wanted, left);
  auto reserved = rows_->reserve(next_row_ + count);
  const bool is_too_much = !reserved && (reserved.error().code() == ErrorCode::no_space ||
                                         reserved.error().code() == ErrorCode::capacity);
  if (is_too_much && count > least) {
    count = least;
    reserved = rows_->reserve(next_row_ + count);
  }
  QUIRE_CHECK(reserved);
  const ByteRange granted{next_row_, count};
  next_row_ += count;
  return granted;
}

Result<void> StoreCore::commit_rows(std::vector<Operation> operations) {
  keep_last_of_each_id(operations);
  std::shared_ptr<RowFile> rows;
  {
    const base::MutexLock lock(write_mutex_);
    QUIRE_CHECK(check_writable());
    rows = rows_;
  }
  if (operations.empty()) return {};
  // Without the lock: other batches go on meanwhile.
  if (durability_ == Durability::power_loss) {
    if (auto synced = rows->sync(); !synced) {
      const base::MutexLock lock(write_mutex_);
      return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
    }
  }
  auto submission = std::make_shared<Submission>();
  submission->operations = std::move(operations);
  QUIRE_CHECK(submit(submission));
  return {};
}

void StoreCore::end_bulk_load(ByteRange unused) noexcept {
  const base::MutexLock lock(write_mutex_);
  --bulk_loads_;
  if (unused.end() == next_row_) next_row_ = unused.offset;
  // Nobody writes granted rows any more: the space of those that were not used goes back.
  if (bulk_loads_ == 0 && is_writable()) {
    ignore_error(rows_->trim(std::max(next_row_, reserved_rows_)));
  }
}

Result<void> StoreCore::reserve(std::uint64_t rows) {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_takes_batches());
  if (rows > kMaxRows - next_row_) return std::unexpected(no_more_rows("reserve", directory_));
  QUIRE_CHECK(rows_->reserve(next_row_ + rows));
  reserved_rows_ = std::max(reserved_rows_, next_row_ + rows);
  return slots_->reserve(catalog_->versions().size() + rows);
}

Result<void> StoreCore::log_and_apply(std::span<const Operation> operations,
                                      std::span<const Change> carried) {
  std::uint64_t used = used_rows_;
  bool has_puts = false;
  for (const Operation& operation : operations) {
    if (operation.kind != OperationKind::put) continue;
    used = std::max(used, operation.row + 1);
    has_puts = true;
  }
  const LogUse use = has_puts ? LogUse::puts : LogUse::removes;
  QUIRE_TRY(auto map, rows_->map(used));
  // Invariant 7. Puts leave room for removes.
  const std::uint64_t entries = catalog_->versions().size() + operations.size();
  if (entries >= kMaxVersions) {
    return std::unexpected(Error(ErrorCode::capacity, "write")
                               .with_path(directory_)
                               .with_detail("a generation has fewer than 2^40 puts and removes; "
                                            "compact the store"));
  }
  QUIRE_CHECK(slots_->reserve(entries + (has_puts ? kEntriesForRemoves : 0)));

  batch_is_open_ = true;
  if (durability_ != Durability::checkpoint_only) {
    Result<void> appended;
    if (log_->is_spoiled()) appended = start_next_log(use);
    if (appended) appended = append_record(operations, carried);
    // On a full disk removes have a log of their own that is there already.
    if (!appended && use == LogUse::removes && appended.error().code() == ErrorCode::no_space &&
        log_->is_spoiled() && start_next_log(use)) {
      appended = append_record(operations, carried);
    }
    if (!appended) {
      batch_is_open_ = false;
      return appended;
    }
    if (carried.empty() && durability_ != Durability::power_loss) has_unsynced_rows_ = true;
  }
  count(operations);
  used_rows_ = used;
  next_row_ = std::max(next_row_, used);
  apply_next(operations);
  stage_view(std::move(map));
  batch_is_open_ = false;
  return {};
}

void StoreCore::apply_next(std::span<const Operation> operations) {
  ++lsn_;
  for (const Operation& operation : operations) catalog_->apply(entry_of(operation, lsn_));
}

Result<void> StoreCore::write_rows(std::span<const Change> changes) {
  const std::uint64_t stride = identity_.stride();
  const std::uint64_t limit = next_row_ + bytes_of_rows(changes) / stride;
  if (!rows_->has_space_for(limit)) {
    const Stopwatch growth;
    rows_->grow(limit);
    growth.record_in(metrics_->growth);
  }
  std::vector<std::byte> gathered;
  std::uint64_t row = next_row_;
  for (std::size_t i = 0; i < changes.size();) {
    if (changes[i].kind == OperationKind::remove) {
      ++i;
      continue;
    }
    // Rows that lie behind each other in memory already go out as they are.
    std::span<const std::byte> run = changes[i].row;
    std::size_t next = i + 1;
    while (next < changes.size() && changes[next].row.data() == run.data() + run.size() &&
           changes[next].kind == OperationKind::put) {
      run = {run.data(), run.size() + changes[next].row.size()};
      ++next;
    }
    if (next == i + 1) {
      gathered.clear();
      for (next = i; next < changes.size() && gathered.size() < kGatherBytes; ++next) {
        gathered.insert(gathered.end(), changes[next].row.begin(), changes[next].row.end());
      }
      run = gathered;
    }
    QUIRE_CHECK(rows_->write(row, run));
    row += run.size() / stride;
    i = next;
  }
  return {};
}

void StoreCore::count(std::span<const Operation> operations) const noexcept {
  const auto puts = static_cast<std::uint64_t>(
      std::ranges::count(operations, OperationKind::put, &Operation::kind));
  metrics_->batches.add();
  metrics_->puts.add(puts);
  metrics_->removes.add(operations.size() - puts);
  metrics_->rows_written.add(puts);
  metrics_->row_bytes_written.add(puts * identity_.stride());
}

Result<void> StoreCore::append_record(std::span<const Operation> operations,
                                      std::span<const Change> carried) {
  const bool carries_rows = !carried.empty();
  RecordHead head{.lsn = lsn_ + 1,
                  .durable_lsn = durable_lsn_,
                  .generation = manifest_.generation,
                  .kind = carries_rows ? RecordKind::inline_rows : RecordKind::rows_in_file,
                  .part = 0,
                  .last_part = false};
  std::vector<std::span<const std::byte>> rows;
  for (std::size_t first = 0; first < operations.size(); first += kMaxOperationsPerRecord) {
    const std::size_t count = std::min(kMaxOperationsPerRecord, operations.size() - first);
    head.last_part = first + count == operations.size();
    rows.clear();
    if (carries_rows) {
      for (const Change& change : carried.subspan(first, count)) rows.push_back(change.row);
    }
    const std::uint64_t before = log_->record_bytes();
    QUIRE_CHECK(log_->append(head, operations.subspan(first, count), rows));
    metrics_->log_bytes_written.add(log_->record_bytes() - before);
    ++head.part;
  }
  return {};
}

Result<void> StoreCore::acknowledge() {
  if (durability_ == Durability::power_loss) QUIRE_CHECK(sync_log());
  publish();
  return {};
}

Result<void> StoreCore::sync() {
  {
    const base::MutexLock lock(write_mutex_);
    QUIRE_CHECK(check_writable());
    if (durability_ != Durability::checkpoint_only) return sync_log();
  }
  return checkpoint();
}

// The batch that asks has no record yet: it is surely absent. But rows of earlier batches may be lost too, and only
// their records bring them back.
Result<void> StoreCore::sync_rows() {
  if (auto synced = rows_->sync(); !synced) {
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
  }
  has_unsynced_rows_ = false;
  return {};
}

Result<void> StoreCore::sync_log() {
  if (!log_->has_unsynced_records()) return {};
  const Stopwatch sync;
  Result<void> synced;
  // Rows first: a record that names rows says, once it is durable, that they are.
  if (has_unsynced_rows_) synced = rows_->sync();
  if (synced) synced = log_->sync();
  if (!synced) {
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::outcome_unknown));
  }
  sync.record_in(metrics_->sync);
  metrics_->log_synced(lsn_ - durable_lsn_);
  has_unsynced_rows_ = false;
  durable_lsn_ = lsn_;
  return {};
}

void StoreCore::stage_view(std::shared_ptr<const RowMap> rows) {
  staged_ = {.catalog = catalog_,
             .rows = std::move(rows),
             .lsn = lsn_,
             .versions = catalog_->versions().size(),
             .live = catalog_->live(),
             .history_lsn = manifest_.history_lsn};
}

void StoreCore::publish() {
  Published next = staged_;
  tell_readers(next.lsn);
  const base::MutexLock lock(view_mutex_);
  std::swap(published_, next);
}

// Readers in other processes. One that is not told shows what it was told before. Without a log they can only follow
// checkpoints.
void StoreCore::tell_readers(std::uint64_t lsn) {
  if (!lock_) return;
  if (durability_ == Durability::checkpoint_only) lsn = manifest_.checkpoint_lsn;
  ignore_error(write_control_page(*lock_, identity_, manifest_.generation, lsn));
}

void StoreCore::note_what_is_due() {
  Chores due = 0;
  if (options_.background && std::chrono::steady_clock::now() >= publish_metrics_at_) {
    publish_metrics_at_ = std::chrono::steady_clock::now() + kMetricsInterval;
    due |= kPublishMetrics;
  }
  if (std::exchange(spares_are_due_, false)) due |= kRefillSpares;
  if (const std::uint64_t bytes = older_log_bytes_ + log_->record_bytes();
      bytes >= checkpoint_at_) {
    // One that fails is no error of the batch. It is tried again when the logs have grown by a quarter of the
    // limit; close() and checkpoint() report why it fails.
    checkpoint_at_ = bytes + std::max<std::uint64_t>(options_.checkpoint_log_bytes / 4, 1);
    due |= kCheckpoint;
  }
  const std::uint64_t dead = dead_rows();
  if (bulk_loads_ == 0 && dead >= compact_at_dead_rows_ &&
      fragmentation() > options_.compact_above) {
    // If it fails, or is overtaken, it is worth another try when there is more to gain.
    compact_at_dead_rows_ = dead + std::max(dead / 4, least_dead_rows());
    due |= kCompact;
  }
  if (due == 0) return;
  // Relaxed: who takes the chores takes the locks to do them.
  due_.fetch_or(due, std::memory_order_relaxed);
}

void StoreCore::do_what_is_due() noexcept {
  if (due_.load(std::memory_order_relaxed) == 0) return;
  const Chores chores = due_.exchange(0, std::memory_order_relaxed);
  if (chores == 0) return;
  if (options_.background && background_.request(chores)) return;
  do_chores(chores);
}

// For `quire stats`, which is another process.
void StoreCore::publish_metrics() {
  const auto now = metrics_snapshot();
  if (!now) return;
  const std::string json = to_json(*now);
  const base::MutexLock lock(write_mutex_);
  if (lock_) ignore_error(write_metrics_block(*lock_, json));
}

void StoreCore::do_chores(Chores chores) noexcept {
  try {
    const base::MutexLock upkeep(upkeep_mutex_);
    if ((chores & kRefillSpares) != 0) {
      bool writable = false;
      {
        const base::MutexLock lock(write_mutex_);
        writable = is_writable();
      }
      if (writable) ignore_error(spares_.refill());
    }
    if ((chores & kCheckpoint) != 0) ignore_error(checkpoint_with_upkeep());
    if ((chores & kCompact) != 0) ignore_error(compact_with_upkeep({}));
    if ((chores & kPublishMetrics) != 0) publish_metrics();
  } catch (const std::bad_alloc&) {
    return;  // it becomes due again
  }
}

}  // namespace quire::vector
