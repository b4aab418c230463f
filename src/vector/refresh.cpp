// Readers: handles that may not write, in this process or another, beside a writer or without one.
//
// A reader replays into private memory what the writer's files say, up to the batch that the writer last told of in
// LOCK; without a writer, all that is committed. It goes on from there with each refresh, and starts again from
// MANIFEST where that leads nowhere any more: after a compaction, or when checkpoints removed logs that it has not read.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/try.hpp"
#include "vector/control_page.hpp"
#include "vector/replay.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

// A reader beside a writer may find a file gone, or half a record, because the writer moved on. It looks
// again as long as the manifest changes, and believes in damage when it sees the same store damaged again
// and again.
Result<std::unique_ptr<StoreCore>> StoreCore::open_reader(os::FileSystem& file_system,
                                                          const std::string& directory,
                                                          const OpenStoreOptions& options,
                                                          Manifest manifest) {
  constexpr int kLooksAtOneManifest = 5;
  constexpr int kLooks = 5000;
  int looks_at_this = 0;
  for (int look = 1;; ++look) {
    auto opened =
        open_with(file_system, directory, StoreMode::read_only, options, manifest, nullptr);
    if (opened || look == kLooks) return opened;
    const ErrorCode code = opened.error().code();
    const bool is_a_race = code == ErrorCode::changed;
    const bool may_be_a_race = is_a_race || code == ErrorCode::corrupt ||
                               code == ErrorCode::truncated || code == ErrorCode::not_found;
    if (!may_be_a_race) return opened;
    if (!is_a_race && ++looks_at_this == kLooksAtOneManifest) return opened;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::max(looks_at_this, 1)));
    QUIRE_TRY(Manifest now, read_manifest(file_system, directory));
    if (now != manifest) looks_at_this = 0;
    manifest = now;
  }
}

// What a reader may show. Asked for before the files are looked at: what the writer told of is in them by then.
Result<ReplayBounds> StoreCore::bounds_of_writer() const {
  auto lock = file_system_.open(os::join_path(directory_, kLockName), os::OpenMode::read);
  if (!lock) {
    const ErrorCode code = lock.error().code();
    if (code == ErrorCode::not_found || code == ErrorCode::permission) return ReplayBounds{};
    return std::unexpected(std::move(lock).error());
  }
  const auto has_writer = (*lock)->is_locked_exclusively();
  if (!has_writer) {
    if (has_writer.error().code() == ErrorCode::unsupported) return ReplayBounds{};
    return std::unexpected(has_writer.error());
  }
  if (!*has_writer) return ReplayBounds{};
  ReplayBounds bounds{.last_lsn = {}, .tail_may_be_growing = true};
  QUIRE_TRY(const auto page, read_control_page(**lock));
  // Without a page it is still recovering, and writes no batch.
  if (page && page->store == identity_.id) bounds.last_lsn = page->published_lsn;
  return bounds;
}

// A shared lock on the rows file keeps the writer from giving back dead rows in place. Those that it gave back before
// are not shown by the MANIFEST of now.
Result<void> StoreCore::keep_rows_whole() {
  auto locked = rows_->try_lock_shared();
  if (!locked && locked.error().code() != ErrorCode::unsupported) {
    if (locked.error().code() != ErrorCode::busy) return locked;
    return std::unexpected(moved_on("the writer is giving back dead rows"));
  }
  QUIRE_TRY(const Manifest now, read_manifest(file_system_, directory_));
  if (now != manifest_) return std::unexpected(moved_on("the store was checkpointed meanwhile"));
  return {};
}

// A reader that knew of no bound may have read what a writer that came meanwhile has not acknowledged.
Result<void> StoreCore::check_no_writer_came(const ReplayBounds& bounds) const {
  if (bounds.last_lsn) return {};
  QUIRE_TRY(const ReplayBounds now, bounds_of_writer());
  if (now.last_lsn || now.tail_may_be_growing != bounds.tail_may_be_growing) {
    return std::unexpected(moved_on("a writer has begun meanwhile"));
  }
  return {};
}

Error StoreCore::moved_on(const char* why) const {
  return Error(ErrorCode::changed, "open").with_path(directory_).with_detail(why);
}

// Rows that records carry are in the rows file already if a writer lives or died alone; not if the power went.
Result<bool> StoreCore::file_has_rows(const ReplayedBatch& batch) const {
  const auto stride = static_cast<std::size_t>(identity_.stride());
  std::vector<std::byte> row(stride);
  std::size_t at = 0;
  for (const Operation& operation : batch.operations) {
    if (operation.kind != OperationKind::put) continue;
    const auto carried = std::span(batch.carried_rows).subspan(at, stride);
    at += stride;
    if (auto read = rows_->read(operation.row, row); !read) {
      if (read.error().code() == ErrorCode::truncated) return false;
      return std::unexpected(std::move(read).error());
    }
    if (!std::ranges::equal(row, carried)) return false;
  }
  return true;
}

Result<void> StoreCore::load_read_only(LogSet logs, const ReplayBounds& bounds) {
  std::vector<ReplayedBatch> missing;
  QUIRE_TRY(ReplayOutcome outcome,
            replay_logs(
                std::move(logs), manifest_, *rows_,
                [&](const ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_) -> Result<void> {
                  apply(batch);
                  if (!batch.carries_rows) return {};
                  QUIRE_TRY(const bool has_rows, file_has_rows(batch));
                  if (!has_rows) missing.push_back(batch);
                  return {};
                },
                bounds));
  QUIRE_CHECK(check_no_writer_came(bounds));
  lsn_ = durable_lsn_ = outcome.last_lsn;
  replayed_log_bytes_ = outcome.log_bytes;
  tail_log_ = outcome.tail_log;
  tail_position_ = outcome.tail_position;
  recovery_.replayed_batches = outcome.batches;
  recovery_.dropped_bytes = outcome.dropped_bytes;
  recovery_.dropped_from = std::move(outcome.dropped_from);

  if (missing.empty()) {
    QUIRE_TRY(auto map, rows_->map(next_row_));
    stage_view(std::move(map));
    publish();
    return {};
  }
  has_private_rows_ = true;
  QUIRE_TRY(auto map, rows_->map_private(next_row_));
  const auto stride = static_cast<std::size_t>(identity_.stride());
  for (const ReplayedBatch& batch : missing) {
    std::size_t at = 0;
    for (const Operation& operation : batch.operations) {
      if (operation.kind != OperationKind::put) continue;
      QUIRE_CHECK(map->patch(operation.row, std::span(batch.carried_rows).subspan(at, stride)));
      at += stride;
    }
  }
  stage_view(std::move(map));
  publish();
  return {};
}

Result<bool> StoreCore::refresh() {
  if (mode_ == StoreMode::read_write) {
    const base::MutexLock lock(write_mutex_);
    if (closed_) return std::unexpected(Error(ErrorCode::closed, "refresh").with_path(directory_));
    return false;  // it shows what it writes
  }
  const base::MutexLock upkeep(upkeep_mutex_);
  const base::MutexLock lock(write_mutex_);
  if (closed_) return std::unexpected(Error(ErrorCode::closed, "refresh").with_path(directory_));
  metrics_->refreshes.add();
  const std::uint64_t before = lsn_;
  const std::uint64_t generation = manifest_.generation;
  QUIRE_TRY(const bool followed, follow_logs());
  if (!followed) QUIRE_CHECK(start_again());
  return lsn_ != before || manifest_.generation != generation;
}

// False if it has to start again.
Result<bool> StoreCore::follow_logs() {
  if (has_private_rows_ || is_astray_) return false;
  QUIRE_TRY(const ReplayBounds bounds, bounds_of_writer());
  QUIRE_TRY(const Manifest now, read_manifest(file_system_, directory_));
  if (now.identity != identity_ || now.generation != manifest_.generation) return false;
  if (bounds.last_lsn && *bounds.last_lsn <= lsn_) return *bounds.last_lsn == lsn_;
  // As if the last checkpoint were of what is shown, and the logs began with the one that goes on.
  Manifest from = manifest_;
  from.checkpoint_lsn = lsn_;
  from.first_log = tail_log_;
  auto logs = open_logs(file_system_, directory_, from);
  if (!logs) {
    const ErrorCode code = logs.error().code();
    if (code == ErrorCode::corrupt || code == ErrorCode::not_found) return false;
    return std::unexpected(std::move(logs).error());
  }
  logs->logs.front().seek(tail_position_);
  is_astray_ = true;  // until it is seen that all went well
  bool has_rows = true;
  auto outcome = replay_logs(
      *std::move(logs), from, *rows_,
      [&](const ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_) -> Result<void> {
        apply(batch);
        if (batch.carries_rows && has_rows) {
          QUIRE_TRY(has_rows, file_has_rows(batch));
        }
        return {};
      },
      bounds);
  if (!outcome || !has_rows || !check_no_writer_came(bounds)) return false;
  // Checkpoints have overtaken the log that it reads.
  if (outcome->last_lsn < now.checkpoint_lsn) return false;
  QUIRE_TRY(auto map, rows_->map(next_row_));
  lsn_ = durable_lsn_ = outcome->last_lsn;
  tail_log_ = outcome->tail_log;
  tail_position_ = outcome->tail_position;
  stage_view(std::move(map));
  publish();
  is_astray_ = false;
  return true;
}

Result<void> StoreCore::start_again() {
  QUIRE_TRY(const Manifest manifest, read_manifest(file_system_, directory_));
  if (manifest.identity != identity_) {
    return std::unexpected(Error(ErrorCode::changed, "refresh")
                               .with_path(directory_)
                               .with_detail("another store is here now; open it anew"));
  }
  QUIRE_TRY(const auto fresh, open_reader(file_system_, directory_, options_, manifest));
  const base::MutexLock lock(fresh->write_mutex_);
  manifest_ = fresh->manifest_;
  catalog_ = fresh->catalog_;
  rows_ = fresh->rows_;
  slots_ = fresh->slots_;
  lsn_ = durable_lsn_ = fresh->lsn_;
  next_row_ = used_rows_ = fresh->used_rows_;
  replayed_log_bytes_ = fresh->replayed_log_bytes_;
  tail_log_ = fresh->tail_log_;
  tail_position_ = fresh->tail_position_;
  has_private_rows_ = fresh->has_private_rows_;
  is_astray_ = false;
  staged_ = fresh->staged_;
  publish();
  return {};
}

}  // namespace quire::vector
