// Every kernel of every machine level against sums in double precision.
#include "vector/distance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "quire/convert.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

constexpr std::array kMetrics = {Metric::l2, Metric::inner_product, Metric::cosine,
                                 Metric::hamming};

struct Sums {
  double squared = 0;
  double product = 0;
  double norms = 0;  // of both, multiplied
  double unequal = 0;
};

Sums sums_of(std::span<const float> a, std::span<const float> b) {
  Sums sums;
  double square_a = 0;
  double square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    sums.squared += (x - y) * (x - y);
    sums.product += x * y;
    square_a += x * x;
    square_b += y * y;
    sums.unequal += a[i] != b[i] ? 1 : 0;
  }
  sums.norms = std::sqrt(square_a) * std::sqrt(square_b);
  return sums;
}

double reference(Metric metric, const Sums& sums) {
  switch (metric) {
    case Metric::l2:
      return sums.squared;
    case Metric::inner_product:
      return -sums.product;
    case Metric::cosine:
      return sums.norms == 0 ? 1 : 1 - sums.product / sums.norms;
    case Metric::hamming:
      break;
  }
  return sums.unequal;
}

// What read_view.hpp promises.
double tolerance(ElementType type, Metric metric, const Sums& sums) {
  if (metric == Metric::hamming) return 0;
  if (metric == Metric::cosine) return 2e-5;
  if (!is_decoded(type)) return 0;
  return 1e-5 * (metric == Metric::l2 ? sums.squared : sums.norms);
}

// Vectors of one type, each at an odd address, and the same as floats.
class Rows {
 public:
  Rows(ElementType type, std::uint32_t dimension, std::size_t count, std::uint64_t seed)
      : type_(type), dimension_(dimension), stride_(row_bytes(type, dimension)) {
    os::Random random(seed);
    std::vector<float> floats(count * dimension);
    for (float& element : floats) {
      element = static_cast<float>(static_cast<int>(random() % 255) - 127);
      if (is_decoded(type) && random() % 2 == 0) element /= 97;
    }
    std::ranges::fill(std::span(floats).first(dimension), 0.0F);  // the first is zero
    std::vector<std::byte> dense(count * stride_);
    EXPECT_TRUE(succeeded(convert(floats, dimension, type, dense)));
    bytes_.assign(1 + count * (stride_ + 1), std::byte{0xEE});
    for (std::size_t i = 0; i < count; ++i) {
      std::byte* const at = bytes_.data() + 1 + i * (stride_ + 1);
      std::memcpy(at, dense.data() + i * stride_, stride_);
      rows_.push_back(at);
    }
    floats_.resize(floats.size());
    EXPECT_TRUE(succeeded(convert(VectorRef(type, dense), dimension, ElementType::f32,
                                  std::as_writable_bytes(std::span(floats_)))));
  }

  std::span<const std::byte* const> rows() const { return rows_; }
  std::span<const float> floats(std::size_t i) const {
    return std::span(floats_).subspan(i * dimension_, dimension_);
  }
  Query query(std::size_t i) const {
    const std::byte* const elements =
        is_decoded(type_) ? std::as_bytes(floats(i)).data() : rows_[i];
    return {elements, norm_of(type_, elements, dimension_)};
  }

 private:
  ElementType type_;
  std::uint32_t dimension_;
  std::size_t stride_;
  std::vector<std::byte> bytes_;
  std::vector<const std::byte*> rows_;
  std::vector<float> floats_;
};

void expect_as_reference(ElementType type, std::uint32_t dimension) {
  constexpr std::size_t kCount = 11;
  const Rows vectors(type, dimension, kCount, dimension);
  for (const DistanceKernels* kernels : usable_kernels()) {
    for (const Metric metric : kMetrics) {
      const auto distance = kernels->distance(type, metric);
      for (const std::size_t query : {0U, 1U, 5U}) {
        std::array<double, kCount> together{};
        distance(vectors.query(query), vectors.rows(), dimension, together.data());
        for (std::size_t i = 0; i < kCount; ++i) {
          const Sums sums = sums_of(vectors.floats(query), vectors.floats(i));
          ASSERT_NEAR(together[i], reference(metric, sums), tolerance(type, metric, sums))
              << kernels->name << " " << to_string(type) << " " << to_string(metric) << " "
              << dimension << " row " << i;
          double alone = 0;
          distance(vectors.query(query), vectors.rows().subspan(i, 1), dimension, &alone);
          ASSERT_EQ(alone, together[i]) << "no distance depends on what is calculated beside it";
        }
      }
    }
  }
}

TEST(Distance, OfEveryTypeMetricAndSmallDimensionIsAsTheReference) {
  for (const ElementType type : kElementTypes) {
    for (std::uint32_t dimension = 1; dimension <= 72; ++dimension) {
      expect_as_reference(type, dimension);
    }
  }
}

TEST(Distance, OfLargeDimensionsIsAsTheReference) {
  for (const ElementType type : kElementTypes) {
    for (const std::uint32_t dimension : {127U, 768U, 1031U, 2049U, 65'535U}) {
      expect_as_reference(type, dimension);
    }
  }
}

// The largest sums there are: they need all of 32 bits.
TEST(Distance, OfBytesIsExactAtTheLimits) {
  constexpr std::uint32_t kDimension = kMaxDimension;
  const std::vector<std::byte> most(kDimension, std::byte{255});
  const std::vector<std::byte> none(kDimension, std::byte{0});
  const std::vector<std::byte> least_signed(kDimension, std::byte{0x80});
  const std::vector<std::byte> most_signed(kDimension, std::byte{0x7F});
  for (const DistanceKernels* kernels : usable_kernels()) {
    const auto between = [&](ElementType type, Metric metric, const std::vector<std::byte>& a,
                             const std::vector<std::byte>& b) {
      const std::byte* const row = b.data();
      double distance = 0;
      kernels->distance(type, metric)({a.data(), 1}, {&row, 1}, kDimension, &distance);
      return distance;
    };
    EXPECT_EQ(between(ElementType::u8, Metric::l2, most, none), 65'536.0 * 255 * 255);
    EXPECT_EQ(between(ElementType::u8, Metric::inner_product, most, most), -65'536.0 * 255 * 255);
    EXPECT_EQ(between(ElementType::i8, Metric::l2, least_signed, most_signed),
              65'536.0 * 255 * 255);
    EXPECT_EQ(between(ElementType::i8, Metric::inner_product, least_signed, most_signed),
              65'536.0 * 128 * 127);
    EXPECT_EQ(between(ElementType::i8, Metric::inner_product, least_signed, least_signed),
              -65'536.0 * 128 * 128);
    EXPECT_EQ(between(ElementType::b1, Metric::hamming, most, none), 65'536.0);
  }
}

template <class Half>
void expect_every_half_decodes(ElementType type) {
  std::vector<Half> all;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    all.push_back(Half::from_bits(static_cast<std::uint16_t>(bits)));
  }
  for (const DistanceKernels* kernels : usable_kernels()) {
    std::vector<float> floats(all.size());
    kernels->decode(type, std::as_bytes(std::span(all)).data(), all.size(), floats.data());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const float expected = all[i];
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(floats[i])) << kernels->name << " " << i;
      } else {
        ASSERT_EQ(floats[i], expected) << kernels->name << " " << i;
      }
    }
  }
}

TEST(Distance, EveryKernelDecodesEveryHalf) {
  expect_every_half_decodes<Float16>(ElementType::f16);
  expect_every_half_decodes<BFloat16>(ElementType::bf16);
}

TEST(Distance, HammingCountsANaNAsUnequalAndZerosAsEqual) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> a = {0.0F, 1, 2};
  const std::vector<float> b = {-0.0F, nan, 2};
  const std::byte* const row = std::as_bytes(std::span(b)).data();
  for (const DistanceKernels* kernels : usable_kernels()) {
    double distance = 0;
    kernels->distance(ElementType::f32, Metric::hamming)({std::as_bytes(std::span(a)).data(), 1},
                                                         {&row, 1}, 3, &distance);
    EXPECT_EQ(distance, 1);
  }
}

}  // namespace
}  // namespace quire::vector
