// Exact neighbours, compared with the plainest loop there is.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <new>
#include <span>

#include "quire/convert.hpp"
#include "vector/nearest.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

double reference_distance(Metric metric, std::span<const float> a, std::span<const float> b) {
  double squared = 0;
  double dot = 0;
  double norm_a = 0;
  double norm_b = 0;
  double unequal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    squared += (x - y) * (x - y);
    dot += x * y;
    norm_a += x * x;
    norm_b += y * y;
    unequal += x == y ? 0 : 1;
  }
  if (metric == Metric::l2) return squared;
  if (metric == Metric::inner_product) return -dot;
  if (metric == Metric::hamming) return unequal;
  return norm_a * norm_b == 0 ? 1 : 1 - dot / std::sqrt(norm_a * norm_b);
}

constexpr std::array kMetrics = {Metric::l2, Metric::inner_product, Metric::cosine,
                                 Metric::hamming};

// A store of small whole numbers, so that single precision is exact and ties are many; one vector is zero.
struct PlainStore {
  PlainStore(ElementType type, std::uint32_t dimension_of_each)
      : dimension(dimension_of_each),
        store(*StoreAccess::create(disk, kStorePath, {.dimension = dimension, .element_type = type},
                                   {.convert = true})) {
    os::Random random(dimension);
    const std::uint32_t most = type == ElementType::b1 ? 2 : 4;
    for (std::uint64_t i = 0; i < 1500; ++i) {
      ids.push_back((i * 7919) % 5003);
      for (std::uint32_t j = 0; j < dimension; ++j) {
        matrix.push_back(i == 40 ? 0.0F : static_cast<float>(random() % most));
      }
    }
    EXPECT_TRUE(succeeded(store.put_batch(ids, matrix)));
  }

  std::span<const float> row(std::size_t i) const {
    return std::span(matrix).subspan(i * dimension, dimension);
  }
  // The first rows as queries.
  std::vector<std::byte> queries(std::size_t count) const {
    const ElementType type = store.element_type();
    std::vector<std::byte> bytes(count * row_bytes(type, dimension));
    EXPECT_TRUE(
        succeeded(convert(std::span(matrix).first(count * dimension), dimension, type, bytes)));
    return bytes;
  }
  // Those of `wanted` ids, nearest first.
  std::vector<std::pair<double, std::uint64_t>> expected(
      Metric metric, std::size_t query, const std::function<bool(std::uint64_t)>& wanted) const {
    std::vector<std::pair<double, std::uint64_t>> all;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!wanted(ids[i])) continue;
      all.emplace_back(reference_distance(metric, row(query), row(i)), ids[i]);
    }
    std::ranges::sort(all);
    return all;
  }

  std::uint32_t dimension;
  os::SimulatedFileSystem disk;
  VectorStore store;
  std::vector<float> matrix;
  std::vector<std::uint64_t> ids;
};

void expect_same_as_reference(const PlainStore& plain, Metric metric, std::size_t queries,
                              const std::function<bool(std::uint64_t)>& filter) {
  const auto bytes = plain.queries(queries);
  const auto found = plain.store.view().nearest(VectorRef(plain.store.element_type(), bytes), 25,
                                                {.metric = metric, .filter = filter});
  ASSERT_TRUE(succeeded(found));
  ASSERT_EQ(found->size(), queries);
  const auto wanted = filter ? filter : [](std::uint64_t) { return true; };
  for (std::size_t query = 0; query < queries; ++query) {
    const auto expected = plain.expected(metric, query, wanted);
    ASSERT_EQ((*found)[query].size(), std::min<std::size_t>(expected.size(), 25));
    for (std::size_t i = 0; i < (*found)[query].size(); ++i) {
      const Neighbour& neighbour = (*found)[query][i];
      ASSERT_TRUE(wanted(neighbour.id));
      if (metric == Metric::cosine) {
        ASSERT_NEAR(neighbour.distance, expected[i].first, 2e-5);
      } else {
        ASSERT_EQ(neighbour.distance, expected[i].first);
        ASSERT_EQ(neighbour.id, expected[i].second);
      }
    }
  }
}

TEST(Nearest, AgreesWithThePlainLoop) {
  for (const ElementType type : kElementTypes) {
    for (const std::uint32_t dimension : {1U, 7U, 31U, 32U, 100U, 128U}) {
      const PlainStore plain(type, dimension);
      for (const Metric metric : kMetrics) {
        SCOPED_TRACE(std::string(to_string(type)) + " " + std::string(to_string(metric)) + " " +
                     std::to_string(dimension));
        expect_same_as_reference(plain, metric, 3, {});
        expect_same_as_reference(plain, metric, 20, {});
      }
    }
  }
}

TEST(Nearest, FindsOnlyWhatTheFilterLetsIn) {
  for (const ElementType type : {ElementType::f32, ElementType::u8}) {
    const PlainStore plain(type, 24);
    for (const std::size_t queries : {1U, 20U}) {
      expect_same_as_reference(plain, Metric::l2, queries,
                               [](std::uint64_t id) { return id % 10 == 3; });
      expect_same_as_reference(plain, Metric::cosine, queries,
                               [](std::uint64_t id) { return id < 60; });
      expect_same_as_reference(plain, Metric::l2, queries, [](std::uint64_t) { return false; });
    }
  }
}

TEST(Nearest, WhatTheFilterThrowsComesOut) {
  const PlainStore plain(ElementType::f32, 1024);  // large enough for more threads than one
  const auto query = plain.queries(1);
  for (const std::size_t place : {0U, 700U, 1499U}) {
    const auto filter = [bad = plain.ids[place]](std::uint64_t id) {
      if (id == bad) throw std::bad_alloc();
      return true;
    };
    const auto search = [&] {
      return plain.store.view().nearest(VectorRef(ElementType::f32, query), 3, {.filter = filter});
    };
    EXPECT_THROW(ignore_error(search()), std::bad_alloc) << place;
  }
}

TEST(Nearest, DoesNotDependOnTheNumberOfThreads) {
  const PlainStore plain(ElementType::f16, 1024);
  const auto queries = plain.queries(9);
  for (const Metric metric : kMetrics) {
    const auto found = [&](unsigned threads) {
      return *plain.store.view().nearest(VectorRef(ElementType::f16, queries), 40,
                                         {.metric = metric, .threads = threads});
    };
    const auto alone = found(1);
    EXPECT_EQ(found(2), alone);
    EXPECT_EQ(found(7), alone);
  }
  EXPECT_TRUE(failed_with(
      ErrorCode::invalid_argument,
      plain.store.view().nearest(VectorRef(ElementType::f16, queries), 40, {.threads = 0})));
}

TEST_F(StoreTest, NearestSeesOnlyWhatIsLiveInTheView) {
  create();
  ASSERT_TRUE(put_many(0, 50));
  const ReadView before = store_->view();
  ASSERT_TRUE(*store_->remove(7));
  ASSERT_TRUE(put_many(8, 1, 1000));
  const auto query = vector_of(7, kDimension);
  EXPECT_EQ((*before.nearest(query, 1))[0][0], (Neighbour{.id = 7, .distance = 0}));
  const auto now = *store_->view().nearest(query, 100);
  EXPECT_EQ(now[0].size(), 49U) << "fewer than k where there are fewer";
  EXPECT_GT(now[0][0].distance, 0);
}

TEST_F(StoreTest, NearestOfLargeU8VectorsIsExact) {
  auto store = *StoreAccess::create(*disk_, kStorePath,
                                    {.dimension = kMaxDimension, .element_type = ElementType::u8});
  ASSERT_TRUE(succeeded(store.put(1, std::vector<std::uint8_t>(kMaxDimension, 255))));
  const std::vector<std::uint8_t> zeros(kMaxDimension, 0);
  EXPECT_EQ((*store.view().nearest(zeros, 1))[0][0].distance, 65'536.0 * 255 * 255);
}

TEST_F(StoreTest, NearestRefusesBadQueries) {
  create();
  put(1, 1);
  const ReadView view = store_->view();
  const auto query = vector_of(1, kDimension);
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, view.nearest(query, 0)));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, view.nearest(vector_of(1, 5), 1)));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, view.nearest(std::vector<float>(kDimension), 1)));
  EXPECT_TRUE(view.nearest(std::vector<std::uint8_t>{}, 1)->empty());
  EXPECT_EQ((*view.nearest(query, std::numeric_limits<std::size_t>::max()))[0].size(), 1U);
}

TEST_F(StoreTest, NaNIsNobodysNeighbour) {
  auto store = *StoreAccess::create(*disk_, kStorePath, {.dimension = 2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(succeeded(store.put(1, std::vector<float>{nan, 0})));
  ASSERT_TRUE(succeeded(store.put(2, std::vector<float>{9, 9})));
  const auto found = *store.view().nearest(std::vector<float>{0, 0}, 5);
  EXPECT_EQ(found[0], (std::vector<Neighbour>{{.id = 2, .distance = 162}}));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                          store.view().nearest(std::vector<float>{0, nan}, 1)));
}

TEST_F(StoreTest, NearestOfAnEmptyStoreIsEmpty) {
  create();
  EXPECT_TRUE((*store_->view().nearest(vector_of(1, kDimension), 3))[0].empty());
}

// Rows in memory; one portion cannot be had, for want of memory or for an error.
class BrokenSupply final : public RowSupply {
 public:
  BrokenSupply(std::uint64_t broken, bool throws) : broken_(broken), throws_(throws) {}
  std::uint64_t most_rows() const override { return portions() * RowPortion::kMostRows; }
  std::uint64_t portions() const override { return 64; }
  Result<void> fill(std::uint64_t number, RowPortion& portion) const override {
    if (number == broken_ && throws_) throw std::bad_alloc();
    if (number == broken_) return std::unexpected(Error(ErrorCode::io, "read"));
    portion.rows.fill(row_.data());
    portion.ids.fill(number);
    portion.count = RowPortion::kMostRows;
    return {};
  }
  Error fault(std::uint64_t /*number*/, const std::byte* /*address*/) const override {
    return Error(ErrorCode::changed, "read");
  }

 private:
  std::vector<std::byte> row_ = std::vector<std::byte>(1024);
  std::uint64_t broken_;
  bool throws_;
};

TEST(Nearest, APortionThatIsMissingIsAnErrorAndNeverFewerNeighbours) {
  const std::vector<std::uint8_t> query(1024);
  for (const std::uint64_t broken : {0U, 1U, 31U, 63U}) {
    const auto search = [&](bool throws) {
      return nearest(BrokenSupply(broken, throws), ElementType::u8, 1024, query, 3, {});
    };
    EXPECT_THROW(ignore_error(search(true)), std::bad_alloc) << broken;
    EXPECT_TRUE(failed_with(ErrorCode::io, search(false))) << broken;
  }
}

// With few queries every distance is measured, with many a screen looks at the rows first.
TEST_F(StoreTest, NearestInAFileThatWasCutIsAnErrorAndNeverFewerNeighbours) {
  constexpr std::uint32_t kWide = 1024;
  const std::vector<float> row(kWide, 1);
  auto store = *StoreAccess::create(*disk_, kStorePath,
                                    {.dimension = kWide, .element_type = ElementType::f32});
  for (std::uint64_t id = 0; id < 20; ++id) ASSERT_TRUE(succeeded(store.put(id, row)));
  const ReadView view = store.view();
  const auto rows = disk_->open(file("gen-1.rows"), os::OpenMode::read_write, 0);
  ASSERT_TRUE(succeeded(rows));
  ASSERT_TRUE(succeeded((*rows)->truncate(kHeaderBytes + 10 * kWide * sizeof(float))));
  for (const std::size_t queries : {1U, 40U}) {
    const std::vector<float> many(queries * kWide, 1);
    EXPECT_TRUE(failed_with(ErrorCode::truncated, view.nearest(many, 3))) << queries;
  }
}

}  // namespace
}  // namespace quire::vector
