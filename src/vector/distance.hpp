// Distances between queries and blocks of rows: the inner loops of `nearest`. They are compiled once for
// each machine level (docs/decisions/0017-distance-kernels-a-machine-level.md).
//
// What a distance is never depends on how many rows or queries are met together: the elements are added in
// one order, that of distance_kernels.inc. It may differ in the last bits from one machine level to
// another, where elements are floats.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/element_type.hpp"
#include "quire/metric.hpp"

namespace quire::vector {

// A query, with what of it is the same for every row.
struct Query {
  const std::byte* elements;  // as `is_decoded` says; aligned for it
  double norm;                // Euclidean length; for cosine
};

// True for types of which queries are floats, whatever the rows are; else they are as the rows are.
constexpr bool is_decoded(ElementType type) noexcept {
  return type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16;
}

// The distances, as Metric defines them, from `query` to rows[0] … rows[n - 1], which need no alignment;
// `out` has room for n. Touches only the query, the rows and out: it may run under the fault guard.
using DistanceFunction = void (*)(const Query& query, std::span<const std::byte* const> rows,
                                  std::size_t dimension, double* out) noexcept;

// Queries that the screen takes at once, and rows.
inline constexpr std::size_t kScreenQueries = 16;
inline constexpr std::size_t kScreenRows = 6;

// A row passes the screen for a query unless
//   (base + query.base) - factor * query.factor * (inner product) - slack * query.slack > query.worst
// so a NaN passes.
struct RowTerms {
  float base = 0;
  float factor = 0;
  float slack = 0;
};
struct QueryTerms {
  std::array<float, kScreenQueries> base{};
  std::array<float, kScreenQueries> factor{};
  std::array<float, kScreenQueries> slack{};
  std::array<float, kScreenQueries> worst{};
};

// All for one machine level. Thread-safe.
struct DistanceKernels {
  const char* name;
  DistanceFunction (*distance)(ElementType type, Metric metric) noexcept;
  // The first `count` elements at `row`, of f32, f16 or bf16, as floats: exact.
  void (*decode)(ElementType type, const std::byte* row, std::size_t count, float* out) noexcept;
  // The same of f16 the other way: as Float16 rounds.
  void (*encode_f16)(const float* elements, std::size_t count, std::byte* out) noexcept;
  // Sets bit q of passed[r] if row r passes the screen for query q. The rows are dense, `dimension` floats
  // each, `count` of them, a multiple of kScreenRows; element i of query q is panel[i * kScreenQueries + q].
  void (*screen)(const float* panel, const QueryTerms& queries, const float* rows,
                 const RowTerms* terms, std::size_t dimension, std::size_t count,
                 std::uint16_t* passed) noexcept;
};

// Those that this machine can run, the fastest last; there is at least one.
[[nodiscard]] std::span<const DistanceKernels* const> usable_kernels() noexcept;
[[nodiscard]] inline const DistanceKernels& fastest_kernels() noexcept {
  return *usable_kernels().back();
}

// The Euclidean length of a query as Query::elements has it.
[[nodiscard]] double norm_of(ElementType type, const std::byte* elements,
                             std::size_t dimension) noexcept;

}  // namespace quire::vector
