// Many queries of floats against the same rows: which pairs need their distance calculated.
//
// From the inner product of a query and a row, and their lengths, follows what their distance is at least,
// but for rounding. The inner products of many queries and rows are a product of matrices, several times as
// fast as so many distances; and once a query has k neighbours, most rows cannot be one more. The others
// are met by the distance function as a single query would be: so the screen never changes a result.
//
// How much rounding can hide (u = 2^-24, n the dimension): the sum of n products in any order is within
// n u |a||b| of the inner product, a length squared within 140 u of itself, relative, a distance as
// distance_kernels.inc sums it within 140 u (|a|^2 + |b|^2) for l2, 140 u |a||b| for an inner product, 300 u
// for a cosine, and each step of the bound adds a few u. kSlack + n is more than all together. Lengths whose
// squares come near the ends of what a float holds let everything pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vector/candidates.hpp"
#include "vector/distance.hpp"

namespace quire::vector {

// True if a screen for these is faster than every distance.
[[nodiscard]] bool is_worth_a_screen(ElementType type, Metric metric, std::size_t queries) noexcept;

// The queries as the screen takes them. Immutable.
class ScreenQueries {
 public:
  // REQUIRES: queries of floats, metric is not hamming.
  ScreenQueries(std::span<const Query> queries, std::size_t dimension, Metric metric);

  Metric metric() const noexcept { return metric_; }
  std::size_t dimension() const noexcept { return dimension_; }
  float slack() const noexcept { return slack_; }  // relative
  std::size_t panels() const noexcept { return terms_.size(); }
  const float* panel(std::size_t i) const noexcept {
    return elements_.data() + i * kScreenQueries * dimension_;
  }
  // Without `worst`.
  const QueryTerms& terms(std::size_t i) const noexcept { return terms_[i]; }

 private:
  Metric metric_;
  std::size_t dimension_;
  float slack_;
  std::vector<float> elements_;
  std::vector<QueryTerms> terms_;
};

// A few rows at a time against all queries. Single-thread; borrows the queries.
class Screen {
 public:
  Screen(const DistanceKernels& kernels, const ScreenQueries& queries);

  // Rows that it takes at once.
  std::size_t capacity() const noexcept { return capacity_; }

  // Takes rows of `type`, at most capacity(), in place of those before. Touches `rows` and memory of its
  // own: it may run under the fault guard.
  void load(ElementType type, std::span<const std::byte* const> rows) noexcept;
  // Prepares what was loaded for pass().
  void measure() noexcept;

  // Bit q of element i says whether row i may be no farther than worst[q] from query q of panel `panel`;
  // an element for each row loaded. `worst` has at most kScreenQueries.
  [[nodiscard]] std::span<const std::uint16_t> pass(std::size_t panel,
                                                    std::span<const double> worst) noexcept;
  // Row i as floats.
  const std::byte* row(std::size_t i) const noexcept {
    return reinterpret_cast<const std::byte*>(rows_.data() + i * queries_.dimension());
  }

 private:
  const DistanceKernels& kernels_;
  const ScreenQueries& queries_;
  std::size_t capacity_;
  std::size_t count_ = 0;
  std::vector<float> rows_;
  std::vector<const std::byte*> row_at_;
  std::vector<double> squares_;
  std::vector<RowTerms> terms_;
  std::vector<std::uint16_t> passed_;
};

}  // namespace quire::vector
