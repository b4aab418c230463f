#include "vector/ordered_rows.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace quire::vector {

void OrderedRows::keep_smallest() {
  const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(most_ - 1);
  std::ranges::nth_element(entries_, last, {}, &Entry::id);
  entries_.resize(most_);
}

std::span<const OrderedRows::Entry> OrderedRows::next() {
  if (std::exchange(is_ready_, false)) {
    left_ = 0;
    return entries_;
  }
  if (left_ == 0) return {};
  entries_.clear();
  const VersionTable& versions = view_.catalog->versions();
  std::uint64_t to = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t i = 0; i < view_.versions; ++i) {
    const std::uint64_t id = versions.id(i);
    if (id < from_ || id > to || !versions.is_live_at(i, view_.lsn)) continue;
    entries_.push_back({id, i});
    if (entries_.size() < 2 * most_) continue;
    keep_smallest();
    to = entries_.back().id;  // larger ones are not among the next `most_`
  }
  if (entries_.size() > most_) keep_smallest();
  std::ranges::sort(entries_, {}, &Entry::id);
  left_ -= std::min<std::uint64_t>(left_, entries_.size());
  // Past the largest id nothing is left.
  if (!entries_.empty()) from_ = entries_.back().id + 1;
  return entries_;
}

void OrderedRows::rewind() {
  is_ready_ = entries_.size() == view_.live && !entries_.empty();
  left_ = view_.live;
  from_ = 0;
}

}  // namespace quire::vector
