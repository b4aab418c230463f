// Files as their device has them, past the page cache: for who wants to know whether what is cached was kept.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "os/file_system.hpp"

namespace quire::os {

// Opens a file for direct reads, after what was written to it has reached the device: a sync, by whomever it was
// written. Errors: as open, File::sync.
[[nodiscard]] Result<std::unique_ptr<File>> open_cold(FileSystem& file_system,
                                                      const std::string& path);

// Another file system's files, each of which is opened by open_cold. Only for reading: all else is `unsupported`.
// Thread-safe.
class ColdFileSystem final : public FileSystem {
 public:
  // `below` must outlive it.
  explicit ColdFileSystem(FileSystem& below) noexcept : below_(below) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     std::uint32_t permissions) override;
  Result<void> rename(const std::string& from, const std::string& to, IfExists if_exists) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  // From what the system knows of names.
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<std::string> resolve(const std::string& path) override;
  Result<FileSystemKind> kind_of(const std::string& path) override;

 private:
  FileSystem& below_;
};

}  // namespace quire::os
