// AtomicFile: writes a file from front to back, in blocks; it appears whole, or not at all
// (new_file.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "os/new_file.hpp"
#include "quire/error.hpp"

namespace quire::os {

// Thread-compatible. After an error every later call returns it again. Destroyed before it is in
// place, it leaves nothing.
class AtomicFile {
 public:
  // Errors: as NewFile::create.
  [[nodiscard]] static Result<std::unique_ptr<AtomicFile>> create(
      FileSystem& file_system, const std::string& path, std::size_t block_bytes,
      IfExists if_exists = IfExists::replace);
  ~AtomicFile() = default;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Adds bytes at the end; writes them in blocks of `block_bytes` or more.
  // Errors: no_space, io, capacity (over 2^63 - 1 bytes).
  [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
  // Replaces bytes at the front. REQUIRES: that many were appended. Errors: no_space, io.
  [[nodiscard]] Result<void> overwrite_front(std::span<const std::byte> bytes);
  // Writes what is left and puts the file in place. Nothing may follow.
  // Errors: no_space, io, and those of NewFile::put_in_place.
  [[nodiscard]] Result<void> finish();

  // The resolved path.
  const std::string& path() const noexcept { return file_.target(); }

 private:
  AtomicFile(NewFile file, std::size_t block_bytes);

  Result<void> remember(Result<void> result);
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> flush();

  NewFile file_;
  const std::size_t block_bytes_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t written_ = 0;  // bytes of the file; those buffered come behind them
  std::optional<Error> failure_;
};

}  // namespace quire::os
