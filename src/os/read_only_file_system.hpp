// Another file system, for reading alone: what those share that open its files in a way of their own.
#pragma once

#include <string>
#include <vector>

#include "os/file_system.hpp"

namespace quire::os {

// All that changes something is `unsupported`; names come from the file system below. Deriving classes say how
// a file is opened, for reading. Thread-safe, if that is.
class ReadOnlyFileSystem : public FileSystem {
 public:
  // `below` must outlive it.
  explicit ReadOnlyFileSystem(FileSystem& below) noexcept : below_(below) {}

  Result<void> rename(const std::string& from, const std::string& to, IfExists if_exists) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<std::string> resolve(const std::string& path) override;
  Result<FileSystemKind> kind_of(const std::string& path) override;

 protected:
  // Errors: unsupported, if the mode is for writing.
  [[nodiscard]] static Result<void> check_reads(const std::string& path, OpenMode mode);
  FileSystem& below() const noexcept { return below_; }

 private:
  FileSystem& below_;
};

}  // namespace quire::os
