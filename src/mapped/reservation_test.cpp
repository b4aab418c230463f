// The mapping below a mapped file: reserved once, over more addresses than the file has bytes.
#include <cstring>
#include <limits>

#include "mapped/mapped_file_fixture.hpp"
#include "os/file_system.hpp"
#include "os/mapping.hpp"

namespace quire::mapped {
namespace {

using os::MapAccess;

class ReservationTest : public MappedFileTest {
 protected:
  std::unique_ptr<os::File> file(std::string_view content) {
    put(path(), content);
    return os::real_file_system().open(path(), os::OpenMode::read_write).value();
  }
  static std::string at(const os::Mapping& mapping, std::uint64_t offset, std::size_t length) {
    return text({mapping.data() + offset, length});
  }
};

TEST_F(ReservationTest, BytesThatTheFileGainsAppear) {
  const auto opened = file("12345");
  const os::Mapping mapping = opened->map(MapAccess::read_write, 10 * kMiB).value();
  ASSERT_TRUE(opened->truncate(9 * kMiB));
  std::memcpy(mapping.data() + 9 * kMiB - 3, "end", 3);
  EXPECT_EQ(contents(path()).substr(9 * kMiB - 3), "end");
}

TEST_F(ReservationTest, APrivateCopyStaysPrivate) {
  const auto opened = file("12345");
  const os::Mapping copy = opened->map(MapAccess::private_copy, 4 * kMiB).value();
  EXPECT_EQ(at(copy, 0, 6), std::string("12345\0", 6));
  std::memcpy(copy.data(), "ABC", 3);
  EXPECT_EQ(contents(path()), "12345");
  EXPECT_EQ(at(copy, 0, 5), "ABC45");
}

TEST_F(ReservationTest, PastItsFileAPrivateCopyIsWritableZeros) {
  const auto opened = file("12345");
  const os::Mapping copy = opened->map(MapAccess::private_copy, 4 * kMiB).value();
  EXPECT_EQ(copy.data()[kPage], std::byte{0});
  EXPECT_EQ(copy.data()[4 * kMiB - 1], std::byte{0});
  copy.data()[4 * kMiB - 1] = std::byte{1};
  EXPECT_EQ(std::filesystem::file_size(path()), 5U);
}

TEST_F(ReservationTest, EmptyFilesMapInEveryWay) {
  const auto opened = file("");
  EXPECT_EQ(opened->map(MapAccess::read, 0).value().size(), 2 * kMiB);
  EXPECT_EQ(opened->map(MapAccess::read_write, 1).value().size(), 2 * kMiB);
  const os::Mapping copy = opened->map(MapAccess::private_copy, 0).value();
  copy.data()[0] = std::byte{1};
}

TEST_F(ReservationTest, TooMuchIsHalvedAndNotRefused) {
  const auto opened = file("12345");
  const auto mapping = opened->map(MapAccess::read, std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(mapping) << mapping.error().message();
  EXPECT_GE(mapping->size(), 1024 * kMiB);
  EXPECT_EQ(at(*mapping, 0, 5), "12345");
}

TEST_F(ReservationTest, AnonymousMemoryIsAlignedZeros) {
  const os::Mapping memory = os::Mapping::anonymous(3 * kMiB).value();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % (2 * kMiB), 0U);
  EXPECT_EQ(memory.size(), 4 * kMiB);
  EXPECT_EQ(memory.data()[3 * kMiB - 1], std::byte{0});
  memory.data()[3 * kMiB - 1] = std::byte{1};
  EXPECT_EQ(code_of(os::Mapping::anonymous(std::numeric_limits<std::uint64_t>::max())), "capacity");
  EXPECT_EQ(code_of(os::Mapping::anonymous(std::uint64_t{1} << 60)), "capacity");
}

TEST_F(ReservationTest, EveryMappingIsGivenBack) {
  const auto opened = file("12345");
  const Held before = held();
  {
    os::Mapping first = opened->map(MapAccess::read, 4 * kMiB).value();
    os::Mapping second = opened->map(MapAccess::private_copy, 4 * kMiB).value();
    first = std::move(second);
    const os::Mapping third = std::move(first);
    EXPECT_EQ(first.data(), nullptr);  // NOLINT: moved from
    EXPECT_EQ(at(third, 0, 5), "12345");
  }
  EXPECT_EQ(code_of(opened->map(MapAccess::read, 4)), "invalid_argument");
  EXPECT_EQ(held(), before);
}

TEST_F(ReservationTest, AMappingThatCannotBeMadeIsGivenBack) {
  file("12345");
  const auto reader = os::real_file_system().open(path(), os::OpenMode::read).value();
  const Held before = held();
  EXPECT_EQ(code_of(reader->map(MapAccess::read_write, 4 * kMiB)), "permission");
  EXPECT_EQ(held(), before);
}

TEST(DefaultReserve, IsAGibibyteOrSixteenTimesTheSize) {
  EXPECT_EQ(os::default_reserve(0), 1024 * kMiB);
  EXPECT_EQ(os::default_reserve(64 * kMiB), 1024 * kMiB);
  EXPECT_EQ(os::default_reserve(64 * kMiB + 1), 1026 * kMiB);
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(os::default_reserve(kMax), kMax) << "no overflow";
}

}  // namespace
}  // namespace quire::mapped
