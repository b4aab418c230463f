#include "formats/vector_files_fixture.hpp"

namespace quire::formats {
namespace {

using IvecsTest = VectorFilesTest;

TEST_F(IvecsTest, ReadsRowsOfNeighbours) {
  save("truth.ivecs", texmex_row<std::int32_t>({7, -1, 3}) + texmex_row<std::int32_t>({4, 5, 6}));
  const auto truth = read_ivecs(path("truth.ivecs")).value();
  EXPECT_EQ(truth.rows, 2U);
  EXPECT_EQ(truth.columns, 3U);
  EXPECT_EQ(truth.data, (std::vector<std::int32_t>{7, -1, 3, 4, 5, 6}));
  EXPECT_EQ(truth.row(1)[0], 4);
}

TEST_F(IvecsTest, WritesWhatItReads) {
  const std::string bytes =
      texmex_row<std::int32_t>({7, -1, 3}) + texmex_row<std::int32_t>({4, 5, 6});
  const auto truth = read_ivecs(save("truth.ivecs", bytes)).value();
  ASSERT_TRUE(write_ivecs(path("copy.ivecs"), truth.data, truth.columns));
  EXPECT_EQ(load("copy.ivecs"), bytes);
}

// A million rows: several blocks.
TEST_F(IvecsTest, ReadsFilesLargerThanABlock) {
  std::vector<std::int32_t> numbers(1'000'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
  ASSERT_TRUE(write_ivecs(path("truth.ivecs"), numbers, 1));
  EXPECT_EQ(read_ivecs(path("truth.ivecs")).value().data, numbers);
}

TEST_F(IvecsTest, RefusesRowsOfAnotherLength) {
  save("truth.ivecs", texmex_row<std::int32_t>({1, 2}) + bytes_of<std::int32_t>({1, 9, 9}));
  const Error error = read_ivecs(path("truth.ivecs")).error();
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.detail(), "row 1 at byte 12 has dimension 1, row 0 has 2");
}

TEST_F(IvecsTest, RefusesFilesThatAreCut) {
  save("truth.ivecs", texmex_row<std::int32_t>({1, 2}) + "cut");
  EXPECT_EQ(read_ivecs(path("truth.ivecs")).error().code(), ErrorCode::truncated);
}

TEST_F(IvecsTest, ReadsNoMoreThanTheLimit) {
  save("truth.ivecs", texmex_row<std::int32_t>({1, 2}));
  EXPECT_TRUE(read_ivecs(path("truth.ivecs"), {.max_bytes = 12}));
  EXPECT_EQ(read_ivecs(path("truth.ivecs"), {.max_bytes = 11}).error().code(), ErrorCode::capacity);
}

TEST_F(IvecsTest, WritesNothingButWholeRows) {
  const std::vector<std::int32_t> three{1, 2, 3};
  for (const std::uint32_t columns : {0U, 2U, 65'537U}) {
    EXPECT_EQ(write_ivecs(path("a"), three, columns).error().code(), ErrorCode::invalid_argument);
  }
  EXPECT_EQ(write_ivecs(path("a"), {}, 1).error().code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace quire::formats
