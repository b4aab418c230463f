// Files as their device has them, past the page cache: for who wants to know whether what is cached was kept.
#pragma once

#include <memory>
#include <string>

#include "os/file_system.hpp"
#include "os/read_only_file_system.hpp"

namespace quire::os {

// Opens a file for direct reads, after what was written to it has reached the device: a sync, by whomever it was
// written. The system is asked to forget the file's clean pages, for some file systems answer direct reads through the
// cache; pages that a process has mapped stay there. Errors: as open, File::sync.
[[nodiscard]] Result<std::unique_ptr<File>> open_cold(FileSystem& file_system,
                                                      const std::string& path);

// Another file system's files, each of which is opened by open_cold. Thread-safe.
class ColdFileSystem final : public ReadOnlyFileSystem {
 public:
  using ReadOnlyFileSystem::ReadOnlyFileSystem;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     std::uint32_t permissions) override;
};

}  // namespace quire::os
