// Float16 and BFloat16: how elements of f16 and bf16 are held in memory.
//
// Two bytes each, trivially copyable, for storing only: convert to float to calculate.
//
//     const quire::Float16 half(0.1F);                    // the nearest of its values
//     const float back = half;                            // exact: 0.0999755859375
//     std::vector<quire::Float16> row(768);
//     store.put(42, row);                                 // into a store of f16
//
// For many at once there is quire/convert.hpp.
#pragma once

#include <bit>
#include <cstdint>

namespace quire {
inline namespace v0 {

// IEEE 754 binary16: 11 bits of precision, up to 65,504, down to 2^-24. A value type.
struct Float16 {
  std::uint16_t bits = 0;

  constexpr Float16() noexcept = default;
  // The nearest value, of two as near the one whose last bit is 0; infinity from 65,520 on. Keeps zeros,
  // infinities and subnormals; a NaN stays one, quiet, with the upper bits of its payload.
  constexpr explicit Float16(float value) noexcept : bits(encode(value)) {}
  static constexpr Float16 from_bits(std::uint16_t bits) noexcept {
    Float16 result;
    result.bits = bits;
    return result;
  }

  // Exact for every value, also infinities; a NaN stays one.
  constexpr operator float() const noexcept {  // NOLINT(google-explicit-constructor): loses nothing
    const auto magnitude = static_cast<std::uint32_t>(bits & 0x7FFF) << 13;
    // As a float this is the value times 2^-112, subnormal or not, and the product is exact.
    float value = std::bit_cast<float>(magnitude) * 0x1p112F;
    if (magnitude >= std::uint32_t{0x7C00} << 13) {
      value = std::bit_cast<float>(std::uint32_t{0x7F800000} | magnitude);
    }
    const auto sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
  }

 private:
  static constexpr std::uint16_t encode(float value) noexcept {
    const auto all = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>(all >> 16 & 0x8000);
    const std::uint32_t magnitude = all & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) {
      return static_cast<std::uint16_t>(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    }
    if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);  // 65,520
    if (magnitude < 0x38800000) {
      // Below 2^-14: adding 1/2 lets the addition itself round to the multiples of 2^-24.
      const float aligned = std::bit_cast<float>(magnitude) + 0.5F;
      return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) & 0xFFFF));
    }
    const std::uint32_t odd = magnitude >> 13 & 1;
    const std::uint32_t rounded = magnitude - (std::uint32_t{112} << 23) + 0xFFF + odd;
    return static_cast<std::uint16_t>(sign | rounded >> 13);
  }
};

// The upper half of an IEEE 754 binary32: its range with 8 bits of precision. A value type.
struct BFloat16 {
  std::uint16_t bits = 0;

  constexpr BFloat16() noexcept = default;
  // As for Float16; infinity from half a step above the largest value on.
  constexpr explicit BFloat16(float value) noexcept : bits(encode(value)) {}
  static constexpr BFloat16 from_bits(std::uint16_t bits) noexcept {
    BFloat16 result;
    result.bits = bits;
    return result;
  }

  // Exact; a NaN stays one.
  constexpr operator float() const noexcept {  // NOLINT(google-explicit-constructor): loses nothing
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

 private:
  static constexpr std::uint16_t encode(float value) noexcept {
    const auto all = std::bit_cast<std::uint32_t>(value);
    if ((all & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>(all >> 16 | 0x40);
    return static_cast<std::uint16_t>((all + 0x7FFF + (all >> 16 & 1)) >> 16);
  }
};

static_assert(sizeof(Float16) == 2 && sizeof(BFloat16) == 2);

}  // namespace v0
}  // namespace quire
