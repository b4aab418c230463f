#include "formats/npy_header.hpp"

#include <gtest/gtest.h>

#include "formats/vector_files_fixture.hpp"

namespace quire::formats {
namespace {

TEST(NpyDictionaryTest, ReadsWhatNumPyWrites) {
  const auto read =
      parse_npy_dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (10, 128), }    \n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->descr, "<f4");
  EXPECT_FALSE(read->fortran_order);
  EXPECT_EQ(read->shape, (std::vector<std::uint64_t>{10, 128}));
}

TEST(NpyDictionaryTest, ReadsEveryOtherSpelling) {
  const std::vector<std::uint64_t> two{3, 2};
  // Any order, no white space, double quotes, no comma at the end.
  EXPECT_EQ(parse_npy_dictionary(R"({"shape":(3,2),"descr":"|u1","fortran_order":True})")->shape,
            two);
  // White space everywhere.
  EXPECT_EQ(parse_npy_dictionary(
                " {\n'shape' : ( 3 ,\t2 , ) , 'descr' : '|u1' , 'fortran_order' : True , } ")
                ->shape,
            two);
  // Numbers as Python 2 wrote them.
  EXPECT_EQ(
      parse_npy_dictionary("{'shape': (3L, 2L), 'descr': '|u1', 'fortran_order': True}")->shape,
      two);
  // No axes.
  EXPECT_TRUE(
      parse_npy_dictionary("{'shape': (), 'descr': '|u1', 'fortran_order': True}")->shape.empty());
  // The largest number.
  EXPECT_EQ(parse_npy_dictionary(
                "{'shape': (18446744073709551615,), 'descr': '|u1', 'fortran_order': True}")
                ->shape[0],
            ~std::uint64_t{0});
}

TEST(NpyDictionaryTest, RefusesWhatIsNone) {
  const char* table[] = {
      // Nothing at all.
      "",
      // Not a dictionary.
      "['descr']",
      // It does not end.
      "{'descr': '<f4'",
      // It ends within a string.
      "{'descr': '<f4",
      // It ends behind a key.
      "{'descr'",
      // Something follows it.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x",
      // No descr.
      "{'fortran_order': False, 'shape': (1, 2)}",
      // No order.
      "{'descr': '<f4', 'shape': (1, 2)}",
      // No shape.
      "{'descr': '<f4', 'fortran_order': False}",
      // A key twice.
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
      // A key of no meaning.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'more': 1}",
      // No comma between the keys.
      "{'descr': '<f4' 'fortran_order': False, 'shape': (1, 2)}",
      // A number where a truth value belongs.
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2)}",
      // A number in parentheses is no tuple.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
      // A list is none either.
      "{'descr': '<f4', 'fortran_order': False, 'shape': [1, 2]}",
      // A negative axis.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}",
      // No comma between the axes.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
      // Commas without axes.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
      // An axis one larger than 64 bits hold.
      "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 2)}",
      // An escaped character, which NumPy never writes here.
      R"({'descr': '\x3cf4', 'fortran_order': False, 'shape': (1, 2)})",
  };
  for (const char* text : table) {
    const auto read = parse_npy_dictionary(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::corrupt) << text;
    EXPECT_FALSE(read.error().sentence.empty());
  }
}

TEST(NpyDictionaryTest, KnowsFieldsForWhatTheyAre) {
  const auto read = parse_npy_dictionary(
      "{'descr': [('a', '<f4'), ('b', '|u1')], 'fortran_order': False, 'shape': (1,)}");
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
}

TEST(NpyDictionaryTest, KeepsErrorsPrintable) {
  EXPECT_EQ(printable("a\x1b[31m\xff"), "a?[31m?");
  EXPECT_EQ(printable(std::string(100, 'x')), std::string(40, 'x') + "...");
}

TEST(NpyHeaderTest, IsAsNumPyWritesItForEverySize) {
  const auto header = make_npy_header(ElementType::u8, ~std::uint64_t{0}, 65'536);
  const std::string text =
      "{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551615, 65536), }";
  EXPECT_EQ(as_text(header), std::string("\x93NUMPY\x01\0v\0", 10) + text +
                                 std::string(128 - 11 - text.size(), ' ') + "\n");
}

}  // namespace
}  // namespace quire::formats
