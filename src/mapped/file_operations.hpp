// Whole-file operations on any file system: what quire/file_operations.hpp does with the real one,
// and tests with the simulated one. The contracts are found there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "quire/file_operations.hpp"

namespace quire::mapped {

[[nodiscard]] Result<Bytes> read_file(os::FileSystem& file_system, const std::string& path,
                                      const ReadFileOptions& options);
[[nodiscard]] Result<void> write_file_atomic(os::FileSystem& file_system, const std::string& path,
                                             std::span<const std::byte> bytes,
                                             const WriteFileOptions& options);
[[nodiscard]] Result<void> write_file_range(os::FileSystem& file_system, const std::string& path,
                                            std::uint64_t offset, std::span<const std::byte> bytes);
[[nodiscard]] Result<void> copy_file(os::FileSystem& file_system, const std::string& from,
                                     const std::string& to, const CopyFileOptions& options);
[[nodiscard]] Result<void> remove_file(os::FileSystem& file_system, const std::string& path);

// What can be said of a path without touching the disk; os::NewFile says it by itself. Errors:
// invalid_argument.
[[nodiscard]] Result<void> check_file_name(const char* operation, const std::string& path);

}  // namespace quire::mapped
