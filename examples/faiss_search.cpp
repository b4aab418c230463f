// Searches a vector store with FAISS, in the store's own rows: nothing is copied.
//
//     faiss_search DIR      a store of f32 vectors; without DIR it makes one in ./faiss_search.store
//
// What FAISS needs is a matrix: the address of row 0, and one row behind the other. That is what a store's
// rows are. It answers with row numbers; the matrix has the id of each row, and a row that is nobody's any
// more (replaced or removed) is kept out by its bitmap. `IndexFlat` and the like would copy.
#include <faiss/impl/IDSelector.h>
#include <faiss/utils/distances.h>
#include <quire/vector_store.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <random>
#include <span>
#include <vector>

namespace {

constexpr std::uint64_t kNoId = UINT64_MAX;  // of no neighbour; this store does not use it

// #region search
// The ids of the k nearest of each query, nearest first; kNoId where there are fewer.
std::vector<std::uint64_t> search(const quire::ReadView& view, std::span<const float> queries,
                                  std::size_t k) {
  const quire::RowMatrix matrix = view.rows();  // no row is copied
  const faiss::IDSelectorBitmap live(matrix.live.size(), matrix.live.data());
  const std::size_t count = queries.size() / view.dimension();
  std::vector<float> distances(count * k);
  std::vector<std::int64_t> rows(count * k);
  faiss::knn_L2sqr(queries.data(), matrix.elements<float>()->data(), view.dimension(), count,
                   matrix.size(), k, distances.data(), rows.data(), nullptr, &live);
  std::vector<std::uint64_t> ids;
  for (const std::int64_t row : rows) {
    ids.push_back(row < 0 ? kNoId : matrix.ids[static_cast<std::size_t>(row)]);
  }
  return ids;
}
// #endregion

// 10,000 random vectors under scattered ids, a hundred of them replaced and a hundred removed.
quire::VectorStore example_store(const std::filesystem::path& directory) {
  constexpr std::uint32_t kDimension = 64;
  std::filesystem::remove_all(directory);
  auto store = quire::VectorStore::create(directory, {.dimension = kDimension}).value();
  std::mt19937 random(1);
  std::uniform_real_distribution<float> element(-1, 1);
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 0; i < 10'000; ++i) ids.push_back(i * 1'000 + 7);
  std::vector<float> rows(10'100 * kDimension);
  for (float& value : rows) value = element(random);
  store.put_batch(ids, std::span(rows).first(ids.size() * kDimension)).value();
  store.put_batch(std::span(ids).first(100), std::span(rows).last(100 * kDimension)).value();
  quire::WriteBatch removes;
  for (std::size_t i = 5'000; i < 5'100; ++i) removes.remove(ids[i]);
  store.write(removes).value();
  return store;
}

int run(int count, char** words) {
  constexpr std::size_t kQueries = 20;
  constexpr std::size_t k = 10;
  auto store = count > 1 ? quire::VectorStore::open_read_only(words[1]).value()
                         : example_store("faiss_search.store");
  const quire::ReadView view = store.view();
  if (view.element_type() != quire::ElementType::f32 || view.size() == 0) {
    std::fputs("faiss_search: this needs a store of f32 vectors that is not empty\n", stderr);
    return 1;
  }
  std::vector<float> queries;
  const auto ids = view.ids();
  for (std::size_t i = 0; i < kQueries; ++i) {
    const auto row = view.find<float>(ids[i * ids.size() / kQueries]).value();
    queries.insert(queries.end(), row.begin(), row.end());
  }
  const std::vector<std::uint64_t> found = search(view, queries, k);

  // The store's own exact search finds the same.
  const auto expected = view.nearest(std::span<const float>(queries), k).value();
  std::size_t same = 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < kQueries; ++i) {
    all += expected[i].size();
    for (const quire::Neighbour& neighbour : expected[i]) {
      const auto mine = std::span(found).subspan(i * k, k);
      same += std::ranges::count(mine, neighbour.id) > 0 ? 1U : 0U;
    }
  }
  std::printf("%zu queries in %llu rows: %zu of %zu neighbours are those of nearest()\n", kQueries,
              static_cast<unsigned long long>(view.size()), same, all);
  return same == all ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "faiss_search: %s\n", error.what());
    return 1;
  }
}
