// The k nearest neighbours seen so far.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "quire/metric.hpp"

namespace quire::vector {

// Single-thread. A heap with the farthest on top.
class Candidates {
 public:
  // REQUIRES: k > 0.
  explicit Candidates(std::size_t k) : k_(k) {}

  // No candidate that is farther is kept. A distance that is a NaN is none.
  double worst() const noexcept {
    return heap_.size() == k_ ? heap_.front().distance : std::numeric_limits<double>::infinity();
  }

  void offer(const Neighbour& candidate) {
    if (!(candidate.distance <= worst())) return;  // a NaN, too
    if (heap_.size() == k_) {
      if (!nearer(candidate, heap_.front())) return;
      std::ranges::pop_heap(heap_, nearer);
      heap_.back() = candidate;
    } else {
      heap_.push_back(candidate);
    }
    std::ranges::push_heap(heap_, nearer);
  }

  const std::vector<Neighbour>& unordered() const noexcept { return heap_; }

  std::vector<Neighbour> take_sorted() {
    std::ranges::sort(heap_, nearer);
    return std::move(heap_);
  }

 private:
  static bool nearer(const Neighbour& a, const Neighbour& b) noexcept {
    return a.distance < b.distance || (a.distance == b.distance && a.id < b.id);
  }

  std::size_t k_;
  std::vector<Neighbour> heap_;
};

}  // namespace quire::vector
