// The lock of a store's writer: LOCK in its directory.
#pragma once

#include <memory>
#include <string>

#include "os/file_system.hpp"

namespace quire::vector {

// Held as long as the file is open. Errors: busy (another process or handle has it), not_found (no
// directory), permission, io.
[[nodiscard]] Result<std::unique_ptr<os::File>> take_writer_lock(os::FileSystem& file_system,
                                                                 const std::string& directory);

}  // namespace quire::vector
