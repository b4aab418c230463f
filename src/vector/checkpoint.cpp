// Checkpoints: from the log into the files that open reads at once. The steps:
// docs/formats/vector-store.md, "Checkpoint".
#include <algorithm>
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

Result<void> replace_manifest(os::FileSystem& file_system, const std::string& directory,
                              const Manifest& manifest) {
  const std::string path = os::join_path(directory, kManifestName);
  const std::string temporary = os::join_path(directory, kManifestTemporaryName);
  if (auto removed = file_system.remove(temporary);
      !removed && removed.error().code() != ErrorCode::not_found) {
    return removed;
  }
  QUIRE_TRY(auto file, file_system.open(temporary, os::OpenMode::create_new));
  QUIRE_CHECK(file->write_all(0, manifest.encode()));
  QUIRE_CHECK(file->sync());
  QUIRE_CHECK(file_system.rename(temporary, path, IfExists::replace));
  return file_system.sync_directory(directory);
}

Result<void> StoreCore::checkpoint() {
  const base::MutexLock lock(write_mutex_);
  QUIRE_CHECK(check_writable());
  return checkpoint_locked();
}

Result<void> StoreCore::checkpoint_locked() {
  const bool log_is_used = log_->record_bytes() > 0 || log_->is_spoiled();
  const bool manifest_is_current =
      lsn_ == manifest_.checkpoint_lsn && log_->number() == manifest_.first_log;
  if (manifest_is_current && !log_is_used) return {};

  if (auto synced = rows_->sync(); !synced) {
    return std::unexpected(refuse_writes(std::move(synced).error(), ErrorCode::io));
  }
  const std::uint64_t versions = catalog_->versions().size();
  if (auto appended = slots_->append(*catalog_, manifest_.slot_count, versions); !appended) {
    if (!slots_->sync_has_failed()) return appended;
    return std::unexpected(refuse_writes(std::move(appended).error(), ErrorCode::io));
  }
  if (log_is_used) QUIRE_CHECK(start_next_log());

  Manifest next = manifest_;
  next.checkpoint_lsn = lsn_;
  next.slot_count = versions;
  next.row_limit = used_rows_;
  next.first_log = log_->number();
  next.live = catalog_->live();
  manifest_in_doubt_ = next;
  QUIRE_CHECK(replace_manifest(file_system_, directory_, next));
  manifest_in_doubt_.reset();
  durable_lsn_ = lsn_;
  older_log_bytes_ = 0;

  // Only names: whatever of them a crash brings back is removed by the next open.
  for (std::uint64_t number = manifest_.first_log; number < next.first_log; ++number) {
    ignore_error(file_system_.remove(os::join_path(directory_, log_name(number))));
  }
  manifest_ = next;
  checkpoint_at_ = options_.checkpoint_log_bytes;
  return {};
}

// Invariant 2: the log that ends here is made durable first, and gets no record afterwards even if
// making the next one fails half way.
Result<void> StoreCore::start_next_log() {
  QUIRE_CHECK(sync_locked());
  log_->spoil();
  QUIRE_TRY(LogWriter next,
            LogWriter::create(file_system_, directory_, identity_, log_->number() + 1, lsn_ + 1));
  older_log_bytes_ += log_->record_bytes();
  log_.emplace(std::move(next));
  checkpoint_at_ = options_.checkpoint_log_bytes;
  return {};
}

void StoreCore::checkpoint_if_due() {
  if (log_->record_bytes() < checkpoint_at_) return;
  // The batch is committed; a checkpoint that fails is no error of its. It is tried again when the log has
  // grown by a quarter of its limit, or a new one reaches it; close() and checkpoint() report why it fails.
  checkpoint_at_ =
      log_->record_bytes() + std::max<std::uint64_t>(options_.checkpoint_log_bytes / 4, 1);
  ignore_error(checkpoint_locked());
}

Result<void> StoreCore::close() {
  const base::MutexLock lock(write_mutex_);
  if (closed_) {
    return std::unexpected(Error(ErrorCode::closed, "close").with_path(directory_));
  }
  if (bulk_loads_ > 0) {
    return std::unexpected(Error(ErrorCode::busy, "close")
                               .with_path(directory_)
                               .with_detail("a bulk load is going on"));
  }
  Result<void> result;
  if (mode_ == StoreMode::read_write) {
    result = check_writable();
    if (result) result = checkpoint_locked();
    if (result) ignore_error(rows_->trim(used_rows_));
  }
  closed_ = true;
  {
    const base::MutexLock view_lock(view_mutex_);
    published_ = {};
  }
  log_.reset();
  slots_.reset();
  rows_.reset();
  lock_.reset();
  return result;
}

}  // namespace quire::vector
