// Both 16-bit floats, over all their values, against the definition by powers of two.
#include "quire/float16.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "quire/element_type.hpp"

namespace quire {
namespace {

struct Shape {
  int exponent_bits;
  int fraction_bits;
};
constexpr Shape kHalf{5, 10};
constexpr Shape kBrain{8, 7};

// What the bits stand for, by IEEE 754; for infinities the next power of two, NaN for a NaN.
double value_of(std::uint16_t bits, Shape shape) {
  const int fraction = bits & ((1 << shape.fraction_bits) - 1);
  const int exponent = bits >> shape.fraction_bits & ((1 << shape.exponent_bits) - 1);
  const int bias = (1 << (shape.exponent_bits - 1)) - 1;
  const bool last = exponent == (1 << shape.exponent_bits) - 1;
  if (last && fraction != 0) return std::numeric_limits<double>::quiet_NaN();
  const int significand = exponent == 0 ? fraction : fraction + (1 << shape.fraction_bits);
  const double magnitude =
      std::ldexp(significand, std::max(exponent, 1) - bias - shape.fraction_bits);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

bool is_infinite(std::uint16_t bits, Shape shape) {
  const int all = ((1 << shape.exponent_bits) - 1) << shape.fraction_bits;
  return (bits & 0x7FFF) == all;
}

template <class Half>
void expect_every_value(Shape shape) {
  for (std::uint32_t i = 0; i <= 0xFFFF; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double value = value_of(bits, shape);
    const float widened = Half::from_bits(bits);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(widened)) << i;
      const auto again = Half(widened);
      ASSERT_TRUE(std::isnan(static_cast<float>(again))) << i;
      ASSERT_EQ(again.bits & 0x8000, bits & 0x8000) << i;
      continue;
    }
    if (is_infinite(bits, shape)) {
      ASSERT_TRUE(std::isinf(widened)) << i;
    } else {
      ASSERT_EQ(static_cast<double>(widened), value) << i;
    }
    ASSERT_EQ(std::signbit(widened), (bits & 0x8000) != 0) << i;
    ASSERT_EQ(Half(widened).bits, bits) << i;
  }
}

// Between each value and the next larger in magnitude: the middle goes to the even one, what is beside it
// to the nearer.
template <class Half>
void expect_nearest_between(Shape shape) {
  for (std::uint32_t i = 0; i <= 0xFFFF; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if (std::isnan(value_of(bits, shape)) || is_infinite(bits, shape)) continue;
    const auto next = static_cast<std::uint16_t>(i + 1);
    const double exact = (value_of(bits, shape) + value_of(next, shape)) / 2;
    const auto middle = static_cast<float>(exact);
    if (std::isinf(middle) || static_cast<double>(middle) != exact)
      continue;  // no float, as with bf16
    ASSERT_EQ(Half(middle).bits, (bits & 1) == 0 ? bits : next) << i;
    ASSERT_EQ(Half(std::nextafter(middle, 0.0F)).bits, bits) << i;
    const float outwards = std::copysign(std::numeric_limits<float>::infinity(), middle);
    const float beyond = std::nextafter(middle, outwards);
    if (!std::isinf(beyond)) {
      ASSERT_EQ(Half(beyond).bits, next) << i;
    }
  }
}

TEST(Float16, EveryValueGoesThereAndBack) { expect_every_value<Float16>(kHalf); }
TEST(BFloat16, EveryValueGoesThereAndBack) { expect_every_value<BFloat16>(kBrain); }
TEST(Float16, RoundsToTheNearestAndToEven) { expect_nearest_between<Float16>(kHalf); }
TEST(BFloat16, RoundsToTheNearestAndToEven) { expect_nearest_between<BFloat16>(kBrain); }

TEST(Float16, EndsAt65504) {
  EXPECT_EQ(static_cast<float>(Float16(65'519.996F)), 65'504.0F);
  EXPECT_TRUE(std::isinf(static_cast<float>(Float16(65'520.0F))));
  EXPECT_TRUE(std::isinf(static_cast<float>(Float16(1e30F))));
  EXPECT_EQ(Float16(-1e30F).bits, 0xFC00);
  EXPECT_EQ(Float16(0x1p-25F).bits, 0) << "the middle of 0 and the least value";
  EXPECT_EQ(Float16(0x1.000002p-25F).bits, 1);
  EXPECT_EQ(Float16(-1e-30F).bits, 0x8000);
}

TEST(BFloat16, EndsWithTheFloats) {
  EXPECT_TRUE(std::isinf(static_cast<float>(BFloat16(std::numeric_limits<float>::max()))));
  EXPECT_EQ(static_cast<float>(BFloat16(0x1.FEFFFEp127F)), 0x1.FEp127F);
  EXPECT_EQ(BFloat16(std::bit_cast<float>(0x7F800001U)).bits, 0x7FC0) << "a NaN, and not infinity";
  EXPECT_EQ(BFloat16(std::bit_cast<float>(0xFFFFFFFFU)).bits, 0xFFFF);
}

static_assert(Float16(1.0F).bits == 0x3C00 &&
              static_cast<float>(Float16::from_bits(1)) == 0x1p-24F);
static_assert(BFloat16(1.0F).bits == 0x3F80);

TEST(ElementType, EveryTypeHasAnIdANameAndASize) {
  struct Row {
    ElementType type;
    std::uint8_t id;
    const char* name;
    std::size_t bytes_of_13;
  };
  for (const auto& [type, id, name, bytes] :
       {Row{ElementType::f32, 1, "f32", 52}, Row{ElementType::u8, 2, "u8", 13},
        Row{ElementType::f16, 3, "f16", 26}, Row{ElementType::bf16, 4, "bf16", 26},
        Row{ElementType::i8, 5, "i8", 13}, Row{ElementType::b1, 6, "b1", 2}}) {
    EXPECT_EQ(static_cast<std::uint8_t>(type), id);
    EXPECT_EQ(element_type_from_id(id), type);
    EXPECT_EQ(to_string(type), name);
    EXPECT_EQ(element_type_from_string(name), type);
    EXPECT_EQ(row_bytes(type, 13), bytes) << name;
  }
  EXPECT_EQ(element_type_from_id(0), std::nullopt);
  EXPECT_EQ(element_type_from_id(7), std::nullopt);
  EXPECT_EQ(element_type_from_string("F32"), std::nullopt);
  EXPECT_EQ(row_bytes(ElementType::b1, 8), 1U);
  EXPECT_EQ(row_bytes(ElementType::b1, 65'536), 8'192U);
}

}  // namespace
}  // namespace quire
