// Opening cold on the real file system: what is read comes past the page cache, and leaves nothing in it.
#include "os/cold_file_system.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace quire::os {
namespace {

constexpr std::size_t kSize = std::size_t{1} << 20;

class OpenCold : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = std::filesystem::temp_directory_path() / "quire-XXXXXX";
    ASSERT_NE(::mkdtemp(home_.data()), nullptr);
    file_ = real_file_system().open(home_ + "/a", OpenMode::create_new).value();
    const std::vector<std::byte> bytes(kSize, std::byte{7});
    ASSERT_TRUE(file_->write_all(0, bytes));
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  // Pages of the file that are in the page cache.
  std::size_t cached_pages() const {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const map = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, file_->descriptor(), 0);
    EXPECT_NE(map, MAP_FAILED);
    std::vector<unsigned char> resident(kSize / page);
    EXPECT_EQ(::mincore(map, kSize, resident.data()), 0);
    EXPECT_EQ(::munmap(map, kSize), 0);
    std::size_t count = 0;
    for (const unsigned char flags : resident) count += flags & 1U;
    return count;
  }

  // Whether clean pages go when asked, and a read by the system's own direct way brings none: not in memory (tmpfs), and
  // not where direct reads go through the cache. Tells nothing of how this library opens files.
  bool can_be_cold() const {
    const int direct = ::open((home_ + "/a").c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (direct < 0) return false;
    EXPECT_EQ(::fdatasync(direct), 0);
    EXPECT_EQ(::posix_fadvise(direct, 0, 0, POSIX_FADV_DONTNEED), 0);
    void* const room = std::aligned_alloc(4096, 4096);
    const bool has_read = ::pread(direct, room, 4096, 0) == 4096;
    std::free(room);
    ::close(direct);
    return has_read && cached_pages() == 0;
  }

  std::string home_;
  std::unique_ptr<File> file_;
};

TEST_F(OpenCold, WhatWasCachedGoes) {
  ASSERT_GT(cached_pages(), 0U);
  if (!can_be_cold()) GTEST_SKIP() << "the page cache is the file here";
  std::vector<std::byte> bytes(kSize);
  ASSERT_TRUE(file_->read_exactly(0, bytes));
  ASSERT_GT(cached_pages(), 0U);
  ASSERT_TRUE(open_cold(real_file_system(), home_ + "/a").has_value());
  EXPECT_EQ(cached_pages(), 0U);
}

TEST_F(OpenCold, ReadingBringsNothingIntoTheCache) {
  if (!can_be_cold()) GTEST_SKIP() << "the page cache is the file here";
  const auto cold = open_cold(real_file_system(), home_ + "/a");
  ASSERT_TRUE(cold.has_value()) << cold.error().message();
  std::vector<std::byte> bytes(kSize);
  ASSERT_TRUE((*cold)->read_exactly(0, bytes));
  EXPECT_EQ(bytes, std::vector<std::byte>(kSize, std::byte{7}));
  EXPECT_EQ(cached_pages(), 0U);
}

}  // namespace
}  // namespace quire::os
