#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "formats/injection.hpp"
#include "formats/vector_files_fixture.hpp"

namespace quire::formats {
namespace {

class VectorFileReaderTest : public VectorFilesTest {
 protected:
  // A reader over the named file whose blocks have `block_bytes`.
  VectorFileReader open_small(const std::string& name, std::size_t block_bytes,
                              const VectorFileOptions& options = {}) {
    auto file = os::real_file_system().open(path(name), os::OpenMode::read);
    return Injection::open(std::move(file).value(), options, block_bytes).value();
  }
};

const std::string kTwoRows = bytes_of<float>({1, 2, 3, 4, 5, 6});

TEST_F(VectorFileReaderTest, ReadsFvecs) {
  save("a.fvecs", texmex_row<float>({1, 2, 3}) + texmex_row<float>({4, 5, 6}));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  EXPECT_EQ(reader.format(), VectorFormat::fvecs);
  EXPECT_EQ(reader.element_type(), ElementType::f32);
  EXPECT_EQ(reader.dimension(), 3U);
  EXPECT_EQ(reader.row_bytes(), 12U);
  EXPECT_EQ(reader.rows(), 2U);
  EXPECT_EQ(drain(reader), kTwoRows);
}

TEST_F(VectorFileReaderTest, ReadsBvecs) {
  save("a.bvecs", texmex_row<std::uint8_t>({7, 255}) + texmex_row<std::uint8_t>({0, 9}));
  auto reader = VectorFileReader::open(path("a.bvecs")).value();
  EXPECT_EQ(reader.format(), VectorFormat::bvecs);
  EXPECT_EQ(reader.element_type(), ElementType::u8);
  EXPECT_EQ(reader.row_bytes(), 2U);
  EXPECT_EQ(drain(reader), bytes_of<std::uint8_t>({7, 255, 0, 9}));
}

TEST_F(VectorFileReaderTest, ReadsNpy) {
  save("a.npy", npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", kTwoRows));
  auto reader = VectorFileReader::open(path("a.npy")).value();
  EXPECT_EQ(reader.format(), VectorFormat::npy);
  EXPECT_EQ(reader.dimension(), 3U);
  EXPECT_EQ(reader.rows(), 2U);
  EXPECT_EQ(drain(reader), kTwoRows);
}

TEST_F(VectorFileReaderTest, ReadsAnNpyArrayOfOneAxisAsOneVector) {
  save("a.npy", npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", kTwoRows));
  auto reader = VectorFileReader::open(path("a.npy")).value();
  EXPECT_EQ(reader.dimension(), 6U);
  EXPECT_EQ(reader.rows(), 1U);
  EXPECT_EQ(drain(reader), kTwoRows);
}

TEST_F(VectorFileReaderTest, ReadsAnNpyArrayWithoutRows) {
  save("a.npy", npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }", ""));
  auto reader = VectorFileReader::open(path("a.npy")).value();
  EXPECT_EQ(reader.rows(), 0U);
  EXPECT_TRUE(reader.next().value().empty());
}

TEST_F(VectorFileReaderTest, ReadsRawAsTold) {
  save("a.raw", kTwoRows);
  const VectorFileOptions told{.dimension = 2, .element_type = ElementType::f32};
  auto reader = VectorFileReader::open(path("a.raw"), told).value();
  EXPECT_EQ(reader.format(), VectorFormat::raw);
  EXPECT_EQ(reader.rows(), 3U);
  EXPECT_EQ(drain(reader), kTwoRows);
}

TEST_F(VectorFileReaderTest, KnowsNpyByItsFirstBytes) {
  save("vectors", npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", kTwoRows));
  EXPECT_EQ(VectorFileReader::open(path("vectors")).value().format(), VectorFormat::npy);
}

TEST_F(VectorFileReaderTest, TheFormatGivenWinsOverTheExtension) {
  save("a.npy", texmex_row<float>({1, 2, 3}));
  auto reader = VectorFileReader::open(path("a.npy"), {.format = VectorFormat::fvecs}).value();
  EXPECT_EQ(drain(reader), bytes_of<float>({1, 2, 3}));
}

// 10 rows of 2 u8 with 4 rows a block: requests of every size get what they ask for, up to a block.
TEST_F(VectorFileReaderTest, GivesAsManyRowsAsAskedUpToABlock) {
  std::string file;
  std::string dense;
  for (std::uint8_t i = 0; i < 10; ++i) {
    file += texmex_row<std::uint8_t>({i, 99});
    dense += bytes_of<std::uint8_t>({i, 99});
  }
  save("a.bvecs", file);
  for (std::size_t max_rows = 1; max_rows <= 5; ++max_rows) {
    auto reader = open_small("a.bvecs", 4 * 6 + 5);
    const std::size_t first = std::min<std::size_t>(max_rows, 4);
    EXPECT_EQ(reader.next(max_rows).value().size(), first * 2);
    EXPECT_EQ(reader.next(max_rows).value().size(), std::min(first, 10 - first) * 2);
    EXPECT_EQ(reader.position(), 2 * first);
    EXPECT_EQ(drain(reader, max_rows), dense.substr(4 * first));
    EXPECT_EQ(reader.position(), 10U);
  }
}

TEST_F(VectorFileReaderTest, ABlockSmallerThanARowHoldsOneRow) {
  save("a.fvecs", texmex_row<float>({1, 2, 3}) + texmex_row<float>({4, 5, 6}));
  auto reader = open_small("a.fvecs", 1);
  EXPECT_EQ(reader.next().value().size(), 12U);
}

TEST_F(VectorFileReaderTest, HoldsNoMoreThanABlock) {
  save("large.raw", "");
  std::filesystem::resize_file(path("large.raw"), std::uint64_t{1} << 40);
  const VectorFileOptions told{.dimension = 1024, .element_type = ElementType::u8};
  auto reader = VectorFileReader::open(path("large.raw"), told).value();
  EXPECT_EQ(reader.rows(), std::uint64_t{1} << 30);
  EXPECT_EQ(reader.next().value().size(), VectorFileReader::kBlockBytes);
}

TEST_F(VectorFileReaderTest, GoesToARow) {
  save("a.fvecs",
       texmex_row<float>({1, 2}) + texmex_row<float>({3, 4}) + texmex_row<float>({5, 6}));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  EXPECT_EQ(drain(reader).size(), 24U);
  ASSERT_TRUE(reader.seek(1));
  EXPECT_EQ(reader.position(), 1U);
  EXPECT_EQ(drain(reader), bytes_of<float>({3, 4, 5, 6}));
  ASSERT_TRUE(reader.seek(3));
  EXPECT_TRUE(reader.next().value().empty());
  EXPECT_EQ(reader.seek(4).error().code(), ErrorCode::out_of_range);
}

TEST_F(VectorFileReaderTest, NamesTheRowOfAnotherDimension) {
  save("a.fvecs", texmex_row<float>({1, 2}) + texmex_row<float>({3, 4}) + texmex_row<float>({5}) +
                      std::string(4, '\0'));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  const Error error = reader.next().error();
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.path(), path("a.fvecs"));
  EXPECT_EQ(error.range(), (ByteRange{24, 4}));
  EXPECT_EQ(error.detail(), "row 2 at byte 24 has dimension 1, row 0 has 2");
}

// Three rows a block: rows held from the first block are not lost by an error in the second.
TEST_F(VectorFileReaderTest, AnErrorMovesNothing) {
  std::string file;
  for (int i = 0; i < 5; ++i) file += texmex_row<float>({1});
  save("a.fvecs", file + bytes_of<std::int32_t>({2, 0}));
  auto reader = open_small("a.fvecs", 24);
  ASSERT_EQ(reader.next(2).value().size(), 8U);
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_EQ(reader.next(1).value().size(), 4U);
    EXPECT_EQ(reader.next(3).error().code(), ErrorCode::corrupt);
    EXPECT_EQ(reader.position(), 3U);
    ASSERT_TRUE(reader.seek(2));
  }
}

TEST_F(VectorFileReaderTest, NoticesAFileCutWhileItIsRead) {
  save("a.fvecs", texmex_row<float>({1, 2}) + texmex_row<float>({3, 4}));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  std::filesystem::resize_file(path("a.fvecs"), 15);
  EXPECT_EQ(reader.next().error().code(), ErrorCode::truncated);
}

TEST_F(VectorFileReaderTest, RefusesToReadNoRows) {
  save("a.fvecs", texmex_row<float>({1, 2}));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  EXPECT_EQ(reader.next(0).error().code(), ErrorCode::invalid_argument);
}

TEST_F(VectorFileReaderTest, AMovedFromReaderIsClosed) {
  save("a.fvecs", texmex_row<float>({1, 2}));
  auto reader = VectorFileReader::open(path("a.fvecs")).value();
  auto taken = std::move(reader);
  EXPECT_EQ(drain(taken), bytes_of<float>({1, 2}));
  // NOLINTBEGIN(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
  EXPECT_EQ(reader.next().error().code(), ErrorCode::closed);
  EXPECT_EQ(reader.seek(0).error().code(), ErrorCode::closed);
  // NOLINTEND(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
}

TEST(VectorFormatTest, IsNamedByExtension) {
  EXPECT_EQ(vector_format_from_path("/data/base.fvecs"), VectorFormat::fvecs);
  EXPECT_EQ(vector_format_from_path("base.10k.bvecs"), VectorFormat::bvecs);
  EXPECT_EQ(vector_format_from_path("./a.npy"), VectorFormat::npy);
  EXPECT_EQ(vector_format_from_path("a.raw"), VectorFormat::raw);
  EXPECT_EQ(vector_format_from_path("a.npy/vectors"), std::nullopt);
  EXPECT_EQ(vector_format_from_path(".npy"), std::nullopt);
  EXPECT_EQ(vector_format_from_path("npy"), std::nullopt);
  EXPECT_EQ(vector_format_from_path(""), std::nullopt);
}

TEST(VectorFormatTest, NamesComeBack) {
  for (const auto format :
       {VectorFormat::fvecs, VectorFormat::bvecs, VectorFormat::npy, VectorFormat::raw}) {
    EXPECT_EQ(vector_format_from_string(to_string(format)), format);
  }
  EXPECT_EQ(vector_format_from_string("ivecs"), std::nullopt);
  EXPECT_EQ(to_string(kNoFormat), "?");
}

}  // namespace
}  // namespace quire::formats
