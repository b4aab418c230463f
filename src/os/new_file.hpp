// NewFile: a file that appears under its name whole, or not at all.
//
// The protocol:
//   1. Where it may replace: the path is resolved, so a symbolic link stays, and what it leads to
//      is replaced; a file that is there passes its permissions on, exactly.
//   2. A new file is made beside it, `<name>.quire-partial` (or .quire-partial-1, ...; of a long name the first
//      200 bytes), readable and writable for its owner whatever permissions it will have, and
//      locked. The lock says that its maker lives. As the file may be taken for a leftover between
//      its making and its locking, its maker looks whether the name still leads to it once the lock
//      is had; otherwise he tries the next name.
//   3. A name that is taken, but whose file can be locked, was left by a maker who died: it is
//      removed, if the name still leads to the file that is locked, and tried once more. If it
//      cannot be locked, its maker lives, or there are no locks here: the next name.
//   4. The maker fills it.
//   5. put_in_place(): it gets its permissions, is synced and renamed to the path; the lock is
//      given back, and the directory is synced.
// A power cut before the rename is durable leaves what was there before, after it the whole new
// file.
//
// Where locks fail, a maker goes on without one, and what the dead left stays. If they fail only
// now and then, another may take a living maker's file for a leftover; so he who has no lock looks
// whose file it is before he renames or removes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::os {

// Thread-compatible. Destroyed before it is in place, it removes the file beside. Who took the file
// closes it before that.
class NewFile {
 public:
  // Steps 1 to 3. `permissions`, before the umask, are those of a file that replaces none.
  // Errors: invalid_argument (a path that is empty, ends in a slash or has a NUL; with
  // IfExists::replace a directory or special file), exists (with IfExists::fail, if anything is
  // seen there already), not_found (no directory), capacity (kMostBeside files lie beside),
  // permission, no_space, io.
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
  // The lock that says its maker lives is the user's from now on: putting it in place leaves it.
  void keep_locked() noexcept { keeps_lock_ = true; }
  // Where it goes: the resolved path.
  const std::string& target() const noexcept { return target_; }

  // Step 5. REQUIRES: the file lives.
  // Errors: exists (with IfExists::fail), no_space, permission, io, read_only_after_error; busy (it
  // could not be locked, and another took it for a leftover); outcome_unknown (it is in place, but
  // the directory could not be synced: a power cut may bring back what was there).
  [[nodiscard]] Result<void> put_in_place();

  static constexpr int kMostBeside = 100;

 private:
  // What step 2 made.
  struct Beside {
    std::unique_ptr<File> file;
    bool locked;
  };

  NewFile(FileSystem& file_system, std::string target, IfExists if_exists, Beside beside);

  static Result<std::optional<Beside>> make(FileSystem& file_system, const std::string& path,
                                            std::uint32_t permissions);
  static Result<Beside> make_beside(FileSystem& file_system, const std::string& target,
                                    std::uint32_t permissions);
  Result<void> give_permissions();
  Result<void> check_still_ours() const;
  void remove_beside();

  FileSystem* file_system_;
  std::string target_;
  IfExists if_exists_;
  // Those of the file that is replaced, if there is one.
  std::optional<std::uint32_t> old_permissions_;
  // Which it has only while it lies beside.
  std::uint32_t lent_permissions_ = 0;

  std::string beside_;  // empty once there is nothing to remove
  FileId id_;
  bool locked_;
  bool keeps_lock_ = false;
  std::unique_ptr<File> file_;  // empty once it is taken
  File* open_;
};

}  // namespace quire::os
