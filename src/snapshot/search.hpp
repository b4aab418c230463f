// Exact nearest neighbours over a snapshot.
#pragma once

#include <cstddef>
#include <vector>

#include "snapshot/snapshot_core.hpp"

namespace quire::snapshot {

// As Snapshot::nearest. Thread-safe.
[[nodiscard]] Result<std::vector<std::vector<Neighbour>>> search(const SnapshotCore& core,
                                                                 VectorRef queries, std::size_t k,
                                                                 const NearestOptions& options,
                                                                 const ReadOptions& read_options);

}  // namespace quire::snapshot
