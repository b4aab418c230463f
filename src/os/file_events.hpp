// FileEvents: what the system tells about one file, by its directory and by its inode.
//
// The directory tells what happens to the name, the inode what happens to the file, by whichever
// name. Neither says which file the name leads to: that takes a look (FileSystem::info), after
// `follow`. No change is lost between: what happens after `follow` comes in a later batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "quire/error.hpp"

namespace quire::os {

// What was told between two reads, without order.
struct FileEventBatch {
  bool name_changed = false;    // created, moved in or out, or deleted under the watched name
  bool inode_gone = false;      // the followed file has ceased to exist: what is there is new
  bool written = false;         // by a call, or its length was changed
  bool writer_closed = false;   // one who had it open for writing, and its maps, let go of it
  bool metadata = false;        // as FileEventKind::metadata
  bool overflowed = false;      // some were lost
  bool directory_lost = false;  // removed, moved or unmounted; nothing comes after it
  friend bool operator==(const FileEventBatch&, const FileEventBatch&) noexcept = default;

  // True if the name may lead to another file than the followed one.
  bool wants_follow() const noexcept { return name_changed || inode_gone || overflowed; }
};

// Single-thread, but for `wake`, which any thread may call while the object lives.
class FileEvents {
 public:
  // Watches `path`, absolute and with its links resolved; no file needs to be there.
  // Errors: not_found (no directory), permission (file or directory cannot be read), capacity (too
  // many watches, instances or descriptors), unsupported, io.
  [[nodiscard]] static Result<std::unique_ptr<FileEvents>> watch(const std::string& path);

  ~FileEvents();
  FileEvents(const FileEvents&) = delete;
  FileEvents& operator=(const FileEvents&) = delete;

  // Waits until there is something about the file, gathers for some ms, and returns it; nothing
  // after `wake`. Errors: io.
  [[nodiscard]] Result<std::optional<FileEventBatch>> wait();

  // From now on the file that the name leads to now is the one whose inode is watched, and none if
  // there is none; what was told about another before is dropped.
  // Errors: not_found (another directory has come to the path), and those of `watch`.
  [[nodiscard]] Result<void> follow();

  // Makes `wait` return nothing, now or when it is called, for good.
  void wake() noexcept;

 private:
  FileEvents(std::string path, int events, int wake_up, int directory) noexcept;

  void read_into(FileEventBatch& batch, int& failure);
  void leave_file() noexcept;

  const std::string path_;
  const std::string name_;
  const int events_;     // the inotify instance
  const int wake_up_;    // an eventfd
  const int directory_;  // watch descriptors
  int file_ = -1;        // -1 if none is followed
};

}  // namespace quire::os
