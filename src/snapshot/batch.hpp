// Looking many ids up at once: two rounds of requests where one id after the other takes two each.
//
//   1. The id pages of all ids are got: each page once. They say which rows the ids have, and where the
//      blocks of these are.
//   2. Those blocks are got, each once, and the rows are copied out of them.
//
// Each round goes through its pages, or blocks, in portions of at most `most_held` bytes (of one at least),
// so that what is held does not grow with the batch, but for its answer. A snapshot in memory is looked
// at in place instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/bytes.hpp"
#include "snapshot/snapshot_core.hpp"

namespace quire::snapshot {

inline constexpr std::uint64_t kMostHeldOfABatch = std::uint64_t{64} << 20;

// As Snapshot::get_many. REQUIRES: `out` is as long as `ids`, and empty Bytes.
[[nodiscard]] Result<std::size_t> get_many(const SnapshotCore& core,
                                           std::span<const std::uint64_t> ids, std::span<Bytes> out,
                                           const ReadOptions& options,
                                           std::uint64_t most_held = kMostHeldOfABatch);

}  // namespace quire::snapshot
