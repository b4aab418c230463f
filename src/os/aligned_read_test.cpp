// Reading by aligned blocks, from a file that gives less than was asked.
#include "os/aligned_read.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace quire::os {
namespace {

std::vector<std::byte> content(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

// A file that gives at most `most` bytes a call, and insists on alignment.
AlignedReader short_reader(const std::vector<std::byte>& file, std::size_t most) {
  return [&file, most](std::uint64_t offset, std::span<std::byte> into) -> Result<std::size_t> {
    EXPECT_EQ(offset % kDirectAlignment, 0U);
    EXPECT_EQ(into.size() % kDirectAlignment, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(into.data()) % kDirectAlignment, 0U);
    if (offset >= file.size()) return 0;
    const std::size_t count =
        std::min({into.size(), most, file.size() - static_cast<std::size_t>(offset)});
    std::memcpy(into.data(), file.data() + offset, count);
    return count;
  };
}

TEST(AlignedRead, AShortReadIsNotTheEndOfTheFile) {
  const auto file = content(40'000);
  for (const std::size_t most : {4096UL, 6000UL, 12'288UL, 100'000UL}) {
    for (const std::size_t offset : {0UL, 1UL, 4095UL, 8192UL, 39'000UL, 39'999UL, 40'000UL}) {
      for (const std::size_t length : {1UL, 4096UL, 20'000UL, 50'000UL}) {
        std::vector<std::byte> out(length);
        const auto got = read_aligned(offset, out, short_reader(file, most));
        ASSERT_TRUE(got.has_value());
        const std::size_t wanted = std::min(length, file.size() - offset);
        ASSERT_EQ(*got, wanted) << most << " " << offset << " " << length;
        EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(wanted),
                               file.begin() + static_cast<std::ptrdiff_t>(offset)));
      }
    }
  }
}

TEST(AlignedRead, AnErrorBehindAShortReadIsTold) {
  const auto file = content(20'000);
  const AlignedReader reader = [&](std::uint64_t offset,
                                   std::span<std::byte> into) -> Result<std::size_t> {
    if (offset >= 8192) return std::unexpected(Error(ErrorCode::io, "read", EIO));
    return short_reader(file, 4096)(offset, into);
  };
  std::vector<std::byte> out(20'000);
  const auto got = read_aligned(0, out, reader);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code(), ErrorCode::io);
}

}  // namespace
}  // namespace quire::os
