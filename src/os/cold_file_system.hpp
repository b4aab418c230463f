// Files as their device has them, past the page cache: for who wants to know whether what is cached was kept.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "os/read_only_file_system.hpp"

namespace quire::os {

// Opens a file for direct reads, after what was written to it has reached the device: a sync, by whomever it was
// written. The system is asked to forget the file's clean pages, for some file systems answer direct reads through the
// cache; pages that a process has mapped stay there. Errors: as open, File::sync.
[[nodiscard]] Result<std::unique_ptr<File>> open_cold(FileSystem& file_system,
                                                      const std::string& path);

// Another file system's files, opened as by open_cold. What is cached of a file is given up once, when it is first
// opened: what is in the cache later came from the device, or is yet to be synced. Thread-safe.
class ColdFileSystem final : public ReadOnlyFileSystem {
 public:
  using ReadOnlyFileSystem::ReadOnlyFileSystem;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     std::uint32_t permissions) override;

 private:
  bool is_first_opening(const FileId& file);

  base::Mutex mutex_;
  std::set<FileId> opened_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::os
