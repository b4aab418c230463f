// NewFile: a file that appears under its name whole, or not at all.
//
// The protocol:
//   1. Where it may replace: the path is resolved, so a symbolic link stays, and what it leads to is
//      replaced; a file that is there passes its permissions on.
//   2. A new file is made beside it, `<name>.partial` (or .partial-1, …), and locked. The lock says that its
//      maker lives: a name that is taken, but not locked, was left by a process that died, and is removed.
//      As a file may be taken for such a one between its making and its locking, its maker looks whether
//      the name still leads to it once the lock is had; otherwise he tries the next name.
//   3. The maker fills it.
//   4. put_in_place(): it is synced, renamed to the path, and the directory is synced. The lock is given
//      back.
// A power cut before the rename is durable leaves what was there before, after it the whole new file. Where
// a file system has no locks, what a dead process left stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::os {

// Thread-compatible. Destroyed before it is in place, it removes the file beside.
class NewFile {
 public:
  // Steps 1 and 2. `permissions`, before the umask, are those of a file that replaces none.
  // Errors: exists (with IfExists::fail, if it is seen already), invalid_argument (an empty path, one that ends in a slash, a directory or special file),
  // not_found (no directory), exists (kMostBeside files lie beside), permission, no_space, io.
  [[nodiscard]] static Result<NewFile> create(FileSystem& file_system, const std::string& path,
                                              IfExists if_exists, std::uint32_t permissions = 0666);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  // The open file, also after it was taken. REQUIRES: it lives.
  File& file() noexcept { return *open_; }
  // Hands the file over, to be kept open.
  std::unique_ptr<File> take_file() noexcept { return std::move(file_); }
  // Where it goes: the resolved path.
  const std::string& target() const noexcept { return target_; }

  // Step 4. REQUIRES: the file lives.
  // Errors: exists (with IfExists::fail), no_space, permission, io; outcome_unknown (it is in place, but
  // the directory could not be synced: a power cut may bring back what was there).
  [[nodiscard]] Result<void> put_in_place();

  static constexpr int kMostBeside = 100;

 private:
  NewFile(FileSystem& file_system, std::string target, IfExists if_exists,
          std::unique_ptr<File> file);

  FileSystem* file_system_;
  std::string target_;
  IfExists if_exists_;
  std::string beside_;          // empty once there is nothing to remove
  std::unique_ptr<File> file_;  // empty once it is taken
  File* open_;
};

}  // namespace quire::os
