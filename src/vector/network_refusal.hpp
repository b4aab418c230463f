// Refusing to keep stores where maps and locks do not reach.
#pragma once

#include <string>

#include "os/file_system.hpp"

namespace quire::vector {

// Fails if `directory`, or if it does not exist the one it would be in, is on a network file system: another machine
// may change its files under the maps, locks may not keep it out, and a sync may promise less. What the system does
// not tell is let through. Errors: unsupported.
[[nodiscard]] Result<void> refuse_network_file_system(os::FileSystem& file_system,
                                                      const char* operation,
                                                      const std::string& directory);

}  // namespace quire::vector
