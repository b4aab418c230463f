// Coalescing: which ranges of a batch to read together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/export.hpp"

namespace quire::source {

struct CoalesceOptions {
  std::uint64_t max_gap = 0;     // bytes between two ranges that are read for nothing, at most
  std::uint64_t max_length = 0;  // of what is read at once; a longer range stays one
};

// One read, and which of the ranges lie in it.
struct MergedRead {
  ByteRange range;
  std::vector<std::size_t> members;  // indices of the ranges, ascending by offset
};

// Covers `ranges`, of which none is empty, with reads in ascending order. Each range lies in one read.
[[nodiscard]] QUIRE_EXPORT std::vector<MergedRead> coalesce(std::span<const ByteRange> ranges,
                                                            const CoalesceOptions& options);

}  // namespace quire::source
