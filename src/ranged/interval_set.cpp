#include "ranged/interval_set.hpp"

#include <algorithm>
#include <iterator>

namespace quire::ranged {

IntervalSet::ByOffset::const_iterator IntervalSet::ending_behind(
    std::uint64_t offset) const noexcept {
  auto place = by_offset_.upper_bound(offset);
  if (place != by_offset_.begin()) {
    const auto before = std::prev(place);
    if (before->first + before->second > offset) place = before;
  }
  return place;
}

void IntervalSet::add(ByteRange range) {
  if (range.empty()) return;
  // One that ends where this begins is a neighbour too.
  auto place = ending_behind(range.offset == 0 ? 0 : range.offset - 1);
  std::uint64_t begin = range.offset;
  std::uint64_t end = range.end();
  const auto first = place;
  for (; place != by_offset_.end() && place->first <= end; ++place) {
    begin = std::min(begin, place->first);
    end = std::max(end, place->first + place->second);
  }
  // What may throw comes first: a new entry, unless one begins there already.
  const auto entry = by_offset_.insert({begin, 0}).first;
  entry->second = end - begin;
  for (auto old = first; old != place;) {
    old = old->first == begin ? std::next(old) : by_offset_.erase(old);
  }
}

void IntervalSet::remove(ByteRange range) {
  if (range.empty()) return;
  auto place = ending_behind(range.offset);
  while (place != by_offset_.end() && place->first < range.end()) {
    const ByteRange old{place->first, place->second};
    if (old.end() > range.end()) by_offset_.insert({range.end(), old.end() - range.end()});
    if (old.offset < range.offset) {
      by_offset_.find(old.offset)->second = range.offset - old.offset;
      ++place;
    } else {
      place = by_offset_.erase(place);
    }
  }
}

std::uint64_t IntervalSet::take_prefix(std::uint64_t prefix) noexcept {
  while (!by_offset_.empty() && by_offset_.begin()->first <= prefix) {
    const auto first = by_offset_.begin();
    prefix = std::max(prefix, first->first + first->second);
    by_offset_.erase(first);
  }
  return prefix;
}

std::uint64_t IntervalSet::total() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [offset, length] : by_offset_) sum += length;
  return sum;
}

std::vector<ByteRange> IntervalSet::ranges() const {
  std::vector<ByteRange> all;
  all.reserve(by_offset_.size());
  for (const auto& [offset, length] : by_offset_) all.push_back({offset, length});
  return all;
}

std::vector<ByteRange> IntervalSet::inside(ByteRange range) const {
  std::vector<ByteRange> parts;
  for (auto place = ending_behind(range.offset);
       place != by_offset_.end() && place->first < range.end(); ++place) {
    parts.push_back(range.intersect({place->first, place->second}));
  }
  return parts;
}

std::vector<ByteRange> IntervalSet::missing(ByteRange range) const {
  std::vector<ByteRange> gaps;
  std::uint64_t at = range.offset;
  for (const ByteRange part : inside(range)) {
    if (part.offset > at) gaps.push_back({at, part.offset - at});
    at = part.end();
  }
  if (at < range.end()) gaps.push_back({at, range.end() - at});
  return gaps;
}

}  // namespace quire::ranged
