#include "mapped/watched_file.hpp"

namespace quire::mapped {

bool WatchedFile::is(const std::optional<os::FileInfo>& now) const noexcept {
  if (!known_ || !now) return known_.has_value() == now.has_value();
  return known_->id == now->id;
}

bool WatchedFile::was_written(const os::FileEventBatch& batch,
                              const os::FileInfo& now) const noexcept {
  if (batch.written || now.size != known_->size) return true;
  // The time alone shows stores through a map, where nothing else does. A change of metadata may
  // have set it.
  const bool time_tells = (batch.writer_closed || batch.overflowed) && !batch.metadata;
  return time_tells && now.modified_ns != known_->modified_ns;
}

std::vector<FileEvent> WatchedFile::update(const os::FileEventBatch& batch,
                                           const std::optional<os::FileInfo>& now) {
  std::vector<FileEvent> events;
  const auto tell = [&](FileEventKind kind) { events.push_back({kind, now ? now->size : 0, {}}); };

  if (batch.overflowed) tell(FileEventKind::overflow);
  if (known_ && !now) tell(FileEventKind::removed);
  if (!known_ && now) tell(FileEventKind::created);
  if (known_ && now) {
    // Where the old one ceased to exist, the new one may have taken over its whole id.
    if (!is(now) || batch.inode_gone) {
      tell(FileEventKind::replaced);
    } else {
      if (was_written(batch, *now)) {
        tell(now->size < known_->size ? FileEventKind::truncated : FileEventKind::modified);
      }
      if (batch.metadata) tell(FileEventKind::metadata);
    }
  }
  known_ = now;
  return events;
}

}  // namespace quire::mapped
