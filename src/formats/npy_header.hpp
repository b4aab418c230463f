// The header of npy files, NumPy's array format.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/input.hpp"
#include "formats/row_layout.hpp"
#include "quire/element_type.hpp"
#include "quire/error.hpp"

namespace quire::formats {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";

// What the dictionary in a header says, as it is written.
struct NpyDictionary {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// Why a text is no dictionary that Quire can use: corrupt or unsupported, and a sentence.
struct NpyProblem {
  ErrorCode code = ErrorCode::corrupt;
  std::string sentence;
};

// Text of a file as it may stand in an error: at most 40 characters, printable on any terminal.
[[nodiscard]] std::string printable(std::string_view text);

// Reads the Python literal `{'descr': …, 'fortran_order': …, 'shape': …}`: these three keys, each
// once, in any order, with white space anywhere, a comma after the last, and nothing but white
// space behind.
[[nodiscard]] std::expected<NpyDictionary, NpyProblem> parse_npy_dictionary(std::string_view text);

struct NpyHeader {
  ElementType element_type = ElementType::f32;
  RowLayout layout;  // rows are claimed, not counted yet
};

// Reads and checks the header of `file`, of `file_size` bytes. Allocates at most 64 KiB and only
// what the file really has. Errors: invalid_argument (empty), truncated (the file ends in the
// header), corrupt (no npy file, no such dictionary), unsupported (version, size of header, dtype,
// order, axes, dimension), those of reading.
[[nodiscard]] Result<NpyHeader> read_npy_header(Input& file, std::uint64_t file_size);

// How NumPy calls the type in a header; nothing for bf16 and b1, which it does not have.
[[nodiscard]] std::optional<std::string_view> npy_descr(ElementType type) noexcept;

// The header, byte for byte, that NumPy writes for a two-dimensional array: version 1.0, padded
// with spaces. 128 bytes whatever the numbers are, so that the row count can be put in at the end.
inline constexpr std::size_t kNpyHeaderBytes = 128;
// REQUIRES: npy_descr(element_type).
[[nodiscard]] std::array<std::byte, kNpyHeaderBytes> make_npy_header(ElementType element_type,
                                                                     std::uint64_t rows,
                                                                     std::uint32_t columns);

}  // namespace quire::formats
