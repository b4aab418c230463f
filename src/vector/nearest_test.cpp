// Exact neighbours, compared with the plainest loop there is.
#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "vector/nearest.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

double reference_distance(Metric metric, const std::vector<double>& a,
                          const std::vector<double>& b) {
  double squared = 0;
  double dot = 0;
  double norm_a = 0;
  double norm_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squared += (a[i] - b[i]) * (a[i] - b[i]);
    dot += a[i] * b[i];
    norm_a += a[i] * a[i];
    norm_b += b[i] * b[i];
  }
  if (metric == Metric::l2) return squared;
  if (metric == Metric::inner_product) return -dot;
  return norm_a * norm_b == 0 ? 1 : 1 - dot / std::sqrt(norm_a * norm_b);
}

// Small whole numbers, so that single precision is exact and ties are many.
template <class T>
void expect_same_as_reference(std::uint32_t dimension, Metric metric) {
  os::SimulatedFileSystem disk;
  auto store = StoreAccess::create(disk, kStorePath,
                                   {.dimension = dimension, .element_type = element_type_of<T>});
  ASSERT_TRUE(succeeded(store));
  os::Random random(dimension);
  std::vector<std::vector<double>> rows;
  std::vector<std::uint64_t> ids;
  std::vector<T> matrix;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    ids.push_back((i * 7919) % 5003);
    auto& row = rows.emplace_back();
    for (std::uint32_t j = 0; j < dimension; ++j) {
      matrix.push_back(static_cast<T>(i == 40 ? 0 : random() % 4));
      row.push_back(static_cast<double>(matrix.back()));
    }
  }
  ASSERT_TRUE(succeeded(store->put_batch(ids, matrix)));
  const std::vector<T> queries(matrix.begin(), matrix.begin() + 3 * dimension);
  const auto found = store->view().nearest(queries, 25, metric);
  ASSERT_TRUE(succeeded(found));
  ASSERT_EQ(found->size(), 3U);
  for (std::size_t query = 0; query < 3; ++query) {
    std::vector<std::pair<double, std::uint64_t>> expected;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      expected.emplace_back(reference_distance(metric, rows[query], rows[i]), ids[i]);
    }
    std::ranges::sort(expected);
    for (std::size_t i = 0; i < 25; ++i) {
      EXPECT_NEAR((*found)[query][i].distance, expected[i].first, 1e-5);
      if (metric != Metric::cosine) {
        EXPECT_EQ((*found)[query][i].id, expected[i].second);
      }
    }
  }
}

TEST(Nearest, AgreesWithThePlainLoop) {
  for (const Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
    for (const std::uint32_t dimension : {1U, 31U, 32U, 128U, 100U}) {
      SCOPED_TRACE(std::string(to_string(metric)) + " " + std::to_string(dimension));
      expect_same_as_reference<float>(dimension, metric);
      expect_same_as_reference<std::uint8_t>(dimension, metric);
    }
  }
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
      return nearest(BrokenSupply(broken, throws), ElementType::u8, 1024, query, 3, Metric::l2, {});
    };
    EXPECT_THROW(ignore_error(search(true)), std::bad_alloc) << broken;
    EXPECT_TRUE(failed_with(ErrorCode::io, search(false))) << broken;
  }
}

}  // namespace
}  // namespace quire::vector
