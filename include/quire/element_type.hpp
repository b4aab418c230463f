// ElementType: what one element of a vector is.
//
// Vectors are stored as dense rows: `dimension` elements of one type, little-endian, without gaps.
// So a row has `dimension * element_size(type)` bytes.
//
//     quire::element_size(quire::ElementType::f32);       // 4
//     quire::element_type_of<std::uint8_t>;               // ElementType::u8
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace quire {
inline namespace v0 {

// The numbers are ids in on-disk structures: they never change meaning. 3 to 15 are kept for further
// types (f16, bf16, i8, one bit).
enum class ElementType : std::uint8_t {
  f32 = 1,  // IEEE 754 binary32
  u8 = 2,   // 0 to 255
};

// The bytes of one element; 0 for a number that is no ElementType.
[[nodiscard]] constexpr std::size_t element_size(ElementType type) noexcept {
  switch (type) {
    case ElementType::f32:
      return 4;
    case ElementType::u8:
      return 1;
  }
  return 0;
}

// The type's name as it is spelled above: "f32", "u8". "?" for a number that is no ElementType.
[[nodiscard]] constexpr std::string_view to_string(ElementType type) noexcept {
  switch (type) {
    case ElementType::f32:
      return "f32";
    case ElementType::u8:
      return "u8";
  }
  return "?";
}

// The type of that name, exactly as to_string spells it; nothing for every other string.
[[nodiscard]] constexpr std::optional<ElementType> element_type_from_string(
    std::string_view name) noexcept {
  for (const ElementType type : {ElementType::f32, ElementType::u8}) {
    if (to_string(type) == name) return type;
  }
  return std::nullopt;
}

// The type stored under that on-disk id; nothing for an id that no type has.
[[nodiscard]] constexpr std::optional<ElementType> element_type_from_id(std::uint8_t id) noexcept {
  const auto type = static_cast<ElementType>(id);
  if (element_size(type) == 0) return std::nullopt;
  return type;
}

// ElementTypeOf<T>::value: the ElementType whose elements are held as T in memory.
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

// A type that elements are held as in memory: float and std::uint8_t.
template <class T>
concept Element = requires {
  { ElementTypeOf<T>::value } -> std::convertible_to<ElementType>;
} && element_size(ElementTypeOf<T>::value) == sizeof(T);

template <Element T>
inline constexpr ElementType element_type_of = ElementTypeOf<T>::value;

static_assert(sizeof(float) == element_size(ElementType::f32));

}  // namespace v0
}  // namespace quire
