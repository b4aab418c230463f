#include "vector/distance.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

// The compiler makes one version of a loop for each of these machines, and the loader picks. Not under
// sanitizers, whose start-up does not go with such picking.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define QUIRE_MULTIVERSION __attribute__((target_clones("avx512bw", "avx2", "default")))
#endif
#else
#define QUIRE_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#endif
#if !defined(QUIRE_MULTIVERSION)
#define QUIRE_MULTIVERSION
#endif

namespace quire::vector {

namespace {

// f32 sums run in this many lanes, so that the compiler may use vector registers without being allowed
// to reorder a sum; the lanes are added in a fixed order.
constexpr std::size_t kLanes = 32;

double sum_of_lanes(const float (&lanes)[kLanes]) noexcept {
  double sum = 0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

template <class Term>
inline __attribute__((always_inline)) double sum_f32(const std::byte* a, const std::byte* b,
                                                     std::size_t dimension, Term term) noexcept {
  float lanes[kLanes] = {};
  const auto* x = reinterpret_cast<const float*>(a);
  const auto* y = reinterpret_cast<const float*>(b);
  std::size_t i = 0;
  for (; i + kLanes <= dimension; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += term(x[i + j], y[i + j]);
  }
  for (std::size_t j = 0; i < dimension; ++i, ++j) lanes[j] += term(x[i], y[i]);
  return sum_of_lanes(lanes);
}

// Exact: at most 65,536 terms of at most 255^2 fit 32 bits.
template <class Term>
inline __attribute__((always_inline)) double sum_u8(const std::byte* a, const std::byte* b,
                                                    std::size_t dimension, Term term) noexcept {
  const auto* x = reinterpret_cast<const std::uint8_t*>(a);
  const auto* y = reinterpret_cast<const std::uint8_t*>(b);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    sum += static_cast<std::uint32_t>(
        term(static_cast<std::int16_t>(x[i]), static_cast<std::int16_t>(y[i])));
  }
  return static_cast<double>(sum);
}

constexpr auto kSquaredF32 = [](float x, float y) { return (x - y) * (x - y); };
constexpr auto kProductF32 = [](float x, float y) { return x * y; };
constexpr auto kSquaredU8 = [](std::int16_t x, std::int16_t y) {
  const auto difference = static_cast<std::int16_t>(x - y);
  return difference * difference;
};
constexpr auto kProductU8 = [](std::int16_t x, std::int16_t y) { return x * y; };

double cosine_distance(double dot, double squared_norm, double query_norm) noexcept {
  const double norms = std::sqrt(squared_norm) * query_norm;
  if (norms == 0) return 1;
  return 1 - dot / norms;
}

QUIRE_MULTIVERSION
void l2_f32(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
            double* out) noexcept {
  for (const std::byte* row : rows) *out++ = sum_f32(query.elements, row, dimension, kSquaredF32);
}

QUIRE_MULTIVERSION
void product_f32(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
                 double* out) noexcept {
  for (const std::byte* row : rows) *out++ = -sum_f32(query.elements, row, dimension, kProductF32);
}

QUIRE_MULTIVERSION
void cosine_f32(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
                double* out) noexcept {
  for (const std::byte* row : rows) {
    const double dot = sum_f32(query.elements, row, dimension, kProductF32);
    *out++ = cosine_distance(dot, sum_f32(row, row, dimension, kProductF32), query.norm);
  }
}

QUIRE_MULTIVERSION
void l2_u8(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
           double* out) noexcept {
  for (const std::byte* row : rows) *out++ = sum_u8(query.elements, row, dimension, kSquaredU8);
}

QUIRE_MULTIVERSION
void product_u8(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
                double* out) noexcept {
  for (const std::byte* row : rows) *out++ = -sum_u8(query.elements, row, dimension, kProductU8);
}

QUIRE_MULTIVERSION
void cosine_u8(const Query& query, std::span<const std::byte* const> rows, std::size_t dimension,
               double* out) noexcept {
  for (const std::byte* row : rows) {
    const double dot = sum_u8(query.elements, row, dimension, kProductU8);
    *out++ = cosine_distance(dot, sum_u8(row, row, dimension, kProductU8), query.norm);
  }
}

}  // namespace

DistanceFunction distance_function(ElementType type, Metric metric) noexcept {
  const bool is_f32 = type == ElementType::f32;
  switch (metric) {
    case Metric::l2:
      return is_f32 ? &l2_f32 : &l2_u8;
    case Metric::inner_product:
      return is_f32 ? &product_f32 : &product_u8;
    case Metric::cosine:
      break;
  }
  return is_f32 ? &cosine_f32 : &cosine_u8;
}

double norm_of(ElementType type, const std::byte* elements, std::size_t dimension) noexcept {
  const double squared = type == ElementType::f32
                             ? sum_f32(elements, elements, dimension, kProductF32)
                             : sum_u8(elements, elements, dimension, kProductU8);
  return std::sqrt(squared);
}

bool has_nan(ElementType type, std::span<const std::byte> elements) noexcept {
  if (type != ElementType::f32) return false;
  for (std::size_t at = 0; at + sizeof(float) <= elements.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, elements.data() + at, sizeof value);
    if (std::isnan(value)) return true;
  }
  return false;
}

}  // namespace quire::vector
