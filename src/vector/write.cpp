// The write path of a store: the steps are numbered in store_core.hpp.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

constexpr std::size_t kGatherBytes = std::size_t{1} << 20;

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

Error StoreCore::refuse_writes(Error cause, ErrorCode told) {
  Error error =
      Error(told, cause.operation(), cause.system_code())
          .with_path(cause.path())
          .with_detail("the store is read-only until it is opened again: " + cause.message());
  failure_ = std::move(cause);
  return error;
}

Result<void> StoreCore::commit(std::vector<Change> changes) {
  const base::MutexLock lock(write_mutex_);
  return commit_locked(std::move(changes));
}

Result<bool> StoreCore::remove(std::uint64_t id) {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
  if (!catalog_->is_live(id)) return false;
  QUIRE_CHECK(commit_locked({{.kind = OperationKind::remove, .id = id, .row = {}}}));
  return true;
}

void StoreCore::drop_ineffective(std::vector<Change>& changes) const {
  keep_last_of_each_id(changes);
  std::erase_if(changes, [&](const Change& change) {
    return change.kind == OperationKind::remove && !catalog_->is_live(change.id);
  });
}

Result<void> StoreCore::commit_locked(std::vector<Change> changes) {
  QUIRE_CHECK(check_writable());
  drop_ineffective(changes);
  if (changes.empty()) return {};
  QUIRE_CHECK(make_log_ready());

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
  return finish_batch(operations,
                      direct ? std::span<const Change>() : std::span<const Change>(changes));
}

Result<std::shared_ptr<const RowFile>> StoreCore::begin_bulk_load() {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
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
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
  if (operations.empty()) return {};
  QUIRE_CHECK(make_log_ready());
  return finish_batch(operations, {});
}

void StoreCore::end_bulk_load(ByteRange unused) noexcept {
  const base::MutexLock lock(write_mutex_);
  --bulk_loads_;
  if (unused.end() == next_row_) next_row_ = unused.offset;
  // Nobody writes granted rows any more: the space of those that were not used goes back.
  if (bulk_loads_ == 0 && check_writable()) ignore_error(rows_->trim(next_row_));
}

Result<void> StoreCore::finish_batch(std::span<const Operation> operations,
                                     std::span<const Change> carried) {
  std::uint64_t used = used_rows_;
  for (const Operation& operation : operations) {
    if (operation.kind == OperationKind::put) used = std::max(used, operation.row + 1);
  }
  QUIRE_TRY(auto map, rows_->map(used));
  batch_is_open_ = true;
  if (durability_ != Durability::checkpoint_only) {
    if (auto logged = log_batch(operations, carried); !logged) {
      batch_is_open_ = false;
      return logged;
    }
  }
  used_rows_ = used;
  next_row_ = std::max(next_row_, used);
  apply_next(operations);
  publish(std::move(map));
  batch_is_open_ = false;
  checkpoint_if_due();
  return {};
}

void StoreCore::apply_next(std::span<const Operation> operations) {
  ++lsn_;
  for (const Operation& operation : operations) {
    catalog_->apply({.kind = operation.kind,
                     .id = operation.id,
                     .row = operation.row,
                     .lsn = lsn_,
                     .row_checksum = operation.row_checksum});
  }
}

Result<void> StoreCore::make_log_ready() {
  if (!log_->is_spoiled()) return {};
  return start_next_log();
}

Result<void> StoreCore::write_rows(std::span<const Change> changes) {
  const std::uint64_t stride = identity_.stride();
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

Result<void> StoreCore::log_batch(std::span<const Operation> operations,
                                  std::span<const Change> carried) {
  const bool direct = carried.empty();
  const bool durable = durability_ == Durability::power_loss;
  if (direct && durable) {
    // The batch has no record yet: it is surely absent. But rows of earlier batches may be lost too, and
    // only their records bring them back.
    if (auto synced = rows_->sync(); !synced) {
      return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
    }
  }

  RecordHead head{.lsn = lsn_ + 1,
                  .durable_lsn = durable_lsn_,
                  .generation = manifest_.generation,
                  .kind = direct ? RecordKind::rows_in_file : RecordKind::inline_rows,
                  .part = 0,
                  .last_part = false};
  std::vector<std::span<const std::byte>> rows;
  for (std::size_t first = 0; first < operations.size(); first += kMaxOperationsPerRecord) {
    const std::size_t count = std::min(kMaxOperationsPerRecord, operations.size() - first);
    head.last_part = first + count == operations.size();
    rows.clear();
    if (!direct) {
      for (const Change& change : carried.subspan(first, count)) rows.push_back(change.row);
    }
    QUIRE_CHECK(log_->append(head, operations.subspan(first, count), rows));
    ++head.part;
  }
  if (durable) {
    if (auto synced = log_->sync(); !synced) {
      return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::outcome_unknown));
    }
    durable_lsn_ = lsn_ + 1;
  }
  return {};
}

Result<void> StoreCore::sync() {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
  if (durability_ == Durability::checkpoint_only) return checkpoint_locked();
  return sync_locked();
}

Result<void> StoreCore::sync_locked() {
  if (!log_->has_unsynced_records()) return {};
  // Rows first: a record that names rows says, once it is durable, that they are.
  auto synced = rows_->sync();
  if (synced) synced = log_->sync();
  if (!synced) {
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::outcome_unknown));
  }
  durable_lsn_ = lsn_;
  return {};
}

void StoreCore::publish(std::shared_ptr<const RowMap> rows) {
  Published next{.rows = std::move(rows),
                 .lsn = lsn_,
                 .versions = catalog_->versions().size(),
                 .live = catalog_->live()};
  const base::MutexLock lock(view_mutex_);
  std::swap(published_, next);
}

}  // namespace quire::vector
