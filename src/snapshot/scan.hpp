// Going through a snapshot block by block.
#pragma once

#include <optional>

#include "snapshot/snapshot_core.hpp"

namespace quire::snapshot {

// As SnapshotScan::next. With `left_out` given, what the device cannot read (`io`) is passed over as what is
// `corrupt` is; after an error it says what was passed over, or nothing if the next call tries again.
[[nodiscard]] Result<SnapshotRows> next_rows(const SnapshotCore& core, ScanPosition& position,
                                             const ReadOptions& options,
                                             std::optional<SnapshotDamage>* left_out = nullptr);

}  // namespace quire::snapshot
