#include "vector/next_generation.hpp"

#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr std::size_t kBlockEntries = 16'384;
constexpr std::uint64_t kProgressVersions = 65'536;
constexpr std::uint64_t kStopVersions = 1024;

}  // namespace

Result<std::unique_ptr<NextGeneration>> NextGeneration::create(os::FileSystem& file_system,
                                                               const std::string& directory,
                                                               const StoreIdentity& identity,
                                                               std::uint64_t generation) {
  std::unique_ptr<NextGeneration> next(
      new NextGeneration(file_system, directory, identity.stride(), generation));
  next->remove_files();
  QUIRE_TRY(next->rows_, RowFile::create(file_system, directory, identity, generation));
  QUIRE_TRY(next->slots_, SlotFile::create(file_system, directory, identity, generation));
  return next;
}

NextGeneration::~NextGeneration() {
  if (!kept_) remove_files();
}

void NextGeneration::remove_files() {
  ignore_error(file_system_.remove(os::join_path(directory_, rows_name(generation_))));
  ignore_error(file_system_.remove(os::join_path(directory_, slots_name(generation_))));
}

Result<void> NextGeneration::copy(const CopySource& source, const std::stop_token& stop,
                                  const ProgressCallback& progress) {
  const bool is_first = !std::exchange(is_begun_, true);
  const VersionTable& versions = source.catalog->versions();
  for (std::uint64_t i = copied_versions_; i < source.versions; ++i) {
    if (i % kStopVersions == 0 && stop.stop_requested()) {
      return std::unexpected(Error(ErrorCode::cancelled, "compact")
                                 .with_path(directory_)
                                 .with_detail("the store is being closed"));
    }
    if (progress && i % kProgressVersions == 0) progress(i, source.versions);
    // A remove counts only for who asks what changed since the copy was begun.
    const bool is_remove = versions.row(i) == kNoRow;
    if (is_remove ? is_first : !versions.is_live_at(i, source.lsn)) continue;
    QUIRE_CHECK(take(source, versions[i]));
  }
  copied_versions_ = source.versions;
  return write_out();
}

Result<void> NextGeneration::take(const CopySource& source, const Version& version) {
  SlotEntry entry{.kind = OperationKind::remove,
                  .id = version.id,
                  .row = 0,
                  .lsn = version.lsn,
                  .row_checksum = version.row_checksum};
  if (version.is_put()) {
    entry.kind = OperationKind::put;
    entry.row = row_count_++;
    const std::size_t at = waiting_rows_.size();
    waiting_rows_.resize(at + stride_);
    const auto row = std::span(waiting_rows_).subspan(at, stride_);
    QUIRE_CHECK(source.rows->read(version.row, row));
    if (base::checksum(row) != version.row_checksum) {
      return std::unexpected(source.rows->damage("compact", version.row, version.id));
    }
  }
  waiting_.push_back(entry);
  if (waiting_rows_.size() < kBlockBytes && waiting_.size() < kBlockEntries) return {};
  return write_out();
}

Result<void> NextGeneration::write_out() {
  if (waiting_.empty()) return {};
  const std::uint64_t first_row = row_count_ - waiting_rows_.size() / stride_;
  QUIRE_CHECK(slots_->reserve(entry_count_ + waiting_.size()));
  if (!waiting_rows_.empty()) {
    QUIRE_CHECK(rows_->write(first_row, waiting_rows_));
    // The disk works while rows are copied, and the sync has the rest to wait for.
    rows_->start_writeback({first_row, row_count_ - first_row});
  }
  QUIRE_CHECK(slots_->write(entry_count_, waiting_));
  for (const SlotEntry& entry : waiting_) catalog_->apply(entry);
  entry_count_ += waiting_.size();
  unsynced_bytes_ += waiting_rows_.size() + waiting_.size() * kSlotEntryBytes;
  waiting_rows_.clear();
  waiting_.clear();
  return {};
}

Result<void> NextGeneration::sync() {
  QUIRE_CHECK(rows_->sync());
  QUIRE_CHECK(slots_->sync());
  unsynced_bytes_ = 0;
  return file_system_.sync_directory(directory_);
}

}  // namespace quire::vector
