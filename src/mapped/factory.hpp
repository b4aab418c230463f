// Opening and creating through a file system of the caller's choice: what MappedFile's own
// functions do with the real one, and tests with the simulated one.
#pragma once

#include <cstdint>
#include <string>

#include "os/file_system.hpp"
#include "quire/mapped_file.hpp"

namespace quire::mapped {

// The contracts are MappedFile's.
struct Factory {
  static Result<MappedFile> create(os::FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const MappedFileOptions& options);
  static Result<MappedFile> create_or_replace(os::FileSystem& file_system, const std::string& path,
                                              std::uint64_t size, const MappedFileOptions& options);
  static Result<MappedFile> open_or_create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const MappedFileOptions& options);
  static Result<MappedFile> open(os::FileSystem& file_system, const std::string& path,
                                 Access access, const MappedFileOptions& options);

 private:
  static Result<MappedFile> build(os::FileSystem& file_system, const std::string& path,
                                  const std::string& target, std::uint64_t size,
                                  const MappedFileOptions& options, os::IfExists if_exists);
};

}  // namespace quire::mapped
