#include "formats/npy_header.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/little_endian.hpp"
#include "base/try.hpp"
#include "quire/vector_files.hpp"

namespace quire::formats {

namespace {

// Magic, major and minor version; then the length of the dictionary's text, 2 bytes in version 1
// and 4 in the later ones; then the text; then the elements.
constexpr std::size_t kVersionEnd = 8;
constexpr std::size_t kShortestLead = kVersionEnd + 2;
constexpr std::size_t kLongestLead = kVersionEnd + 4;
constexpr std::uint64_t kMaxText = 65'535;

std::unexpected<Error> bad_header(ErrorCode code, const Input& file, ByteRange range,
                                  std::string sentence) {
  return std::unexpected(Error(code, "open")
                             .with_path(file.path())
                             .with_range(range)
                             .with_detail(std::move(sentence)));
}

// The bytes of the dictionary's text.
Result<ByteRange> find_text(Input& file, std::uint64_t file_size) {
  std::array<std::byte, kLongestLead> lead{};
  const auto available = static_cast<std::size_t>(std::min<std::uint64_t>(file_size, lead.size()));
  QUIRE_CHECK(file.read_exactly(0, std::span(lead).first(available)));
  const std::size_t compared = std::min(available, kNpyMagic.size());
  if (std::memcmp(lead.data(), kNpyMagic.data(), compared) != 0) {
    return bad_header(ErrorCode::corrupt, file, {0, compared},
                      "the file does not begin as npy files do");
  }
  if (available < kShortestLead) {
    return bad_header(ErrorCode::truncated, file, {0, available}, "the file ends in its header");
  }
  const auto major = std::to_integer<unsigned>(lead[6]);
  const auto minor = std::to_integer<unsigned>(lead[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return bad_header(ErrorCode::unsupported, file, {6, 2},
                      "npy version " + std::to_string(major) + "." + std::to_string(minor) +
                          ": Quire reads 1.0, 2.0 and 3.0");
  }
  const std::size_t text_begin = major == 1 ? kShortestLead : kLongestLead;
  if (available < text_begin) {
    return bad_header(ErrorCode::truncated, file, {0, available}, "the file ends in its header");
  }
  const std::uint64_t length = major == 1 ? base::load_le<std::uint16_t>(lead, kVersionEnd)
                                          : base::load_le<std::uint32_t>(lead, kVersionEnd);
  const ByteRange text{text_begin, length};
  if (!text.fits(file_size)) {
    return bad_header(ErrorCode::truncated, file, text,
                      "the header claims more bytes than the file's " + std::to_string(file_size));
  }
  if (length > kMaxText) {
    return bad_header(ErrorCode::unsupported, file, text,
                      "a header of " + std::to_string(length) + " bytes: Quire reads up to " +
                          std::to_string(kMaxText));
  }
  return text;
}

struct NpyType {
  ElementType type;
  std::string_view descr;
};

// As NumPy writes them. It has no types for bf16 and b1.
constexpr std::array kNpyTypes = {NpyType{ElementType::f32, "<f4"},
                                  NpyType{ElementType::f16, "<f2"}, NpyType{ElementType::i8, "|i1"},
                                  NpyType{ElementType::u8, "|u1"}};

// A single byte has no order: '<i1' and 'i1' are '|i1'.
std::optional<ElementType> type_of(std::string_view descr) {
  for (const NpyType& known : kNpyTypes) {
    if (descr == known.descr) return known.type;
    const std::string_view bare = known.descr.substr(1);
    const bool of_a_byte = known.descr.front() == '|';
    if (of_a_byte && (descr == bare || (descr.starts_with('<') && descr.substr(1) == bare))) {
      return known.type;
    }
  }
  return std::nullopt;
}

std::expected<NpyHeader, NpyProblem> interpret(const NpyDictionary& dictionary) {
  const auto unsupported = [](std::string sentence) {
    return std::unexpected(NpyProblem{ErrorCode::unsupported, std::move(sentence)});
  };
  NpyHeader header;
  const auto type = type_of(dictionary.descr);
  if (!type) {
    return unsupported("dtype '" + printable(dictionary.descr) +
                       "': Quire reads '<f4', '<f2', '|i1' and '|u1'");
  }
  header.element_type = *type;
  if (dictionary.fortran_order) {
    return unsupported("the array is in Fortran order: Quire reads C order");
  }
  const auto& shape = dictionary.shape;
  if (shape.size() != 1 && shape.size() != 2) {
    return unsupported("the array has " + std::to_string(shape.size()) +
                       " axes: Quire reads 1 (one vector) and 2 (rows of vectors)");
  }
  if (shape.back() < 1 || shape.back() > kMaxVectorFileDimension) {
    return unsupported("vectors of dimension " + std::to_string(shape.back()) +
                       ": Quire reads 1 to " + std::to_string(kMaxVectorFileDimension));
  }
  header.layout.columns = static_cast<std::uint32_t>(shape.back());
  header.layout.element_bits = element_bits(header.element_type);
  header.layout.rows_claimed = true;
  header.layout.rows = shape.size() == 1 ? 1 : shape.front();
  return header;
}

}  // namespace

Result<NpyHeader> read_npy_header(Input& file, std::uint64_t file_size) {
  QUIRE_CHECK(refuse_empty(file_size, file.path()));
  QUIRE_TRY(const ByteRange range, find_text(file, file_size));
  std::string text(static_cast<std::size_t>(range.length), '\0');
  QUIRE_CHECK(file.read_exactly(range.offset, std::as_writable_bytes(std::span(text))));

  auto dictionary = parse_npy_dictionary(text);
  if (!dictionary) {
    return bad_header(dictionary.error().code, file, range, std::move(dictionary.error().sentence));
  }
  auto header = interpret(*dictionary);
  if (!header) {
    return bad_header(header.error().code, file, range, std::move(header.error().sentence));
  }
  header->layout.first_row_offset = range.end();
  return *header;
}

std::optional<std::string_view> npy_descr(ElementType type) noexcept {
  for (const NpyType& known : kNpyTypes) {
    if (known.type == type) return known.descr;
  }
  return std::nullopt;
}

std::array<std::byte, kNpyHeaderBytes> make_npy_header(ElementType element_type, std::uint64_t rows,
                                                       std::uint32_t columns) {
  const std::string text = std::string("{'descr': '") +
                           std::string(npy_descr(element_type).value_or("?")) +
                           "', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                           std::to_string(columns) + "), }";
  // At most 10 + 51 + 20 + 2 + 10 + 4 = 97 bytes before the padding.
  std::array<std::byte, kNpyHeaderBytes> header;
  header.fill(std::byte{' '});
  std::memcpy(header.data(), kNpyMagic.data(), kNpyMagic.size());
  header[6] = std::byte{1};
  header[7] = std::byte{0};
  base::store_le(std::span<std::byte>(header), kVersionEnd,
                 static_cast<std::uint16_t>(kNpyHeaderBytes - kShortestLead));
  std::memcpy(header.data() + kShortestLead, text.data(), text.size());
  header.back() = std::byte{'\n'};
  return header;
}

}  // namespace quire::formats
