// ElementType: what one element of a vector is.
//
// Vectors are stored as dense rows: `dimension` elements of one type, little-endian, without gaps. Elements
// of one bit are packed, and fill up the last byte of a row with zeros; so a row has
// `row_bytes(type, dimension)` bytes.
//
//     quire::row_bytes(quire::ElementType::f32, 100);     // 400
//     quire::row_bytes(quire::ElementType::b1, 100);      // 13
//     quire::element_type_of<std::uint8_t>;               // ElementType::u8
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "quire/float16.hpp"

namespace quire {
inline namespace v0 {

// The numbers are ids in on-disk structures: they never change meaning.
enum class ElementType : std::uint8_t {
  f32 = 1,   // IEEE 754 binary32
  u8 = 2,    // 0 to 255
  f16 = 3,   // IEEE 754 binary16
  bf16 = 4,  // the upper half of a binary32
  i8 = 5,    // -128 to 127
  b1 = 6,  // 0 or 1: element i is bit i mod 8, counted from the lowest, of byte i div 8 of its row
};

inline constexpr std::array kElementTypes = {ElementType::f32,  ElementType::u8, ElementType::f16,
                                             ElementType::bf16, ElementType::i8, ElementType::b1};

// The bits of one element; 0 for a number that is no ElementType.
[[nodiscard]] constexpr std::size_t element_bits(ElementType type) noexcept {
  switch (type) {
    case ElementType::f32:
      return 32;
    case ElementType::f16:
    case ElementType::bf16:
      return 16;
    case ElementType::u8:
    case ElementType::i8:
      return 8;
    case ElementType::b1:
      return 1;
  }
  return 0;
}

// The bytes of a vector of `dimension` elements: the last one may have bits that are no element, which are
// zero. 0 for a number that is no ElementType.
[[nodiscard]] constexpr std::size_t row_bytes(ElementType type, std::uint32_t dimension) noexcept {
  return (std::size_t{dimension} * element_bits(type) + 7) / 8;
}

// What an element's address is a multiple of where elements are used as ElementTypeOf's type; 1 for b1 and
// for a number that is no ElementType.
[[nodiscard]] constexpr std::size_t element_alignment(ElementType type) noexcept {
  const std::size_t bytes = element_bits(type) / 8;
  return bytes == 0 ? 1 : bytes;
}

// The type's name as it is spelled above: "f32", "u8", … "?" for a number that is no ElementType.
[[nodiscard]] constexpr std::string_view to_string(ElementType type) noexcept {
  switch (type) {
    case ElementType::f32:
      return "f32";
    case ElementType::u8:
      return "u8";
    case ElementType::f16:
      return "f16";
    case ElementType::bf16:
      return "bf16";
    case ElementType::i8:
      return "i8";
    case ElementType::b1:
      return "b1";
  }
  return "?";
}

// The type of that name, exactly as to_string spells it; nothing for every other string.
[[nodiscard]] constexpr std::optional<ElementType> element_type_from_string(
    std::string_view name) noexcept {
  for (const ElementType type : kElementTypes) {
    if (to_string(type) == name) return type;
  }
  return std::nullopt;
}

// The type stored under that on-disk id; nothing for an id that no type has.
[[nodiscard]] constexpr std::optional<ElementType> element_type_from_id(std::uint8_t id) noexcept {
  const auto type = static_cast<ElementType>(id);
  if (element_bits(type) == 0) return std::nullopt;
  return type;
}

// ElementTypeOf<T>::value: the ElementType whose elements are held as T in memory. None for b1, whose rows
// are bytes.
template <class T>
struct ElementTypeOf {};
template <>
struct ElementTypeOf<float> {
  static constexpr ElementType value = ElementType::f32;
};
template <>
struct ElementTypeOf<std::uint8_t> {
  static constexpr ElementType value = ElementType::u8;
};
template <>
struct ElementTypeOf<Float16> {
  static constexpr ElementType value = ElementType::f16;
};
template <>
struct ElementTypeOf<BFloat16> {
  static constexpr ElementType value = ElementType::bf16;
};
template <>
struct ElementTypeOf<std::int8_t> {
  static constexpr ElementType value = ElementType::i8;
};

// A type that elements are held as in memory: float, Float16, BFloat16, std::int8_t and std::uint8_t.
template <class T>
concept Element = requires {
  { ElementTypeOf<T>::value } -> std::convertible_to<ElementType>;
} && element_bits(ElementTypeOf<T>::value) == 8 * sizeof(T);

template <Element T>
inline constexpr ElementType element_type_of = ElementTypeOf<T>::value;

static_assert(sizeof(float) == 4);

}  // namespace v0
}  // namespace quire
