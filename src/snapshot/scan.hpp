// Going through a snapshot block by block.
#pragma once

#include "snapshot/snapshot_core.hpp"

namespace quire::snapshot {

// As SnapshotScan::next. With `damage` given, what the device cannot read (`io`) is passed over as what is
// `corrupt` is, and `damage` says what is left out.
[[nodiscard]] Result<SnapshotRows> next_rows(const SnapshotCore& core, ScanPosition& position,
                                             const ReadOptions& options,
                                             SnapshotDamage* damage = nullptr);

}  // namespace quire::snapshot
