// What maps and memory do beside the contract.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

#include "quire/local_source.hpp"
#include "source/local_backends_fixture.hpp"

namespace quire::source {
namespace {

class MapSourceTest : public testing::Test {
 protected:
  MapSourceTest() { place_.put("the bytes of the file"); }
  // Address space that this process has given to the file.
  bool is_mapped() const {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.ends_with(place_.path())) return true;
    }
    return false;
  }
  LocalFile place_;
};

TEST_F(MapSourceTest, StaysMappedAsLongAsASliceLives) {
  Bytes slice;
  {
    const auto source = open_map_source(place_.path()).value();
    slice = source->read(4, 5).value();
  }
  EXPECT_TRUE(is_mapped());
  EXPECT_EQ(slice.text(), "bytes");
  slice = {};
  EXPECT_FALSE(is_mapped());
}

TEST_F(MapSourceTest, TakesAnOpenFileAtItsSize) {
  auto file = MappedFile::open(place_.path(), Access::read_write).value();
  const std::byte* const address = file.bytes(4, 5)->data();
  const auto source = map_source(std::move(file)).value();
  EXPECT_EQ(source->name(), place_.path());
  std::filesystem::resize_file(place_.path(), 5000);
  EXPECT_EQ(source->size(), 21);
  EXPECT_EQ(source->view(4, 5)->data(), address);
  EXPECT_EQ(code_of(source->read(21, 1)), "out_of_range");
}

TEST_F(MapSourceTest, AClosedFileIsClosed) {
  EXPECT_EQ(code_of(map_source(MappedFile())), "closed");
}

// The zeros at the end of a file are its own, until it is cut there.
TEST_F(MapSourceTest, ZerosAreNoCut) {
  place_.put(std::string(5000, '\0'));
  const auto source = open_map_source(place_.path()).value();
  std::array<std::byte, 100> out{};
  EXPECT_TRUE(source->read_into(4900, out));
  place_.cut(4950);
  EXPECT_EQ(code_of(source->read_into(4900, out)), "changed");
  EXPECT_EQ(code_of(source->read(4900, 100)), "changed") << "known by now";
  EXPECT_TRUE(source->read_into(4850, out));
}

TEST(MemorySource, ReadsWithoutACopy) {
  const Bytes bytes = Bytes::copy(std::as_bytes(std::span("some bytes")));
  const auto source = memory_source(bytes, "a name");
  EXPECT_EQ(source->name(), "a name");
  EXPECT_EQ(source->read(5, 3)->data(), bytes.data() + 5);
}

TEST(MemorySource, NoTwoAreTheSame) {
  EXPECT_NE(memory_source({})->identity(), memory_source({})->identity());
}

}  // namespace
}  // namespace quire::source
