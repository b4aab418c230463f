#include "vector/store_core.hpp"

#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"

namespace quire::vector {

std::shared_ptr<const ViewState> StoreCore::view() const {
  auto state = std::make_shared<ViewState>();
  state->identity = identity_;
  state->metrics = metrics_;
  metrics_->view_made();
  const base::MutexLock lock(view_mutex_);
  state->catalog = published_.catalog;
  if (published_.catalog) state->epoch = published_.catalog->epochs().current();
  ViewRegistry::add(views_, state->place, published_.lsn);
  state->rows = published_.rows;
  state->lsn = published_.lsn;
  state->versions = published_.versions;
  state->live = published_.live;
  state->history_lsn = published_.history_lsn;
  return state;
}

Result<void> StoreCore::get(std::uint64_t id, std::span<std::byte> out) const {
  if (out.size() != identity_.stride()) {
    return std::unexpected(Error(ErrorCode::mismatch, "get")
                               .with_path(directory_)
                               .with_detail("a vector has " + std::to_string(identity_.stride()) +
                                            " bytes, the buffer " + std::to_string(out.size())));
  }
  const auto state = view();
  if (!state->rows) return std::unexpected(Error(ErrorCode::closed, "get").with_path(directory_));
  const auto version = state->catalog->find(id, state->lsn);
  if (!version) {
    return std::unexpected(Error(ErrorCode::not_found, "get")
                               .with_path(directory_)
                               .with_detail("no vector has id " + std::to_string(id)));
  }
  QUIRE_CHECK(state->rows->read(version->row, out));
  if (base::checksum(out) != version->row_checksum) {
    return std::unexpected(state->rows->damage("get", version->row, id));
  }
  return {};
}

Result<StoreInfo> StoreCore::info() {
  const base::MutexLock lock(write_mutex_);
  if (closed_) return std::unexpected(Error(ErrorCode::closed, "info").with_path(directory_));
  StoreInfo info{.dimension = identity_.dimension,
                 .element_type = identity_.element_type,
                 .durability = durability_,
                 .format_version = kFormatVersion,
                 .generation = manifest_.generation,
                 .store_id = identity_.id,
                 .rows = catalog_->live(),
                 .dead_rows = dead_rows(),
                 .lsn = lsn_,
                 .checkpoint_lsn = manifest_.checkpoint_lsn,
                 .log_bytes = log_ ? older_log_bytes_ + log_->record_bytes() : replayed_log_bytes_};
  info.fragmentation = fragmentation();
  QUIRE_TRY(const auto names, file_system_.list(directory_));
  for (const std::string& name : names) {
    const auto file = file_system_.info(os::join_path(directory_, name));
    if (!file) continue;  // removed by a writer in the meantime
    info.bytes_on_disk += file->allocated_bytes;
  }
  return info;
}

Result<StoreMetricsSnapshot> StoreCore::metrics_snapshot() {
  QUIRE_TRY(const StoreInfo now, info());
  return metrics_->snapshot({.rows = now.rows,
                             .dead_rows = now.dead_rows,
                             .lsn = now.lsn,
                             .checkpoint_lsn = now.checkpoint_lsn,
                             .log_bytes = now.log_bytes,
                             .bytes_on_disk = now.bytes_on_disk,
                             .live_views = views_->count(),
                             .oldest_view_lsn = views_->oldest(),
                             .index_bytes = {}});
}

}  // namespace quire::vector
