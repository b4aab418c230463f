// RangedAccess: a ranged file over any file system. For the tests.
#pragma once

#include <string>

#include "os/file_system.hpp"
#include "quire/if_exists.hpp"
#include "quire/ranged_file.hpp"

namespace quire::ranged {

// The contracts are RangedFile's.
struct RangedAccess {
  [[nodiscard]] static Result<RangedFile> create(os::FileSystem& file_system,
                                                 const std::string& path, std::uint64_t size,
                                                 const RangedFileOptions& options,
                                                 IfExists if_exists = IfExists::fail);
  [[nodiscard]] static Result<RangedFile> open(os::FileSystem& file_system, const std::string& path,
                                               Access access, const RangedFileOptions& options);
  [[nodiscard]] static Result<RangedFile> open_or_create(os::FileSystem& file_system,
                                                         const std::string& path,
                                                         std::uint64_t size,
                                                         const RangedFileOptions& options);
};

}  // namespace quire::ranged
