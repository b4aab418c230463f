// The nearest vectors, of each element type and by each metric.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/store_contest.hpp"
#include "quire/convert.hpp"
#include "quire/vector_store.hpp"

namespace {

constexpr std::uint32_t kDimension = 128;

// One query, and 64 together, of each element type and metric; bytes are those of the rows.
void nearest_of_type(benchmark::State& state) {
  constexpr std::uint64_t kRows = 1'000'000;
  const auto type = static_cast<quire::ElementType>(state.range(0));
  const auto metric = static_cast<quire::Metric>(state.range(1));
  static const Scratch scratch;
  static std::map<quire::ElementType, quire::VectorStore> stores;
  if (!stores.contains(type)) {
    auto store = quire::VectorStore::create(scratch / std::string(quire::to_string(type)),
                                            {.dimension = kDimension, .element_type = type},
                                            {.convert = true})
                     .value();
    constexpr std::uint64_t kBatch = 50'000;
    std::vector<float> matrix = random_rows(kBatch, kDimension);
    for (float& element : matrix) element = element / 2 - 63;
    for (std::uint64_t first = 0; first < kRows; first += kBatch) {
      store.put_batch(ids_of(first, kBatch), matrix).value();
    }
    stores.emplace(type, std::move(store));
  }
  const quire::ReadView view = stores.at(type).view();
  const auto count = static_cast<std::size_t>(state.range(2));
  std::vector<float> floats = random_rows(count, kDimension);
  for (float& element : floats) element = element / 2 - 63;
  const std::size_t row_bytes = quire::row_bytes(type, kDimension);
  std::vector<std::byte> queries(count * row_bytes);
  quire::convert(floats, kDimension, type, queries).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        view.nearest(quire::VectorRef(type, queries), 10, {.metric = metric}).value());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRows * row_bytes));
  state.SetLabel(std::string(quire::to_string(type)) + " " + std::string(quire::to_string(metric)));
}
BENCHMARK(nearest_of_type)
    ->ArgsProduct({{1, 2, 3, 4, 5, 6}, {0, 1, 2, 3}, {1, 64}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
