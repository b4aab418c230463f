#include "quire/convert.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quire/float16.hpp"
#include "vector/distance.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::byte> converted(VectorRef rows, std::uint32_t dimension, ElementType to) {
  const std::size_t count = rows.bytes().size() / row_bytes(rows.element_type(), dimension);
  std::vector<std::byte> out(count * row_bytes(to, dimension), std::byte{0xAA});
  const auto done = convert(rows, dimension, to, out);
  EXPECT_TRUE(succeeded(done));
  return out;
}

template <Element T>
std::vector<T> as(VectorRef row, std::uint32_t dimension) {
  const auto bytes = converted(row, dimension, element_type_of<T>);
  std::vector<T> elements(bytes.size() / sizeof(T));
  std::memcpy(elements.data(), bytes.data(), bytes.size());
  return elements;
}

template <Element T>
std::vector<T> as(const std::vector<float>& row) {
  return as<T>(row, static_cast<std::uint32_t>(row.size()));
}

// In pieces of odd lengths, so that loops for many and for the last few elements both come by.
template <class Half>
void expect_every_half_widens() {
  std::vector<Half> all;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    all.push_back(Half::from_bits(static_cast<std::uint16_t>(bits)));
  }
  const auto floats = as<float>(all, 65'536);
  const auto halves = as<Half>(floats);
  for (std::uint32_t i = 0; i <= 0xFFFF; ++i) {
    const float expected = all[i];
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
      ASSERT_TRUE(std::isnan(static_cast<float>(halves[i]))) << i;
      continue;
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(floats[i]), std::bit_cast<std::uint32_t>(expected)) << i;
    ASSERT_EQ(halves[i].bits, i);
  }
}

TEST(Convert, WidensEveryHalfExactlyAndBack) {
  expect_every_half_widens<Float16>();
  expect_every_half_widens<BFloat16>();
}

// Every machine level as Float16 does it: floats all over their range, and the middles of halves.
TEST(Convert, EveryKernelRoundsHalvesAlike) {
  std::vector<float> floats = {0.0F,        -0.0F,     kInfinity, -kInfinity,
                               65'519.996F, 65'520.0F, 0x1p-25F};
  os::Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
    const auto half = Float16::from_bits(static_cast<std::uint16_t>(random()));
    floats.push_back(
        std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(half)) ^ 0x1000U));
  }
  for (const DistanceKernels* kernels : usable_kernels()) {
    std::vector<Float16> halves(floats.size());
    kernels->encode_f16(floats.data(), floats.size(),
                        std::as_writable_bytes(std::span(halves)).data());
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(halves[i].bits, Float16(floats[i]).bits) << kernels->name << " " << floats[i];
    }
  }
}

TEST(Convert, WholeNumbersAreTheNearestAndStayInTheirRange) {
  const std::vector<float> row = {-0.5F,  0.5F,  1.5F,      2.5F,   -1.5F,      254.5F,
                                  255.5F, 1e30F, kInfinity, -129.F, -kInfinity, 0.49999997F};
  EXPECT_EQ(as<std::uint8_t>(row),
            (std::vector<std::uint8_t>{0, 0, 2, 2, 0, 254, 255, 255, 255, 0, 0, 0}));
  EXPECT_EQ(as<std::int8_t>(row),
            (std::vector<std::int8_t>{0, 0, 2, 2, -2, 127, 127, 127, 127, -128, -128, 0}));
}

TEST(Convert, WholeNumbersGoBetweenTheirTypes) {
  const std::vector<std::uint8_t> unsigned_row = {0, 127, 128, 255};
  EXPECT_EQ(as<std::int8_t>(unsigned_row, 4), (std::vector<std::int8_t>{0, 127, 127, 127}));
  const std::vector<std::int8_t> signed_row = {-128, -1, 0, 127};
  EXPECT_EQ(as<std::uint8_t>(signed_row, 4), (std::vector<std::uint8_t>{0, 0, 0, 127}));
  EXPECT_EQ(as<float>(signed_row, 4), (std::vector<float>{-128, -1, 0, 127}));
}

TEST(Convert, BitsSayWhatIsMoreThanZero) {
  const std::vector<float> rows = {1,  0, -1, kInfinity, kNan, 1e-45F, -0.0F, 2, 3,  -3,
                                   -1, 1, 1,  1,         1,    1,      1,     1, -5, 1};
  const auto bits = converted(rows, 10, ElementType::b1);
  EXPECT_EQ(bits, (std::vector<std::byte>{std::byte{0b10101001}, std::byte{0b01},
                                          std::byte{0b11111110}, std::byte{0b10}}));
  EXPECT_EQ(
      as<std::uint8_t>(VectorRef(ElementType::b1, bits), 10),
      (std::vector<std::uint8_t>{1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1}));
}

TEST(Convert, EveryTypeGoesToEveryOtherAndBackForZeroAndOne) {
  for (const std::uint32_t dimension : {1U, 7U, 8U, 9U, 64U, 1025U, 2055U}) {
    std::vector<float> rows(3 * dimension);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i % 3 == 1 ? 1.0F : 0.0F;
    for (const ElementType from : kElementTypes) {
      const auto start = converted(rows, dimension, from);
      for (const ElementType to : kElementTypes) {
        const auto there = converted(VectorRef(from, start), dimension, to);
        EXPECT_EQ(converted(VectorRef(to, there), dimension, from), start)
            << to_string(from) << " " << to_string(to) << " " << dimension;
      }
    }
  }
}

TEST(Convert, FloatsOverflowToInfinityAndKeepNaN) {
  const auto halves = as<Float16>({1e6F, -1e6F, kNan, -0.0F});
  EXPECT_EQ(halves[0].bits, 0x7C00);
  EXPECT_EQ(halves[1].bits, 0xFC00);
  EXPECT_TRUE(std::isnan(static_cast<float>(halves[2])));
  EXPECT_EQ(halves[3].bits, 0x8000);
}

TEST(Convert, NaNIsNoWholeNumberAndTheErrorSaysWhere) {
  std::vector<float> rows(3 * 1500);
  rows[2 * 1500 + 1400] = kNan;
  std::vector<std::byte> out(3 * 1500);
  for (const ElementType to : {ElementType::u8, ElementType::i8}) {
    const auto done = convert(rows, 1500, to, out);
    ASSERT_TRUE(failed_with(ErrorCode::invalid_argument, done));
    EXPECT_TRUE(done.error().detail().find("element 1400 of row 2") != std::string::npos)
        << done.error().detail();
  }
  const std::vector<Float16> half = {Float16(kNan)};
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                          convert(half, 1, ElementType::u8, std::span(out).first(1))));
}

TEST(Convert, RefusesWhatDoesNotFit) {
  const std::vector<float> rows(6);
  std::vector<std::byte> out(64);
  const auto into = [&](std::uint32_t dimension, std::size_t bytes) {
    return convert(rows, dimension, ElementType::u8, std::span(out).first(bytes));
  };
  EXPECT_TRUE(succeeded(into(3, 6)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, into(4, 6)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, into(3, 5)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, into(3, 9)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, into(0, 0)));
  const std::vector<std::byte> stray = {std::byte{0x10}};
  EXPECT_TRUE(failed_with(
      ErrorCode::invalid_argument,
      convert(VectorRef(ElementType::b1, stray), 4, ElementType::u8, std::span(out).first(4))));
}

}  // namespace
}  // namespace quire::vector
