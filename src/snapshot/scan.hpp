// Going through a snapshot block by block.
#pragma once

#include "snapshot/snapshot_core.hpp"

namespace quire::snapshot {

// As SnapshotScan::next. After `corrupt`, `damage` (if given) says what is left out.
[[nodiscard]] Result<SnapshotRows> next_rows(const SnapshotCore& core, ScanPosition& position,
                                             const ReadOptions& options,
                                             SnapshotDamage* damage = nullptr);

}  // namespace quire::snapshot
