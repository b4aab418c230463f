// Distances between one query and a block of rows: the inner loops of `nearest`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/vector_store.hpp"

namespace quire::vector {

// A query, with what of it is the same for every row.
struct Query {
  const std::byte* elements;
  double norm;  // Euclidean length; for cosine
};

// The distances, as Metric defines them, from `query` to rows[0] … rows[n - 1]; `out` has room for n.
// Touches only the query, the rows and out: it may run under the fault guard.
using DistanceFunction = void (*)(const Query& query, std::span<const std::byte* const> rows,
                                  std::size_t dimension, double* out) noexcept;

[[nodiscard]] DistanceFunction distance_function(ElementType type, Metric metric) noexcept;

// The Euclidean length of a vector.
[[nodiscard]] double norm_of(ElementType type, const std::byte* elements,
                             std::size_t dimension) noexcept;

// True if any element is a NaN.
[[nodiscard]] bool has_nan(ElementType type, std::span<const std::byte> elements) noexcept;

}  // namespace quire::vector
