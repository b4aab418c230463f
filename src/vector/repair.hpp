// Repair of a store on any file system; the steps are at the top of repair.cpp.
#pragma once

#include <string>

#include "os/file_system.hpp"
#include "quire/repair.hpp"

namespace quire::vector {

// As quire::repair_store.
[[nodiscard]] Result<RepairReport> repair(os::FileSystem& file_system, const std::string& directory,
                                          const RepairOptions& options);

}  // namespace quire::vector
