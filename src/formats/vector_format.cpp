#include <array>
#include <utility>

#include "formats/npy_header.hpp"
#include "quire/vector_files.hpp"

namespace quire {
inline namespace v0 {

namespace {

constexpr std::array<std::pair<VectorFormat, std::string_view>, 4> kNames{{
    {VectorFormat::fvecs, "fvecs"},
    {VectorFormat::bvecs, "bvecs"},
    {VectorFormat::npy, "npy"},
    {VectorFormat::raw, "raw"},
}};

}  // namespace

std::string_view to_string(VectorFormat format) noexcept {
  for (const auto& [value, name] : kNames) {
    if (value == format) return name;
  }
  return "?";
}

std::optional<VectorFormat> vector_format_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

bool can_hold(VectorFormat format, ElementType type) noexcept {
  switch (format) {
    case VectorFormat::fvecs:
      return type == ElementType::f32;
    case VectorFormat::bvecs:
      return type == ElementType::u8;
    case VectorFormat::npy:
      return formats::npy_descr(type).has_value();
    case VectorFormat::raw:
      return element_bits(type) != 0;
  }
  return false;
}

// Each format's extension is its name.
std::optional<VectorFormat> vector_format_from_path(std::string_view path) noexcept {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  const std::size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  return vector_format_from_string(name.substr(dot + 1));
}

}  // namespace v0
}  // namespace quire
