#include "vector/row_order.hpp"

#include <algorithm>
#include <functional>

namespace quire::vector {

namespace {

constexpr auto kRowOf = [](const auto& run) { return run.first.row; };

}  // namespace

RowOrder::RowOrder(const ViewState& view) : view_(view) {
  Next at{};
  std::uint64_t last_row = 0;
  for (std::uint64_t from = 0; find_live(from, view_.versions, at); from = at.version + 1) {
    if (runs_.empty() || at.row < last_row) {
      if (!runs_.empty()) runs_.back().end = at.version;
      runs_.push_back({.first = at, .end = view_.versions});
    }
    last_row = at.row;
  }
  std::ranges::make_heap(runs_, std::ranges::greater{}, kRowOf);
}

bool RowOrder::find_live(std::uint64_t number, std::uint64_t end, Next& found) const noexcept {
  const VersionTable& versions = view_.catalog->versions();
  while (number < end && !versions.is_live_at(number, view_.lsn)) ++number;
  if (number >= end) return false;
  found = {.row = versions.row(number), .version = number};
  return true;
}

bool RowOrder::next(Next& next) {
  if (runs_.empty()) return false;
  std::ranges::pop_heap(runs_, std::ranges::greater{}, kRowOf);
  Run& run = runs_.back();
  next = run.first;
  if (find_live(run.first.version + 1, run.end, run.first)) {
    std::ranges::push_heap(runs_, std::ranges::greater{}, kRowOf);
  } else {
    runs_.pop_back();
  }
  return true;
}

}  // namespace quire::vector
