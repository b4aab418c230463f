#include "base/checksum.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace quire::base {
namespace {

// The bytes that xxHash's own tests hash: the top bytes of a chain of products.
std::vector<std::byte> sanity_buffer(std::size_t size) {
  constexpr std::uint32_t kPrime32 = 2654435761U;
  constexpr std::uint64_t kPrime64 = 11400714785074694797ULL;
  std::vector<std::byte> buffer(size);
  std::uint64_t chain = kPrime32;
  for (std::byte& byte : buffer) {
    byte = static_cast<std::byte>(chain >> 56);
    chain *= kPrime64;
  }
  return buffer;
}

// 2, 4, 8 … bytes cross the algorithm's branches: up to 3, 8, 16, 128, 240 bytes, and more.
constexpr std::size_t kSizes[] = {0,   1,   2,   3,   4,   8,   9,    16,   17,   64,
                                  128, 129, 240, 241, 256, 257, 1023, 1024, 1025, 4097};

TEST(Checksum, IsXxh3) {
  struct Row {
    std::size_t size;
    std::uint64_t seed;
    std::uint64_t value;
  };
  constexpr std::uint64_t kSeed = 0x9E3779B185EBCA8DULL;
  const Row kPublished[] = {
      {0, 0, 0x2D06800538D394C2ULL},   {0, kSeed, 0xA8A6B918B2F0364AULL},
      {1, 0, 0xC44BDFF4074EECDBULL},   {1, kSeed, 0x032BE332DD766EF8ULL},
      {6, 0, 0x27B56A84CD2D7325ULL},   {6, kSeed, 0x84589C116AB59AB9ULL},
      {12, 0, 0xA713DAF0DFBB77E7ULL},  {12, kSeed, 0xE7303E1B2336DE0EULL},
      {24, 0, 0xA3FE70BF9D3510EBULL},  {24, kSeed, 0x850E80FC35BDD690ULL},
      {48, 0, 0x397DA259ECBA1F11ULL},  {48, kSeed, 0xADC2CBAA44ACC616ULL},
      {80, 0, 0xBCDEFBBB2C47C90AULL},  {80, kSeed, 0xC6DD0CB699532E73ULL},
      {195, 0, 0xCD94217EE362EC3AULL}, {195, kSeed, 0xBA68003D370CB3D9ULL},
  };
  for (const Row& row : kPublished) {
    EXPECT_EQ(checksum(sanity_buffer(row.size), row.seed), row.value) << row.size << " bytes";
  }
}

TEST(Checksum, InPiecesIsTheSameAtEverySplit) {
  for (const std::size_t size : kSizes) {
    const auto bytes = sanity_buffer(size);
    const std::span<const std::byte> all(bytes);
    for (std::size_t split = 0; split <= size; ++split) {
      Checksum pieces(42);
      pieces.update(all.first(split));
      pieces.update(all.subspan(split));
      ASSERT_EQ(pieces.value(), checksum(all, 42)) << size << " bytes, split at " << split;
    }
  }
}

TEST(Checksum, ByteByByteIsTheSame) {
  const auto bytes = sanity_buffer(4097);
  Checksum pieces;
  for (const std::byte& byte : bytes) pieces.update({&byte, 1});
  EXPECT_EQ(pieces.value(), checksum(bytes));
}

TEST(Checksum, TheValueMayBeReadOnTheWay) {
  const auto bytes = sanity_buffer(1000);
  const std::span<const std::byte> all(bytes);
  Checksum pieces;
  pieces.update(all.first(500));
  EXPECT_EQ(pieces.value(), checksum(all.first(500)));
  pieces.update(all.subspan(500));
  EXPECT_EQ(pieces.value(), checksum(all));
}

TEST(Checksum, AMovedOneGoesOn) {
  const auto bytes = sanity_buffer(300);
  const std::span<const std::byte> all(bytes);
  Checksum first;
  first.update(all.first(250));
  Checksum second = std::move(first);
  second.update(all.subspan(250));
  EXPECT_EQ(second.value(), checksum(all));
}

TEST(Checksum, EveryFlippedBitShows) {
  auto bytes = sanity_buffer(241);
  const std::uint64_t whole = checksum(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    bytes[bit / 8] ^= mask;
    ASSERT_NE(checksum(bytes), whole) << "bit " << bit;
    bytes[bit / 8] ^= mask;
  }
}

}  // namespace
}  // namespace quire::base
