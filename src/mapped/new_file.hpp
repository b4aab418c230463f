// NewFile: a file that appears under its name whole, or not at all.
//
// The protocol:
//   1. A file of another name is made beside the target, given its size and space, and synced.
//   2. Whoever makes it maps it: what can fail has then been tried.
//   3. put_in_place(): it is renamed to the target, and the directory is synced.
// A NewFile that dies before step 3 removes the file beside. A power cut may leave it there, under
// a name that ends in ".partial".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::mapped {

// Thread-compatible.
class NewFile {
 public:
  struct Shape {
    std::uint64_t size = 0;  // bytes
    bool sparse = false;
    std::uint32_t permissions = 0666;
    // `permissions` are those of a file to be replaced: the umask must not take from them.
    bool exact_permissions = false;
  };

  // Step 1. Errors: not_found, permission, no_space, capacity, io.
  [[nodiscard]] static Result<NewFile> build(os::FileSystem& file_system, std::string target,
                                             const Shape& shape);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  // The open file, for step 2. REQUIRES: not taken before.
  std::unique_ptr<os::File> take_file() noexcept { return std::move(file_); }

  // Step 3. Errors: exists (with IfExists::fail), permission, io; outcome_unknown (in place, but
  // the directory could not be synced).
  [[nodiscard]] Result<void> put_in_place(os::IfExists if_exists);

 private:
  NewFile(os::FileSystem& file_system, std::string target, std::unique_ptr<os::File> file);

  os::FileSystem* file_system_;
  std::string target_;
  std::string beside_;  // empty once there is nothing to remove
  std::unique_ptr<os::File> file_;
};

}  // namespace quire::mapped
