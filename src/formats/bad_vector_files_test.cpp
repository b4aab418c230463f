// Every kind of bad file, and what is said of it.
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/vector_files_fixture.hpp"

namespace quire::formats {
namespace {

struct BadFile {
  std::string name;
  std::string bytes;
  ErrorCode code;
  std::string detail;  // a part of it
  std::optional<ByteRange> range = std::nullopt;
  VectorFileOptions options = {};
};

class BadVectorFilesTest : public VectorFilesTest {
 protected:
  // Each must fail to open, with that error.
  void expect_refused(const std::vector<BadFile>& table) {
    for (const BadFile& bad : table) {
      SCOPED_TRACE(bad.name + ": " + bad.detail);
      save(bad.name, bad.bytes);
      const auto reader = VectorFileReader::open(path(bad.name), bad.options);
      ASSERT_FALSE(reader);
      const Error& error = reader.error();
      EXPECT_EQ(to_string(error.code()), to_string(bad.code));
      EXPECT_EQ(error.path(), path(bad.name));
      EXPECT_NE(error.detail().find(bad.detail), std::string::npos) << error.message();
      EXPECT_EQ(error.has_range(), bad.range.has_value()) << error.message();
      EXPECT_EQ(error.range(), bad.range.value_or(ByteRange{})) << error.message();
    }
  }
};

std::string i32(std::int32_t number) { return bytes_of({number}); }

std::string npy(const std::string& descr, const std::string& order, const std::string& shape,
                const std::string& elements = "") {
  return npy_file(
      "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }",
      elements);
}

TEST_F(BadVectorFilesTest, Texmex) {
  using enum ErrorCode;
  const std::string row = texmex_row<float>({1, 2});
  expect_refused({
      // Nothing in it.
      {"a.fvecs", "", invalid_argument, "the file is empty"},
      // Cut within the first dimension.
      {"a.fvecs", "abc", truncated, "row 0 at byte 0 ends within its dimension", ByteRange{0, 3}},
      // A dimension, and no row.
      {"a.fvecs", i32(2), truncated, "row 0 at byte 0 has 4 of 12 bytes", ByteRange{0, 4}},
      // Cut within the third row.
      {"a.fvecs", row + row + row.substr(0, 7), truncated, "row 2 at byte 24 has 7 of 12 bytes",
       ByteRange{24, 7}},
      // Cut within the dimension of the second row.
      {"a.bvecs", texmex_row<std::uint8_t>({1, 2}) + "ab", truncated,
       "row 1 at byte 6 has 2 of 6 bytes", ByteRange{6, 2}},
      // Dimension 0.
      {"a.fvecs", i32(0), corrupt, "row 0 at byte 0 has dimension 0", ByteRange{0, 4}},
      // A negative one.
      {"a.fvecs", i32(-5) + row, corrupt, "dimension -5", ByteRange{0, 4}},
      // One more than is read.
      {"a.bvecs", i32(65'537) + std::string(65'537, 'x'), corrupt,
       "dimension 65537, not 1 to 65536", ByteRange{0, 4}},
      // The largest there is, which times four overflows 32 bits.
      {"a.fvecs", i32(0x7fffffff) + row, corrupt, "dimension 2147483647", ByteRange{0, 4}},
      // bvecs called fvecs: the size cannot be that of rows of four bytes an element.
      {"a.fvecs", texmex_row<std::uint8_t>({1, 2}), truncated, "row 0 at byte 0 has 6 of 12 bytes",
       ByteRange{0, 6}},
      // npy called fvecs.
      {"a.fvecs", npy("'<f4'", "False", "(1, 1)", "1234"), corrupt, "dimension 1297436307",
       ByteRange{0, 4}},
  });
}

TEST_F(BadVectorFilesTest, NpyLead) {
  using enum ErrorCode;
  const std::string magic = "\x93NUMPY";
  const std::string huge = std::string("\2\0", 2) + i32(-1);
  expect_refused({
      // Nothing in it.
      {"a.npy", "", invalid_argument, "the file is empty"},
      // Something else.
      {"a.npy", "PK\3\4 and more", corrupt, "does not begin as npy files do", ByteRange{0, 6}},
      // Something else, shorter than the magic.
      {"a.npy", "PK", corrupt, "does not begin as npy files do", ByteRange{0, 2}},
      // Cut within the magic.
      {"a.npy", "\x93NUM", truncated, "ends in its header", ByteRange{0, 4}},
      // Cut before the length of the header.
      {"a.npy", magic + "\1", truncated, "ends in its header", ByteRange{0, 7}},
      // The same in version 2, whose length is longer.
      {"a.npy", magic + std::string("\2\0\0\0", 4), truncated, "ends in its header",
       ByteRange{0, 10}},
      // No such version.
      {"a.npy", magic + std::string("\4\0\0\0", 4), unsupported, "npy version 4.0",
       ByteRange{6, 2}},
      // Nor this.
      {"a.npy", magic + std::string("\0\1\0\0", 4), unsupported, "npy version 0.1",
       ByteRange{6, 2}},
      // Nor this, nearer.
      {"a.npy", magic + std::string("\1\1\0\0", 4), unsupported, "npy version 1.1",
       ByteRange{6, 2}},
      // A header longer than the file.
      {"a.npy", magic + std::string("\1\0\x20\0", 4) + "{}", truncated,
       "more bytes than the file's 12", ByteRange{10, 32}},
      // A header of 4 GiB in a file of 12 bytes.
      {"a.npy", magic + huge, truncated, "more bytes than the file's 12",
       ByteRange{12, 0xffffffff}},
      // A header of 70,000 bytes that are there.
      {"a.npy", magic + std::string("\2\0", 2) + i32(70'000) + std::string(70'000, ' '),
       unsupported, "a header of 70000 bytes", ByteRange{12, 70'000}},
      // An empty header.
      {"a.npy", magic + std::string("\1\0\0\0", 4), corrupt, "not a dictionary", ByteRange{10, 0}},
      // A header that is no dictionary.
      {"a.npy", npy_file("(1, 2)", ""), corrupt, "not a dictionary", ByteRange{10, 54}},
      // A dictionary without a key.
      {"a.npy", npy_file("{'descr': '<f4', 'shape': (1, 2)}", ""), corrupt,
       "no key 'fortran_order'", ByteRange{10, 54}},
  });
}

TEST_F(BadVectorFilesTest, NpyArray) {
  using enum ErrorCode;
  const ByteRange text{10, 118};
  expect_refused({
      // Doubles.
      {"a.npy", npy("'<f8'  ", "False", "(1, 2)", std::string(16, 'x')), unsupported,
       "dtype '<f8': Quire reads '<f4', '<f2', '|i1' and '|u1'", text},
      // Big-endian.
      {"a.npy", npy("'>f4'  ", "False", "(1, 2)", "12345678"), unsupported, "dtype '>f4'", text},
      // Big-endian half floats.
      {"a.npy", npy("'>f2'  ", "False", "(1, 2)", "1234"), unsupported, "dtype '>f2'", text},
      // Whole numbers of two bytes.
      {"a.npy", npy("'<i2'  ", "False", "(1, 2)", "1234"), unsupported, "dtype '<i2'", text},
      // Truth values.
      {"a.npy", npy("'|b1'  ", "False", "(1, 2)", "12"), unsupported, "dtype '|b1'", text},
      // Python objects.
      {"a.npy", npy("'|O'   ", "False", "(1, 2)", "12"), unsupported, "dtype '|O'", text},
      // Fields.
      {"a.npy", npy("[('x', '<f4')]", "False", "(1,)", "1234"), unsupported, "the dtype has fields",
       text},
      // A terminal's commands for a dtype.
      {"a.npy", npy("'\x1b[2J'", "False", "(1, 2)"), unsupported, "dtype '?[2J'", text},
      // Columns first.
      {"a.npy", npy("'<f4'", "True", "(2, 1)", "12345678"), unsupported, "Fortran order", text},
      // A number and no array.
      {"a.npy", npy("'<f4'", "False", "()", "1234"), unsupported, "0 axes", text},
      // Three axes.
      {"a.npy", npy("'<f4'", "False", "(1, 1, 1)", "1234"), unsupported, "3 axes", text},
      // Vectors of nothing.
      {"a.npy", npy("'<f4'", "False", "(5, 0)"), unsupported, "vectors of dimension 0", text},
      // One vector of nothing.
      {"a.npy", npy("'<f4'", "False", "(0,)"), unsupported, "vectors of dimension 0", text},
      // Vectors larger than are read.
      {"a.npy", npy("'|u1'", "False", "(1, 65537)", std::string(65'537, 'x')), unsupported,
       "vectors of dimension 65537", text},
      // A row is missing.
      {"a.npy", npy("'<f4'", "False", "(3, 1)", "12345678"), truncated,
       "row 2 at byte 136 has 0 of 4 bytes; the header claims 3 rows", ByteRange{136, 0}},
      // The last row is cut.
      {"a.npy", npy("'<f4'", "False", "(2, 1)", "123456"), truncated,
       "row 1 at byte 132 has 2 of 4 bytes", ByteRange{132, 2}},
      // More rows than claimed.
      {"a.npy", npy("'<f4'", "False", "(1, 1)", "12345678"), corrupt,
       "4 bytes follow the last of 1 rows", ByteRange{132, 4}},
      // A terabyte claimed, none of it there: nothing is allocated for it.
      {"a.npy", npy("'|u1'", "False", "(16777216, 65536)"), truncated, "claims 16777216 rows",
       ByteRange{128, 0}},
      // Rows times bytes a row overflows 64 bits, to a small number.
      {"a.npy", npy("'<f4'", "False", "(4611686018427387905, 1)", "1234"), corrupt,
       "more than any file holds", ByteRange{0, 128}},
  });
}

VectorFileOptions told(std::optional<std::uint32_t> dimension,
                       std::optional<ElementType> type = {}) {
  return {.dimension = dimension, .element_type = type};
}

TEST_F(BadVectorFilesTest, Raw) {
  using enum ErrorCode;
  const auto f32 = ElementType::f32;
  expect_refused({
      // What is in it?
      {"a.raw", "12345678", invalid_argument, "give dimension and element type"},
      // Half told.
      {"a.raw", "12345678", invalid_argument, "give dimension and element type", {}, told(2)},
      // The other half.
      {"a.raw", "12345678", invalid_argument, "give dimension and element type", {}, told({}, f32)},
      // Nothing in it.
      {"a.raw", "", invalid_argument, "the file is empty", {}, told(2, f32)},
      // Cut within the second row.
      {"a.raw", "123456789", truncated, "row 1 at byte 8 has 1 of 8", ByteRange{8, 1},
       told(2, f32)},
      // Dimension 0 asked for.
      {"a.raw", "1234", invalid_argument, "dimension 0 was asked for", {}, told(0, f32)},
      // A dimension larger than is read.
      {"a.raw", "1234", invalid_argument, "dimension 65537 was asked for", {}, told(65'537, f32)},
      // A number that is no type.
      {"a.raw", "1234", invalid_argument, "no ElementType", {}, told(2, kNoElementType)},
  });
}

TEST_F(BadVectorFilesTest, FormatsThatCannotBeGuessed) {
  using enum ErrorCode;
  const VectorFileOptions no_format{.format = kNoFormat};
  expect_refused({
      // An extension of no format.
      {"a.csv", "1,2,3", invalid_argument, "fvecs, bvecs, npy or raw"},
      // No extension.
      {"vectors", "\x93NUM", invalid_argument, "fvecs, bvecs, npy or raw"},
      // No extension and nothing in it.
      {"vectors", "", invalid_argument, "the file is empty"},
      // Neighbours are no vectors.
      {"a.ivecs", texmex_row<std::int32_t>({1}), unsupported, "read_ivecs reads them"},
      // A number that is no format.
      {"a.raw", "1234", invalid_argument, "no VectorFormat", {}, no_format},
  });
}

TEST_F(BadVectorFilesTest, OptionsThatContradictTheFile) {
  using enum ErrorCode;
  const auto f32 = ElementType::f32;
  const auto u8 = ElementType::u8;
  const std::string floats = texmex_row<float>({1, 2});
  const std::string bytes = texmex_row<std::uint8_t>({1, 2});
  const std::string array = npy("'|u1'", "False", "(1, 2)", "12");
  expect_refused({
      // fvecs never holds u8.
      {"a.fvecs",
       floats,
       mismatch,
       "the file has f32 elements, u8 was asked for",
       {},
       told({}, u8)},
      // bvecs never holds f32.
      {"a.bvecs",
       bytes,
       mismatch,
       "the file has u8 elements, f32 was asked for",
       {},
       told({}, f32)},
      // Another dimension.
      {"a.fvecs", floats, mismatch, "vectors of dimension 2, 3 was asked for", {}, told(3)},
      // Another element type in the array.
      {"a.npy", array, mismatch, "u8 elements, f32 was asked for", {}, told({}, f32)},
      // Another dimension of the array.
      {"a.npy", array, mismatch, "dimension 2, 4 was asked for", {}, told(4)},
  });
}

TEST_F(BadVectorFilesTest, WhatIsNoFile) {
  std::filesystem::create_directory(path("folder.npy"));
  EXPECT_EQ(VectorFileReader::open(path("folder.npy")).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(VectorFileReader::open(path("none.npy")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(VectorFileReader::open("/dev/zero").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(read_ivecs(path("none.ivecs")).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace quire::formats
