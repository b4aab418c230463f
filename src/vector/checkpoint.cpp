// Checkpoints: from the log into the files that open reads at once. The steps:
// docs/formats/vector-store.md, "Checkpoint".
#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

Result<Manifest> read_manifest(os::FileSystem& file_system, const std::string& directory) {
  const std::string path = os::join_path(directory, kManifestName);
  auto opened = file_system.open(path, os::OpenMode::read);
  if (!opened) {
    if (opened.error().code() != ErrorCode::not_found) {
      return std::unexpected(std::move(opened).error());
    }
    QUIRE_CHECK(file_system.list(directory));
    return std::unexpected(Error(ErrorCode::not_found, "open")
                               .with_path(directory)
                               .with_detail("there is no vector store here (no MANIFEST)"));
  }
  const auto& file = *opened;
  QUIRE_TRY(const os::FileInfo info, file->info());
  std::array<std::byte, kManifestBytes> block{};
  const auto bytes = std::span(block).first(
      static_cast<std::size_t>(std::min<std::uint64_t>(info.size, block.size())));
  QUIRE_CHECK(file->read_exactly(0, bytes));
  return Manifest::decode(bytes, path);
}

namespace {

// What an earlier writer left there, and what holds the space, is written over.
Result<std::unique_ptr<os::File>> open_temporary_manifest(os::FileSystem& file_system,
                                                          const std::string& directory) {
  const std::string path = os::join_path(directory, kManifestTemporaryName);
  auto file = file_system.open(path, os::OpenMode::create_new);
  if (file || file.error().code() != ErrorCode::exists) return file;
  QUIRE_TRY(auto old, file_system.open(path, os::OpenMode::read_write));
  old->forget_sync_failure();
  return old;
}

}  // namespace

Result<void> replace_manifest(os::FileSystem& file_system, const std::string& directory,
                              const Manifest& manifest) {
  QUIRE_CHECK(prepare_manifest(file_system, directory, manifest));
  return adopt_prepared_manifest(file_system, directory);
}

Result<void> prepare_manifest(os::FileSystem& file_system, const std::string& directory,
                              const Manifest& manifest) {
  QUIRE_TRY(auto file, open_temporary_manifest(file_system, directory));
  QUIRE_CHECK(file->write_all(0, manifest.encode()));
  QUIRE_CHECK(file->truncate(kManifestBytes));
  auto synced = file->sync();
  // Nothing can be synced in that file any more; the next one is another.
  if (!synced) ignore_error(file_system.remove(file->path()));
  return synced;
}

Result<void> hold_manifest_space(os::FileSystem& file_system, const std::string& directory) {
  QUIRE_TRY(auto file, open_temporary_manifest(file_system, directory));
  return file->write_all(0, std::array<std::byte, kManifestBytes>{});
}

Result<void> adopt_prepared_manifest(os::FileSystem& file_system, const std::string& directory) {
  QUIRE_CHECK(file_system.rename(os::join_path(directory, kManifestTemporaryName),
                                 os::join_path(directory, kManifestName), IfExists::replace));
  return file_system.sync_directory(directory);
}

Result<void> StoreCore::checkpoint() {
  const base::MutexLock upkeep(upkeep_mutex_);
  return checkpoint_with_upkeep();
}

Result<void> StoreCore::checkpoint_with_upkeep() {
  const Stopwatch time;
  const auto written = write_checkpoint();
  if (!written) {
    metrics_->failed_checkpoints.add();
    return std::unexpected(written.error());
  }
  if (!*written) return {};
  time.record_in(metrics_->checkpoint);
  metrics_->checkpoints.add();
  punch_dead_rows();
  return {};
}

// False if there was nothing to do.
Result<bool> StoreCore::write_checkpoint() {
  // The log and what it has to sync, ahead of the moment at which writers wait for it.
  std::shared_ptr<RowFile> rows;
  {
    const base::MutexLock lock(write_mutex_);
    QUIRE_CHECK(check_writable());
    if (!has_news()) return false;
    rows = rows_;
  }
  if (auto synced = rows->sync(); !synced) {
    const base::MutexLock lock(write_mutex_);
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
  }

  Manifest now;
  Manifest next;
  std::shared_ptr<SlotFile> slots;
  std::shared_ptr<const Catalog> catalog;
  std::uint64_t older_log_bytes = 0;
  {
    const base::MutexLock lock(write_mutex_);
    QUIRE_CHECK(check_writable());
    QUIRE_TRY(const auto begun, begin_checkpoint());
    if (!begun) return false;
    now = manifest_;
    next = *begun;
    slots = slots_;
    catalog = catalog_;
    older_log_bytes = older_log_bytes_;
  }
  // What was written since the first sync.
  if (auto synced = rows->sync(); !synced) {
    const base::MutexLock lock(write_mutex_);
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
  }
  if (auto appended = slots->append(*catalog, now.slot_count, next.slot_count); !appended) {
    if (!slots->sync_has_failed()) return std::unexpected(std::move(appended).error());
    const base::MutexLock lock(write_mutex_);
    return std::unexpected(refuse_writes(std::move(appended).error(), ErrorCode::io));
  }
  {
    const base::MutexLock lock(write_mutex_);
    manifest_in_doubt_ = next;
  }
  QUIRE_CHECK(replace_manifest(file_system_, directory_, next));
  {
    const base::MutexLock lock(write_mutex_);
    adopt_manifest(next);
    older_log_bytes_ -= older_log_bytes;
    spares_are_due_ = true;  // the removed logs leave space for those that could not be made
  }
  remove_logs(now.first_log, next.first_log);
  metrics_->slot_bytes_written.add((next.slot_count - now.slot_count) * kSlotEntryBytes);
  return true;
}

bool StoreCore::log_is_used() const { return log_->record_bytes() > 0 || log_->is_spoiled(); }

bool StoreCore::has_news() const {
  return log_is_used() || lsn_ != manifest_.checkpoint_lsn || log_->number() != manifest_.first_log;
}

Result<std::optional<Manifest>> StoreCore::begin_checkpoint() {
  if (!has_news()) return std::nullopt;
  if (log_is_used()) QUIRE_CHECK(start_next_log(LogUse::checkpoint));
  Manifest next = manifest_;
  next.checkpoint_lsn = lsn_;
  next.slot_count = catalog_->versions().size();
  next.row_limit = used_rows_;
  next.first_log = log_->number();
  next.live = catalog_->live();
  return next;
}

void StoreCore::adopt_manifest(const Manifest& next) {
  manifest_in_doubt_.reset();
  manifest_ = next;
  if (durability_ == Durability::checkpoint_only) tell_readers(next.checkpoint_lsn);
  ignore_error(hold_manifest_space(file_system_, directory_));
  durable_lsn_ = std::max(durable_lsn_, next.checkpoint_lsn);
  checkpoint_at_ = options_.checkpoint_log_bytes;
}

// Only names: whatever of them a crash brings back is removed by the next open.
void StoreCore::remove_logs(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t number = first; number < end; ++number) {
    ignore_error(file_system_.remove(os::join_path(directory_, log_name(number))));
  }
}

// Invariant 2: the log that ends here is made durable first, and gets no record afterwards even if
// making the next one fails half way.
Result<void> StoreCore::start_next_log(LogUse use) {
  QUIRE_CHECK(sync_log());
  std::optional<std::string> spare;
  if (use == LogUse::removes) {
    if (spares_.count() == SpareLogs::kCount) spare = spares_.take();
  } else {
    auto refilled = spares_.refill();
    if (use == LogUse::puts) QUIRE_CHECK(refilled);
    spare = spares_.take();
  }
  log_->spoil();
  QUIRE_TRY(LogWriter next, LogWriter::create(file_system_, directory_, identity_,
                                              log_->number() + 1, lsn_ + 1, durable_lsn_, spare));
  older_log_bytes_ += log_->record_bytes();
  log_.emplace(std::move(next));
  spares_are_due_ = true;
  // There will be no other such log, unless a checkpoint gives space back.
  if (use == LogUse::removes) checkpoint_at_ = 0;
  return {};
}

Result<void> StoreCore::close() {
  auto nothing = std::make_shared<Catalog>();  // what views show from then on
  {
    const base::MutexLock lock(write_mutex_);
    if (closed_ || closing_) {
      return std::unexpected(Error(ErrorCode::closed, "close").with_path(directory_));
    }
    QUIRE_CHECK(check_no_bulk_load("close"));
    closing_ = true;  // no batch and no bulk load from here on
  }
  stop_.request_stop();
  background_.stop();
  const base::MutexLock upkeep(upkeep_mutex_);
  Result<void> result;
  if (mode_ == StoreMode::read_write) result = checkpoint_with_upkeep();
  const base::MutexLock lock(write_mutex_);
  if (mode_ == StoreMode::read_write && result) {
    ignore_error(rows_->trim(used_rows_));
    ignore_error(slots_->trim(catalog_->versions().size()));
  }
  closed_ = true;
  {
    const base::MutexLock view_lock(view_mutex_);
    published_ = {.catalog = std::move(nothing), .rows = {}};
  }
  staged_ = {};
  leave_views_whole();
  log_.reset();
  slots_.reset();
  rows_.reset();
  lock_.reset();
  return result;
}

}  // namespace quire::vector
