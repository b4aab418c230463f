// Metric: how far apart two vectors are, and Neighbour: one that was found.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// How far apart two vectors are; a smaller distance is always nearer.
enum class Metric : std::uint8_t {
  l2,             // squared Euclidean: sum of (a - b)^2
  inner_product,  // minus the inner product
  cosine,         // 1 - cosine of the angle; a zero vector is at distance 1 of everything
  hamming,        // number of elements that are not equal; 0 equals -0, and a NaN nothing
};
// "l2", "ip", "cosine", "hamming".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(Metric metric) noexcept;
[[nodiscard]] QUIRE_EXPORT std::optional<Metric> metric_from_string(std::string_view name) noexcept;

// A neighbour found by `nearest`.
struct Neighbour {
  std::uint64_t id = 0;
  double distance = 0;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

}  // namespace v0
}  // namespace quire
