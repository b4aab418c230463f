// AtomicFile: a file that appears under its name whole, or not at all.
//
// The protocol:
//   1. The path is resolved: a symbolic link stays and what it leads to is replaced.
//   2. A new file `<path>.partial` (or .partial-1, …) is made beside it, and written.
//   3. finish(): what is buffered is written; the file is synced; it is renamed over the path; the
//      directory is synced.
// A power cut before the rename is durable leaves what was there before, after it the whole new
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::formats {

// Thread-compatible. After an error every later call returns it again. Destroyed before it is in
// place, it removes the file beside.
class AtomicFile {
 public:
  // Errors: invalid_argument (empty path, directory, special file), not_found, permission,
  // no_space, io, exists (kMaxPartials unfinished files lie beside it).
  [[nodiscard]] static Result<std::unique_ptr<AtomicFile>> create(os::FileSystem& file_system,
                                                                  const std::string& path,
                                                                  std::size_t block_bytes);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Adds bytes at the end; writes them in blocks of `block_bytes` or more.
  // Errors: no_space, io, capacity (over 2^63 - 1 bytes).
  [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
  // Replaces bytes at the front. REQUIRES: that many were appended. Errors: no_space, io.
  [[nodiscard]] Result<void> overwrite_front(std::span<const std::byte> bytes);
  // Step 3. Nothing may follow. Errors: no_space, io, outcome_unknown (in place, the directory's
  // sync failed), and those of renaming.
  [[nodiscard]] Result<void> finish();

  // The resolved path.
  const std::string& path() const noexcept { return path_; }

  static constexpr int kMaxPartials = 100;

 private:
  AtomicFile(os::FileSystem& file_system, std::string path, std::unique_ptr<os::File> file,
             std::size_t block_bytes);

  Result<void> remember(Result<void> result);
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> flush();
  Result<void> put_in_place();

  os::FileSystem& file_system_;
  const std::string path_;
  std::unique_ptr<os::File> file_;
  const std::size_t block_bytes_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t written_ = 0;  // bytes of the file; those buffered come behind them
  bool in_place_ = false;
  std::optional<Error> failure_;
};

}  // namespace quire::formats
