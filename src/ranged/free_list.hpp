// FreeList: ranges that were handed out and came back.
//
// Invariants:
//   1. No two ranges overlap or touch: neighbours are one.
//   2. by_length_ has the same ranges as by_offset_.
// A call that throws (bad_alloc) changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "quire/byte_range.hpp"

namespace quire::ranged {

// Thread-compatible.
class FreeList {
 public:
  // Adds a range, which becomes one with its neighbours. REQUIRES: not empty, overlaps none.
  void insert(ByteRange range);
  // Takes out a range. REQUIRES: contains(range), not empty.
  void remove(ByteRange range);

  // The shortest place for `length` at a multiple of `alignment`, taken out.
  std::optional<ByteRange> take(std::uint64_t length, std::uint64_t alignment);
  // The same, or else the longest place that has an aligned start, whole.
  std::optional<ByteRange> take_up_to(std::uint64_t length, std::uint64_t alignment);

  // True if all of the range is free.
  bool contains(ByteRange range) const noexcept;
  bool overlaps(ByteRange range) const noexcept;
  // The free range that ends at `offset`, whole.
  std::optional<ByteRange> ending_at(std::uint64_t offset) const noexcept;
  std::uint64_t longest() const noexcept {
    return by_length_.empty() ? 0 : by_length_.rbegin()->first;
  }

 private:
  using ByOffset = std::map<std::uint64_t, std::uint64_t>;             // to length
  using ByLength = std::set<std::pair<std::uint64_t, std::uint64_t>>;  // length, offset

  // The last range that begins at or before `offset`; end() if there is none.
  ByOffset::const_iterator at_or_before(std::uint64_t offset) const noexcept;
  void erase(ByOffset::const_iterator place) noexcept;

  ByOffset by_offset_;
  ByLength by_length_;
};

}  // namespace quire::ranged
