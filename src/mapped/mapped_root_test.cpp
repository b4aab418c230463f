// A full disk, for real: a tmpfs of 1 MiB. Needs root, to mount it.
#include <sys/mount.h>

#include <cstring>

#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

class FullDiskTest : public MappedFileTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "these tests mount a tmpfs and must run as root; "
                                  "leave them out with: ctest -LE root";
    ASSERT_EQ(::mount("quire-test", directory().c_str(), "tmpfs", 0, "size=1m"), 0)
        << "cannot mount a tmpfs: " << std::strerror(errno);
  }
  void TearDown() override { ::umount2(directory().c_str(), MNT_DETACH); }

  // Leaves no free page.
  void fill_the_disk() {
    std::ofstream filler(path("filler"), std::ios::binary);
    const std::vector<char> page(kPage, 'x');
    while (filler.write(page.data(), kPage).flush()) {
    }
  }
};

TEST_F(FullDiskTest, CreatingTooMuchLeavesNothingBehind) {
  EXPECT_EQ(code_of(MappedFile::create(path(), 2 * kMiB)), "no_space");
  EXPECT_TRUE(names().empty());
}

TEST_F(FullDiskTest, ReplacingByTooMuchLeavesTheOldFile) {
  put(path(), "precious");
  EXPECT_EQ(code_of(MappedFile::create_or_replace(path(), 2 * kMiB)), "no_space");
  EXPECT_EQ(contents(path()), "precious");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(FullDiskTest, GrowingTooMuchChangesNothing) {
  MappedFile file = create(100);
  EXPECT_EQ(code_of(file.grow(2 * kMiB)), "no_space");
  EXPECT_EQ(file.size(), 100U);
  EXPECT_EQ(std::filesystem::file_size(path()), 100U);
  EXPECT_TRUE(file.grow(kMiB / 2));
}

TEST_F(FullDiskTest, AllocatedBytesTakeStoresOnAFullDisk) {
  MappedFile file = create(kMiB / 2);
  EXPECT_TRUE(file.allocation_guaranteed());
  fill_the_disk();
  EXPECT_TRUE(file.fill(0, kMiB / 2, std::byte{1}));
  EXPECT_TRUE(file.flush());
}

TEST_F(FullDiskTest, AHoleThatMeetsAFullDiskIsAnError) {
  MappedFile file = create(kMiB / 2, {.sparse = true});
  EXPECT_FALSE(file.allocation_guaranteed());
  fill_the_disk();
  std::array<std::byte, 10> buffer{};
  const auto failed = file.write(kPage, buffer);
  EXPECT_EQ(code_of(failed), "no_space");
  EXPECT_EQ(code_of(file.fill(0, kMiB / 2, std::byte{1})), "no_space");
  EXPECT_EQ(
      code_of(file.mutable_guarded({0, 1}, [](auto bytes) noexcept { bytes[0] = std::byte{1}; })),
      "no_space");
  std::filesystem::remove(path("filler"));
  EXPECT_TRUE(file.write(kPage, buffer)) << "and goes on when there is space";
}

TEST_F(FullDiskTest, AnOpenedSparseFileIsNotGuaranteed) {
  put(path(), "");
  cut(path(), kMiB / 2);
  EXPECT_FALSE(open(path()).allocation_guaranteed());
}

}  // namespace
}  // namespace quire::mapped
