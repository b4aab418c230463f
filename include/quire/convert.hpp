// convert: vectors from one element type to another.
//
//     std::vector<float> embedding = …;                                  // 768 of them
//     std::vector<std::byte> bits(quire::row_bytes(quire::ElementType::b1, 768));
//     auto done = quire::convert(embedding, 768, quire::ElementType::b1, bits);
//
// A store converts what it is given if it was opened so: OpenStoreOptions::convert.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/vector_ref.hpp"

namespace quire {
inline namespace v0 {

// Writes `rows`, dense vectors of `dimension` elements, to `out` as elements of type `to`, dense again.
// `rows` and `out` do not overlap. Thread-safe.
//
// | to          | an element becomes                                                                   |
// |-------------|--------------------------------------------------------------------------------------|
// | f32         | itself: every other type fits                                                        |
// | f16, bf16   | the nearest value, of two as near the even one; infinity where it is too large       |
// | u8, i8      | the nearest whole number, of two as near the even one, kept in 0…255 or -128…127     |
// | b1          | 1 where it is more than 0, else 0; so a NaN becomes 0                                |
//
// Of a b1 an element is 0 or 1. A NaN stays one among f32, f16 and bf16.
//
// Errors: invalid_argument (a NaN for u8 or i8: names its row and element, and `out` is unspecified; bits
// behind the last element of a b1 row), mismatch (no whole number of rows, a dimension of 0, or `out` has
// not exactly their size).
[[nodiscard]] QUIRE_EXPORT Result<void> convert(VectorRef rows, std::uint32_t dimension,
                                                ElementType to, std::span<std::byte> out);

}  // namespace v0
}  // namespace quire
