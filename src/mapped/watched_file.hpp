// WatchedFile: what to tell about a file, from what the system told and a look at the file.
//
// Pure: it makes no call and knows no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "os/file_events.hpp"
#include "os/file_system.hpp"
#include "quire/file_watch.hpp"

namespace quire::mapped {

// Single-thread.
class WatchedFile {
 public:
  // `known` is the file as it was when watching began.
  explicit WatchedFile(const os::FileInfo& known) : known_(known) {}

  // True if `now` is the file that was there last: the same one, or none as before.
  bool is(const std::optional<os::FileInfo>& now) const noexcept;

  // What to tell, in the order of FileEventKind, when the system told `batch` and the path then had
  // the regular file `now`, or none. Keeps `now` to compare the next one with.
  [[nodiscard]] std::vector<FileEvent> update(const os::FileEventBatch& batch,
                                              const std::optional<os::FileInfo>& now);

 private:
  // About the file that stayed in its place.
  bool was_written(const os::FileEventBatch& batch, const os::FileInfo& now) const noexcept;

  std::optional<os::FileInfo> known_;
};

}  // namespace quire::mapped
