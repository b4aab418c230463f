// IntervalSet: a set of byte offsets, kept as the ranges they form.
//
// Invariant: the ranges are not empty, and no two overlap or touch.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "quire/byte_range.hpp"

namespace quire::ranged {

// Thread-compatible. Moving leaves the other empty.
class IntervalSet {
 public:
  void add(ByteRange range);
  void add(const IntervalSet& other) {
    for (const auto& [offset, length] : other.by_offset_) add({offset, length});
  }
  void remove(ByteRange range);
  void remove(const IntervalSet& other) {
    for (const auto& [offset, length] : other.by_offset_) remove({offset, length});
  }
  void clear() noexcept { by_offset_.clear(); }
  // With [0, prefix) in the set too: takes all out that reaches from 0 without a gap, and returns its end.
  std::uint64_t take_prefix(std::uint64_t prefix) noexcept;

  bool empty() const noexcept { return by_offset_.empty(); }
  std::uint64_t total() const noexcept;
  // Ascending.
  std::vector<ByteRange> ranges() const;
  // The parts of `range` that are in the set, and those that are not; ascending.
  std::vector<ByteRange> inside(ByteRange range) const;
  std::vector<ByteRange> missing(ByteRange range) const;

 private:
  using ByOffset = std::map<std::uint64_t, std::uint64_t>;  // to length

  // The first range that ends behind `offset`.
  ByOffset::const_iterator ending_behind(std::uint64_t offset) const noexcept;

  ByOffset by_offset_;
};

}  // namespace quire::ranged
