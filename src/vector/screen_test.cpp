// The screen never loses a neighbour: many queries together find exactly what each finds alone.
#include "vector/screen.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Floats of an f32 matrix that make it hard to tell what is near.
struct Hard {
  const char* name;
  float (*element)(os::Random& random, std::size_t row);
};
constexpr Hard kHard[] = {
    {"ordinary", [](os::Random& random,
                    std::size_t) { return static_cast<float>(random() % 2001) / 1000 - 1; }},
    {"many ties", [](os::Random& random, std::size_t) { return static_cast<float>(random() % 2); }},
    {"near each other, far from zero",
     [](os::Random& random, std::size_t) {
       return 1000 + static_cast<float>(random() % 16) / 1024;
     }},
    {"of every length",
     [](os::Random& random, std::size_t row) {
       return std::ldexp(static_cast<float>(random() % 2001) / 1000 - 1,
                         static_cast<int>(row * 37 % 150) - 75);
     }},
    {"near the largest float",
     [](os::Random& random, std::size_t row) {
       return (row % 3 == 0 ? 1.9e19F : 1e18F) * (static_cast<float>(random() % 3) - 1);
     }},
    {"with infinities and NaN",
     [](os::Random& random, std::size_t row) {
       const auto dice = random() % 200;
       if (row >= 40 && dice == 0) return kInfinity;
       if (row >= 40 && dice == 1) return std::numeric_limits<float>::quiet_NaN();
       return static_cast<float>(random() % 100);
     }},
    {"with zero vectors", [](os::Random& random, std::size_t row) {
       return row % 2 == 0 ? 0.0F : static_cast<float>(random() % 5) - 2;
     }}};

TEST(Screen, ManyQueriesFindWhatEachFindsAlone) {
  constexpr std::size_t kRows = 1'000;
  constexpr std::size_t kQueries = 37;  // two panels and a part
  for (const Hard& hard : kHard) {
    for (const std::uint32_t dimension : {1U, 3U, 16U, 100U}) {
      os::SimulatedFileSystem disk;
      auto store = StoreAccess::create(disk, kStorePath, {.dimension = dimension});
      ASSERT_TRUE(succeeded(store));
      os::Random random(dimension);
      std::vector<float> matrix;
      std::vector<std::uint64_t> ids;
      for (std::size_t row = 0; row < kRows; ++row) {
        ids.push_back(row * 7919 % 5003);
        for (std::uint32_t j = 0; j < dimension; ++j) matrix.push_back(hard.element(random, row));
      }
      ASSERT_TRUE(succeeded(store->put_batch(ids, matrix)));
      const auto queries = std::span(matrix).first(kQueries * dimension);
      for (const Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
        const auto together = store->view().nearest(queries, 10, {.metric = metric});
        ASSERT_TRUE(succeeded(together));
        for (std::size_t i = 0; i < kQueries; ++i) {
          const auto alone = store->view().nearest(queries.subspan(i * dimension, dimension), 10,
                                                   {.metric = metric});
          ASSERT_TRUE(succeeded(alone));
          ASSERT_EQ((*together)[i], (*alone)[0]) << hard.name << ", " << to_string(metric)
                                                 << ", dimension " << dimension << ", query " << i;
        }
      }
    }
  }
}

// A screen that lets everything pass would be right, too, and of no use.
TEST(Screen, OfOrdinaryVectorsLetsFewPass) {
  constexpr std::size_t kDimension = 64;
  os::Random random(5);
  std::vector<float> elements(kDimension * (kScreenQueries + 60));
  for (float& element : elements) element = static_cast<float>(random() % 256);
  const auto at = [&](std::size_t i) {
    return std::as_bytes(std::span(elements).subspan(i * kDimension, kDimension)).data();
  };
  std::vector<Query> queries;
  for (std::size_t i = 0; i < kScreenQueries; ++i) {
    queries.push_back({at(i), norm_of(ElementType::f32, at(i), kDimension)});
  }
  std::vector<const std::byte*> rows;
  for (std::size_t i = 0; i < 60; ++i) rows.push_back(at(kScreenQueries + i));
  for (const DistanceKernels* kernels : usable_kernels()) {
    for (const Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
      const ScreenQueries prepared(queries, kDimension, metric);
      Screen screen(*kernels, prepared);
      screen.load(ElementType::f32, rows);
      screen.measure();
      std::vector<double> worst;
      std::vector<std::vector<double>> distances;
      for (const Query& query : queries) {
        auto& own = distances.emplace_back(rows.size());
        kernels->distance(ElementType::f32, metric)(query, rows, kDimension, own.data());
        auto sorted = own;
        std::ranges::sort(sorted);
        worst.push_back(sorted[4]);
      }
      const auto passed = screen.pass(0, worst);
      std::size_t count = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t query = 0; query < kScreenQueries; ++query) {
          const bool passes = (passed[i] >> query & 1) != 0;
          if (distances[query][i] <= worst[query]) {
            EXPECT_TRUE(passes) << kernels->name << " " << to_string(metric);
          }
          count += passes ? 1 : 0;
        }
      }
      // Five of 60, and here and there one that rounding could hide.
      EXPECT_LE(count, kScreenQueries * 6) << kernels->name << " " << to_string(metric);
    }
  }
}

}  // namespace
}  // namespace quire::vector
