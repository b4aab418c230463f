// SnapshotAccess: restoring into any file system. For the tests.
#pragma once

#include <string>

#include "os/file_system.hpp"
#include "quire/snapshot.hpp"

namespace quire::snapshot {

struct SnapshotAccess {
  // As restore_snapshot.
  [[nodiscard]] static Result<RestoreReport> restore(os::FileSystem& file_system,
                                                     const Snapshot& snapshot,
                                                     const std::string& directory,
                                                     const RestoreSnapshotOptions& options);
};

}  // namespace quire::snapshot
