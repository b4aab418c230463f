#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/vector_files_fixture.hpp"

namespace quire::formats {
namespace {

namespace fs = std::filesystem;

const std::string kTwoRows = bytes_of<float>({1, 2, 3, 4, 5, 6});
const std::string kTwoRowsOfFvecs = texmex_row<float>({1, 2, 3}) + texmex_row<float>({4, 5, 6});

class VectorFileWriterTest : public VectorFilesTest {
 protected:
  VectorFileWriter create(const std::string& name, VectorFormat format = VectorFormat::fvecs) {
    return VectorFileWriter::create(path(name), format, 3, ElementType::f32).value();
  }
  // The named file, read and written again in the same format.
  std::string copied(const std::string& name, const VectorFileOptions& options = {}) {
    auto reader = VectorFileReader::open(path(name), options).value();
    auto writer = VectorFileWriter::create(path("copy"), reader.format(), reader.dimension(),
                                           reader.element_type());
    while (reader.position() < reader.rows()) {
      EXPECT_TRUE(writer->append(reader.next(2).value()));
    }
    EXPECT_TRUE(writer->finish());
    return load("copy");
  }
};

TEST_F(VectorFileWriterTest, WritesFvecs) {
  auto writer = create("a.fvecs");
  EXPECT_EQ(writer.row_bytes(), 12U);
  ASSERT_TRUE(writer.append(as_bytes(kTwoRows)));
  EXPECT_EQ(writer.rows(), 2U);
  ASSERT_TRUE(writer.finish());
  EXPECT_EQ(load("a.fvecs"), kTwoRowsOfFvecs);
}

TEST_F(VectorFileWriterTest, WritesNpyAsNumPyDoes) {
  auto writer = VectorFileWriter::create(path("a.npy"), VectorFormat::npy, 128, ElementType::f32);
  const std::string rows(std::size_t{10'000} * 128 * 4, '\5');
  ASSERT_TRUE(writer->append(as_bytes(rows)));
  ASSERT_TRUE(writer->finish());
  const std::string file = load("a.npy");
  EXPECT_EQ(file.substr(0, 128),
            std::string("\x93NUMPY\x01\0v\0", 10) +
                "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 128), }" +
                std::string(52, ' ') + "\n");
  EXPECT_TRUE(file.substr(128) == rows);
}

TEST_F(VectorFileWriterTest, AFormatHoldsTheTypesThatItSaysAndNoOthers) {
  const std::map<VectorFormat, std::vector<ElementType>> held = {
      {VectorFormat::fvecs, {ElementType::f32}},
      {VectorFormat::bvecs, {ElementType::u8}},
      {VectorFormat::npy, {ElementType::f32, ElementType::u8, ElementType::f16, ElementType::i8}},
      {VectorFormat::raw, {kElementTypes.begin(), kElementTypes.end()}}};
  for (const auto& [format, types] : held) {
    for (const ElementType type : kElementTypes) {
      SCOPED_TRACE(std::string(to_string(format)) + " " + std::string(to_string(type)));
      const bool can = std::ranges::find(types, type) != types.end();
      EXPECT_EQ(can_hold(format, type), can);
      auto writer = VectorFileWriter::create(path("file"), format, 11, type);
      if (!can) {
        EXPECT_EQ(writer.error().code(), ErrorCode::invalid_argument);
        continue;
      }
      const std::string rows(3 * row_bytes(type, 11), '\3');
      ASSERT_TRUE(writer->append(as_bytes(rows)));
      ASSERT_TRUE(writer->finish());
      VectorFileOptions options{.format = format};
      if (format == VectorFormat::raw) {
        options.dimension = 11;
        options.element_type = type;
      }
      auto reader = VectorFileReader::open(path("file"), options);
      ASSERT_TRUE(reader);
      EXPECT_EQ(reader->element_type(), type);
      EXPECT_EQ(reader->dimension(), 11U);
      EXPECT_EQ(reader->rows(), 3U);
      EXPECT_TRUE(std::ranges::equal(*reader->next(), as_bytes(rows)));
    }
  }
}

TEST_F(VectorFileWriterTest, AFileReadAndWrittenIsTheSame) {
  std::string floats;
  std::string fvecs;
  std::string bvecs;
  for (std::uint8_t i = 0; i < 5; ++i) {
    floats += bytes_of<float>({static_cast<float>(i), -0.5F});
    fvecs += texmex_row<float>({static_cast<float>(i), -0.5F});
    bvecs += texmex_row<std::uint8_t>({i, 2, 3});
  }
  const auto npy = npy_file(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2), }" + std::string(54, ' '), floats);
  save("a.fvecs", fvecs);
  save("a.bvecs", bvecs);
  save("a.npy", npy);
  save("a.raw", floats);
  EXPECT_EQ(copied("a.fvecs"), fvecs);
  EXPECT_EQ(copied("a.bvecs"), bvecs);
  EXPECT_EQ(copied("a.npy"), npy);
  EXPECT_EQ(copied("a.raw", {.dimension = 2, .element_type = ElementType::f32}), floats);
}

TEST_F(VectorFileWriterTest, NothingAppearsBeforeFinish) {
  save("a.fvecs", "old");
  auto writer = create("a.fvecs");
  ASSERT_TRUE(writer.append(as_bytes(kTwoRows)));
  EXPECT_EQ(load("a.fvecs"), "old");
  ASSERT_TRUE(writer.finish());
  EXPECT_EQ(load("a.fvecs"), kTwoRowsOfFvecs);
  EXPECT_EQ(names(), std::vector<std::string>{"a.fvecs"});
}

TEST_F(VectorFileWriterTest, AWriterDroppedLeavesNothing) {
  save("a.fvecs", "old");
  {
    auto writer = create("a.fvecs");
    ASSERT_TRUE(writer.append(as_bytes(kTwoRows)));
    EXPECT_EQ(names(), (std::vector<std::string>{"a.fvecs", "a.fvecs.quire-partial"}));
  }
  EXPECT_EQ(names(), std::vector<std::string>{"a.fvecs"});
  EXPECT_EQ(load("a.fvecs"), "old");
}

TEST_F(VectorFileWriterTest, TwoWritersOfOneNameDoNotMix) {
  auto first = create("a.fvecs");
  auto second = create("a.fvecs");
  ASSERT_TRUE(first.append(as_bytes(kTwoRows)));
  ASSERT_TRUE(second.append(as_bytes(kTwoRows).first(12)));
  ASSERT_TRUE(second.finish());
  ASSERT_TRUE(first.finish());
  EXPECT_EQ(load("a.fvecs"), kTwoRowsOfFvecs);
  EXPECT_EQ(names(), std::vector<std::string>{"a.fvecs"});
}

TEST_F(VectorFileWriterTest, FollowsALinkAndKeepsPermissions) {
  save("real", "old");
  fs::permissions(path("real"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real", path("link"));
  auto writer = create("link");
  ASSERT_TRUE(writer.append(as_bytes(kTwoRows)));
  ASSERT_TRUE(writer.finish());
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(load("real"), kTwoRowsOfFvecs);
  EXPECT_EQ(fs::status(path("real")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(VectorFileWriterTest, TakesWholeRowsOnly) {
  auto writer = create("a.fvecs");
  const Error error = writer.append(as_bytes(kTwoRows).first(23)).error();
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error.detail(), "23 bytes are no whole number of rows of 12 bytes");
  EXPECT_EQ(writer.rows(), 0U);
  EXPECT_TRUE(writer.append({}));
}

TEST_F(VectorFileWriterTest, RefusesAFileWithoutRowsExceptNpy) {
  auto fvecs = create("a.fvecs");
  EXPECT_EQ(fvecs.finish().error().code(), ErrorCode::invalid_argument);
  ASSERT_TRUE(fvecs.append(as_bytes(kTwoRows)));
  EXPECT_TRUE(fvecs.finish());
  auto npy = create("a.npy", VectorFormat::npy);
  ASSERT_TRUE(npy.finish());
  EXPECT_EQ(VectorFileReader::open(path("a.npy")).value().rows(), 0U);
}

TEST_F(VectorFileWriterTest, IsClosedAfterFinishAndAfterAMove) {
  auto writer = create("a.fvecs");
  auto taken = std::move(writer);
  ASSERT_TRUE(taken.append(as_bytes(kTwoRows)));
  ASSERT_TRUE(taken.finish());
  for (VectorFileWriter* closed : {&writer, &taken}) {  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(closed->append(as_bytes(kTwoRows)).error().code(), ErrorCode::closed);
    EXPECT_EQ(closed->finish().error().code(), ErrorCode::closed);
  }
}

TEST_F(VectorFileWriterTest, WantsTheNameOfAFile) {
  for (const std::string& name : {std::string(), path("new/")}) {
    auto writer = VectorFileWriter::create(name, VectorFormat::npy, 3, ElementType::f32);
    EXPECT_EQ(writer.error().code(), ErrorCode::invalid_argument);
    EXPECT_EQ(writer.error().detail(), "this names no file");
  }
}

struct Refused {  // NOLINT(clang-analyzer-optin.performance.Padding)
  std::string name;
  VectorFormat format;
  std::uint32_t dimension;
  ElementType element_type;
  ErrorCode code;
};

TEST_F(VectorFileWriterTest, RefusesWhatCannotBeWritten) {
  fs::create_directory(path("folder"));
  fs::create_symlink("/dev/null", path("null"));
  const auto f32 = ElementType::f32;
  const Refused table[] = {
      // No dimension.
      {"a.npy", VectorFormat::npy, 0, f32, ErrorCode::invalid_argument},
      // A dimension that no reader takes.
      {"a.npy", VectorFormat::npy, 65'537, f32, ErrorCode::invalid_argument},
      // fvecs has no room for a type.
      {"a.fvecs", VectorFormat::fvecs, 3, ElementType::u8, ErrorCode::invalid_argument},
      // Nor has bvecs.
      {"a.bvecs", VectorFormat::bvecs, 3, f32, ErrorCode::invalid_argument},
      // A number that is no type.
      {"a.raw", VectorFormat::raw, 3, kNoElementType, ErrorCode::invalid_argument},
      // A number that is no format.
      {"a.raw", kNoFormat, 3, f32, ErrorCode::invalid_argument},
      // A directory has that name.
      {"folder", VectorFormat::npy, 3, f32, ErrorCode::invalid_argument},
      // A special file, which a rename would replace.
      {"null", VectorFormat::npy, 3, f32, ErrorCode::invalid_argument},
      // No such directory.
      {"none/a.npy", VectorFormat::npy, 3, f32, ErrorCode::not_found},
  };
  for (const Refused& row : table) {
    SCOPED_TRACE(row.name);
    auto writer =
        VectorFileWriter::create(path(row.name), row.format, row.dimension, row.element_type);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code(), row.code);
    EXPECT_EQ(names(), (std::vector<std::string>{"folder", "null"}));
  }
}

}  // namespace
}  // namespace quire::formats
