// Searches a vector store approximately, with the graph of USearch over the store's own rows: the graph
// holds pointers, no vector is copied.
//
//     usearch_search DIR    a store of f32 vectors; without DIR it makes one in ./usearch_search.store
//
// The view must live as long as the graph, and what is written later is not in it: make another one now and
// then, or add what is new from a newer view and keep both views.
#include <quire/vector_store.hpp>
#include <usearch/index_dense.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using unum::usearch::index_dense_t;

// #region graph
// A graph of every vector in the view. Valid as long as the view.
index_dense_t graph_of(const quire::ReadView& view) {
  const unum::usearch::metric_punned_t l2(view.dimension(), unum::usearch::metric_kind_t::l2sq_k,
                                          unum::usearch::scalar_kind_t::f32_k);
  auto made = index_dense_t::make(l2);
  if (!made) throw std::runtime_error(made.error.release());
  index_dense_t graph = std::move(made.index);
  if (!graph.try_reserve(view.size())) throw std::bad_alloc();
  for (const std::uint64_t id : view.ids()) {
    const float* row = view.find<float>(id)->data();
    auto added = graph.add(id, row, index_dense_t::any_thread(), /*copy_vector=*/false);
    if (!added) throw std::runtime_error(added.error.release());
  }
  return graph;
}
// #endregion

// 5,000 random vectors under scattered ids, a hundred of them replaced and a hundred removed.
quire::VectorStore example_store(const std::filesystem::path& directory) {
  constexpr std::uint32_t kDimension = 32;
  std::filesystem::remove_all(directory);
  auto store = quire::VectorStore::create(directory, {.dimension = kDimension}).value();
  std::mt19937 random(1);
  std::uniform_real_distribution<float> element(-1, 1);
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 0; i < 5'000; ++i) ids.push_back(i * 1'000 + 7);
  std::vector<float> rows(5'100 * kDimension);
  for (float& value : rows) value = element(random);
  store.put_batch(ids, std::span(rows).first(ids.size() * kDimension)).value();
  store.put_batch(std::span(ids).first(100), std::span(rows).last(100 * kDimension)).value();
  quire::WriteBatch removes;
  for (std::size_t i = 2'000; i < 2'100; ++i) removes.remove(ids[i]);
  store.write(removes).value();
  return store;
}

int run(int count, char** words) {
  constexpr std::size_t kQueries = 100;
  constexpr std::size_t k = 10;
  auto store = count > 1 ? quire::VectorStore::open_read_only(words[1]).value()
                         : example_store("usearch_search.store");
  const quire::ReadView view = store.view();
  if (view.element_type() != quire::ElementType::f32 || view.size() == 0) {
    std::fputs("usearch_search: this needs a store of f32 vectors that is not empty\n", stderr);
    return 1;
  }
  const index_dense_t graph = graph_of(view);

  // The recall: how many of the true neighbours it finds.
  const auto ids = view.ids();
  std::size_t found = 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const auto query = view.find<float>(ids[i * ids.size() / kQueries]).value();
    const auto expected = view.nearest(query, k).value();
    std::vector<std::uint64_t> keys(k);
    keys.resize(graph.search(query.data(), k).dump_to(keys.data()));
    for (const quire::Neighbour& neighbour : expected[0]) {
      ++all;
      for (const std::uint64_t key : keys) found += key == neighbour.id ? 1U : 0U;
    }
  }
  std::printf("%zu queries in %llu rows: recall of the %zu nearest %.3f\n", kQueries,
              static_cast<unsigned long long>(view.size()), k,
              static_cast<double>(found) / static_cast<double>(all));
  return found * 10 >= all * 8 ? 0 : 1;  // far below would be an error of this program
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "usearch_search: %s\n", error.what());
    return 1;
  }
}
