// Which file systems belong to other machines too.
#pragma once

#include <cstdint>

#include "os/file_system.hpp"

namespace quire::os {

// The kind with this number, the f_type of statfs(2). What is not known is taken for a local one, and so is FUSE,
// which may be either (sshfs, or a disk's file system).
[[nodiscard]] FileSystemKind kind_of_magic(std::uint32_t magic);

}  // namespace quire::os
