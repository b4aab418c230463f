// Long runs of dead rows are given back to the file system in place; compaction moves what is between them, later.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kPage = 4096;
// A hole costs an extent: shorter ones are not worth it.
constexpr std::uint64_t kLeastHole = std::uint64_t{64} << 10;

// Rows of versions that a batch up to `lsn` superseded, a bit for each row below `row_limit`.
std::vector<bool> superseded_rows(const Catalog& catalog, std::uint64_t versions, std::uint64_t lsn,
                                  std::uint64_t row_limit) {
  std::vector<bool> dead(static_cast<std::size_t>(row_limit));
  for (std::uint64_t i = 0; i < versions; ++i) {
    if (catalog.versions().superseded(i) > lsn) continue;
    const std::uint64_t dead_row = catalog.versions().row(i);
    if (dead_row != kNoRow) dead[static_cast<std::size_t>(dead_row)] = true;
  }
  return dead;
}

}  // namespace

// Nobody looks at these rows any more: what made them dead is in the checkpoint, so that no recovery reads them;
// no view of this process is older; and the lock shows that no view of another opening is there to be older.
void StoreCore::punch_dead_rows() {
  Manifest manifest;
  std::shared_ptr<const Catalog> catalog;
  std::shared_ptr<RowFile> rows;
  std::uint64_t lsn = 0;
  {
    const base::MutexLock lock(write_mutex_);
    const std::uint64_t dead = dead_rows();
    if (!is_writable() || dead < punch_at_dead_rows_) return;
    punch_at_dead_rows_ = dead + std::max(dead / 8, least_dead_rows());
    manifest = manifest_;
    catalog = catalog_;
    rows = rows_;
    const base::MutexLock view_lock(view_mutex_);  // so that no view is between two stools
    lsn = std::min(manifest.checkpoint_lsn, views_->oldest().value_or(manifest.checkpoint_lsn));
  }
  const std::vector<bool> dead =
      superseded_rows(*catalog, manifest.slot_count, lsn, manifest.row_limit);
  if (!rows->try_lock_exclusive()) return;
  const std::uint64_t stride = identity_.stride();
  for (std::uint64_t row = 0; row < manifest.row_limit;) {
    if (!dead[static_cast<std::size_t>(row)]) {
      ++row;
      continue;
    }
    std::uint64_t end = row;
    while (end < manifest.row_limit && dead[static_cast<std::size_t>(end)]) ++end;
    const std::uint64_t from = (kHeaderBytes + row * stride + kPage - 1) / kPage * kPage;
    const std::uint64_t to = (kHeaderBytes + end * stride) / kPage * kPage;
    row = end;
    if (to <= from || to - from < kLeastHole) continue;
    if (!rows->punch({from, to - from})) break;  // this file system cannot
    metrics_->bytes_punched.add(to - from);
  }
  rows->unlock();
}

// The next writer of the store does not know of views made through this handle: a lock tells it, as it tells of readers
// in other processes. The views keep the file open.
void StoreCore::leave_views_whole() noexcept {
  if (mode_ == StoreMode::read_write && rows_ && views_->count() > 0) {
    ignore_error(rows_->try_lock_shared());
  }
}

}  // namespace quire::vector
