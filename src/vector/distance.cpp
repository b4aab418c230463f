#include "vector/distance.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "quire/float16.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define QUIRE_MEMBER inline __attribute__((always_inline))
#define QUIRE_INLINE static QUIRE_MEMBER

namespace quire::vector {

namespace {

// Vectors of the compiler; wider than the machine's where they must be. All that takes them is inlined.
using F8 = float __attribute__((vector_size(32)));
using I8 = std::int32_t __attribute__((vector_size(32)));
using U16x8 = std::uint16_t __attribute__((vector_size(16)));

// What every machine that the library is built for can run.
namespace portable {
#define QUIRE_AVX2 0
#include "vector/distance_kernels.inc"
#undef QUIRE_AVX2
constexpr DistanceKernels kKernels{"portable", &distance, &decode, &encode_f16, &screen};
}  // namespace portable

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi,bmi2,popcnt")
#endif
namespace avx2 {
#define QUIRE_AVX2 1
#include "vector/distance_kernels.inc"
#undef QUIRE_AVX2
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
namespace avx2 {
constexpr DistanceKernels kKernels{"avx2", &distance, &decode, &encode_f16, &screen};
}  // namespace avx2

constexpr std::array<const DistanceKernels*, 2> kAll = {&portable::kKernels, &avx2::kKernels};

std::size_t usable() noexcept {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
                        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  return has_avx2 ? 2 : 1;
}
#else
constexpr std::array<const DistanceKernels*, 1> kAll = {&portable::kKernels};

std::size_t usable() noexcept { return 1; }
#endif

}  // namespace

std::span<const DistanceKernels* const> usable_kernels() noexcept {
  static const std::size_t count = usable();
  return std::span(kAll).first(count);
}

double norm_of(ElementType type, const std::byte* elements, std::size_t dimension) noexcept {
  const ElementType held = is_decoded(type) ? ElementType::f32 : type;
  double distance = 0;
  fastest_kernels().distance(held, Metric::inner_product)({elements, 0}, {&elements, 1}, dimension,
                                                          &distance);
  return std::sqrt(-distance);
}

}  // namespace quire::vector
