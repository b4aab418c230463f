#include "quire/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "vector/distance.hpp"
#include "vector/stray_bits.hpp"

namespace quire {
inline namespace v0 {

namespace {

// All go by floats, which hold every element exactly, a piece of a row at a time. A multiple of 8, so that
// pieces of bits begin with a byte.
constexpr std::size_t kPiece = 1024;
using Piece = std::array<float, kPiece>;

std::unexpected<Error> refuse(ErrorCode code, std::string sentence) {
  return std::unexpected(Error(code, "convert").with_detail(std::move(sentence)));
}

template <class T>
void widen(const std::byte* in, std::size_t count, float* out) noexcept {
  const auto* elements = reinterpret_cast<const T*>(in);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(elements[i]);
}

void decode(ElementType from, const std::byte* in, std::size_t count, float* out) noexcept {
  switch (from) {
    case ElementType::f32:
    case ElementType::f16:
    case ElementType::bf16:
      vector::fastest_kernels().decode(from, in, count, out);
      return;
    case ElementType::u8:
      widen<std::uint8_t>(in, count, out);
      return;
    case ElementType::i8:
      widen<std::int8_t>(in, count, out);
      return;
    case ElementType::b1:
      for (std::size_t i = 0; i < count; ++i) {
        out[i] = (in[i / 8] >> static_cast<int>(i % 8) & std::byte{1}) != std::byte{0} ? 1 : 0;
      }
      return;
  }
}

void encode_bf16(const float* in, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const BFloat16 element(in[i]);
    std::memcpy(out + i * sizeof element, &element, sizeof element);
  }
}

// REQUIRES: no NaN.
template <class T>
void encode_whole(const float* in, std::size_t count, std::byte* out) noexcept {
  constexpr float kLeast = std::numeric_limits<T>::min();
  constexpr float kMost = std::numeric_limits<T>::max();
  // To the nearest, and even: what is added is so large that a float has no bits left for the rest.
  constexpr float kNoFraction = 0x1.8p23F;
  for (std::size_t i = 0; i < count; ++i) {
    const float within = std::min(std::max(in[i], kLeast), kMost);
    const float rounded = (within + kNoFraction) - kNoFraction;
    out[i] = static_cast<std::byte>(static_cast<int>(rounded));
  }
}

void encode_bits(const float* in, std::size_t count, std::byte* out) noexcept {
  for (std::size_t begin = 0; begin < count; begin += 8) {
    const std::size_t bits = std::min<std::size_t>(count - begin, 8);
    unsigned byte = 0;
    for (std::size_t i = 0; i < bits; ++i) byte |= (in[begin + i] > 0 ? 1U : 0U) << i;
    out[begin / 8] = static_cast<std::byte>(byte);
  }
}

void encode(ElementType to, const float* in, std::size_t count, std::byte* out) noexcept {
  switch (to) {
    case ElementType::f32:
      std::memcpy(out, in, count * sizeof(float));
      return;
    case ElementType::f16:
      vector::fastest_kernels().encode_f16(in, count, out);
      return;
    case ElementType::bf16:
      encode_bf16(in, count, out);
      return;
    case ElementType::u8:
      encode_whole<std::uint8_t>(in, count, out);
      return;
    case ElementType::i8:
      encode_whole<std::int8_t>(in, count, out);
      return;
    case ElementType::b1:
      encode_bits(in, count, out);
      return;
  }
}

bool is_whole(ElementType type) noexcept {
  return type == ElementType::u8 || type == ElementType::i8;
}

// The index of the first NaN, or `count`.
std::size_t find_nan(const float* in, std::size_t count) noexcept {
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) any |= in[i] != in[i];
  if (!any) return count;
  return static_cast<std::size_t>(
      std::find_if(in, in + count, [](float element) { return std::isnan(element); }) - in);
}

// `count` elements that are a row, or many rows where the types have no bits between them.
Result<void> convert_run(ElementType from, const std::byte* in, std::size_t count, ElementType to,
                         std::byte* out, std::uint32_t dimension, std::size_t row) {
  Piece piece;
  for (std::size_t begin = 0; begin < count; begin += kPiece) {
    const std::size_t some = std::min(kPiece, count - begin);
    decode(from, in + begin * element_bits(from) / 8, some, piece.data());
    if (is_whole(to) && vector::is_decoded(from)) {
      const std::size_t nan = find_nan(piece.data(), some);
      if (nan != some) {
        const std::size_t at = begin + nan;
        return refuse(ErrorCode::invalid_argument,
                      std::string("element ") + std::to_string(at % dimension) + " of row " +
                          std::to_string(row + at / dimension) + " is a NaN, which no " +
                          std::string(to_string(to)) + " is");
      }
    }
    encode(to, piece.data(), some, out + begin * element_bits(to) / 8);
  }
  return {};
}

}  // namespace

Result<void> convert(VectorRef rows, std::uint32_t dimension, ElementType to,
                     std::span<std::byte> out) {
  const ElementType from = rows.element_type();
  const std::span<const std::byte> in = rows.bytes();
  const std::size_t stride = row_bytes(from, dimension);
  const std::size_t out_stride = row_bytes(to, dimension);
  if (stride == 0 || out_stride == 0 || in.size() % stride != 0) {
    return refuse(ErrorCode::mismatch, std::to_string(in.size()) +
                                           " bytes are no whole number of rows of " +
                                           std::to_string(dimension) + " elements");
  }
  const std::size_t count = in.size() / stride;
  // By division: count * out_stride could overflow.
  if (out.size() % out_stride != 0 || out.size() / out_stride != count) {
    return refuse(ErrorCode::mismatch, std::to_string(count) + " rows of " +
                                           std::to_string(out_stride) + " bytes do not make " +
                                           std::to_string(out.size()));
  }
  if (vector::has_stray_bits(from, dimension, in)) {
    return refuse(ErrorCode::invalid_argument, "a row has bits behind its last element");
  }
  if (in.empty()) return {};
  if (from == to) {
    std::memcpy(out.data(), in.data(), in.size());
    return {};
  }
  const bool has_gaps = dimension % 8 != 0 && (from == ElementType::b1 || to == ElementType::b1);
  if (!has_gaps) {
    return convert_run(from, in.data(), count * dimension, to, out.data(), dimension, 0);
  }
  for (std::size_t row = 0; row < count; ++row) {
    QUIRE_CHECK(convert_run(from, in.data() + row * stride, dimension, to,
                            out.data() + row * out_stride, dimension, row));
  }
  return {};
}

}  // namespace v0
}  // namespace quire
