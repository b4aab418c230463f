#include "ranged/free_list.hpp"

#include <algorithm>
#include <iterator>

#include "quire/alignment.hpp"

namespace quire::ranged {

namespace {

// What of `place` begins at a multiple of `alignment`; nothing if that is none of it.
std::optional<ByteRange> aligned_part(ByteRange place, std::uint64_t alignment) {
  const auto start = align_up(place.offset, alignment);
  if (!start || *start >= place.end()) return std::nullopt;
  return ByteRange{*start, place.end() - *start};
}

}  // namespace

FreeList::ByOffset::const_iterator FreeList::at_or_before(std::uint64_t offset) const noexcept {
  const auto after = by_offset_.upper_bound(offset);
  return after == by_offset_.begin() ? by_offset_.end() : std::prev(after);
}

void FreeList::erase(ByOffset::const_iterator place) noexcept {
  by_length_.erase({place->second, place->first});
  by_offset_.erase(place);
}

void FreeList::insert(ByteRange range) {
  const auto before = at_or_before(range.offset);
  const auto after = by_offset_.find(range.end());
  const bool joins_before =
      before != by_offset_.end() && before->first + before->second == range.offset;
  ByteRange whole = range;
  if (joins_before) whole = {before->first, before->second + range.length};
  if (after != by_offset_.end()) whole.length += after->second;

  // First what may throw.
  const auto length_entry = by_length_.insert({whole.length, whole.offset}).first;
  if (!joins_before) {
    try {
      by_offset_.emplace(whole.offset, whole.length);
    } catch (...) {
      by_length_.erase(length_entry);
      throw;
    }
  } else {
    by_length_.erase({before->second, before->first});
    by_offset_.find(whole.offset)->second = whole.length;
  }
  if (after != by_offset_.end()) erase(after);
}

void FreeList::remove(ByteRange range) {
  const auto found = at_or_before(range.offset);
  const ByteRange place{found->first, found->second};
  const ByteRange low{place.offset, range.offset - place.offset};
  const ByteRange high{range.end(), place.end() - range.end()};

  // First what may throw: the entries of what stays.
  ByLength lengths;
  ByOffset offsets;
  if (!low.empty()) lengths.insert({low.length, low.offset});
  if (!high.empty()) {
    lengths.insert({high.length, high.offset});
    offsets.emplace(high.offset, high.length);
  }
  by_length_.erase({place.length, place.offset});
  if (low.empty()) {
    by_offset_.erase(found);
  } else {
    by_offset_.find(place.offset)->second = low.length;
  }
  by_length_.merge(lengths);
  by_offset_.merge(offsets);
}

std::optional<ByteRange> FreeList::take(std::uint64_t length, std::uint64_t alignment) {
  // A place of length + alignment - 1 always has room, so this looks at few that have not.
  for (auto entry = by_length_.lower_bound({length, 0}); entry != by_length_.end(); ++entry) {
    const auto part = aligned_part({entry->second, entry->first}, alignment);
    if (!part || part->length < length) continue;
    const ByteRange taken{part->offset, length};
    remove(taken);
    return taken;
  }
  return std::nullopt;
}

std::optional<ByteRange> FreeList::take_up_to(std::uint64_t length, std::uint64_t alignment) {
  if (const auto whole = take(length, alignment)) return whole;
  for (auto entry = by_length_.rbegin(); entry != by_length_.rend(); ++entry) {
    const auto part = aligned_part({entry->second, entry->first}, alignment);
    if (!part) continue;
    const ByteRange taken{part->offset, std::min(length, part->length)};
    remove(taken);
    return taken;
  }
  return std::nullopt;
}

bool FreeList::contains(ByteRange range) const noexcept {
  const auto place = at_or_before(range.offset);
  return place != by_offset_.end() && ByteRange{place->first, place->second}.contains(range);
}

std::optional<ByteRange> FreeList::ending_at(std::uint64_t offset) const noexcept {
  if (offset == 0) return std::nullopt;
  const auto place = at_or_before(offset - 1);
  if (place == by_offset_.end() || place->first + place->second != offset) return std::nullopt;
  return ByteRange{place->first, place->second};
}

bool FreeList::overlaps(ByteRange range) const noexcept {
  const auto place = at_or_before(range.offset);
  if (place != by_offset_.end() && ByteRange{place->first, place->second}.overlaps(range)) {
    return true;
  }
  const auto after = by_offset_.upper_bound(range.offset);
  return after != by_offset_.end() && after->first < range.end();
}

}  // namespace quire::ranged
