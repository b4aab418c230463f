// The nearest vectors, of each element type and by each metric; and against FAISS, and against the speed of
// reading the rows once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/peers/faiss_peer.hpp"
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

// Every byte of the rows once, by a thread a core.
double seconds_to_read(std::span<const std::byte> bytes) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  const std::size_t count = bytes.size() / 8;
  const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> sums(threads * 8);
  const double seconds = seconds_of([&] {
    std::vector<std::jthread> workers;
    for (std::size_t t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        std::uint64_t sum = 0;
        for (std::size_t i = count / threads * t; i < count / threads * (t + 1); ++i) {
          sum += words[i];
        }
        sums[t * 8] = sum;
      });
    }
  });
  benchmark::DoNotOptimize(sums);
  return seconds;
}

// Under ids that are the numbers of their rows. All rows are different, as those of put_rows are not: among
// copies of its nearest neighbour a query has only ties.
quire::VectorStore store_of(const std::filesystem::path& path, quire::ElementType type,
                            std::span<const float> rows) {
  auto store = quire::VectorStore::create(path,
                                          {.dimension = kDimension,
                                           .element_type = type,
                                           .durability = quire::Durability::checkpoint_only},
                                          {.convert = true})
                   .value();
  store.put_batch(ids_of(0, rows.size() / kDimension), rows).value();
  store.checkpoint().value();
  return store;
}

// Says how many of the neighbours that `faiss` finds `view` finds, too. The elements are whole numbers whose
// sums floats hold exactly, however they are calculated: only ties could be told apart differently.
void check_against_faiss(const quire::ReadView& view, const FaissSearch& faiss,
                         std::span<const float> queries, std::size_t k) {
  if (!faiss) return;
  const std::vector<std::int64_t> expected = faiss(queries, k);
  const auto found = view.nearest(queries, k).value();
  std::size_t same = 0;
  for (std::size_t query = 0; query < found.size(); ++query) {
    const auto rows = std::span(expected).subspan(query * k, k);
    same += static_cast<std::size_t>(
        std::ranges::count_if(found[query], [&](const quire::Neighbour& one) {
          return std::ranges::count(rows, static_cast<std::int64_t>(one.id)) > 0;
        }));
  }
  std::printf("\n%zu of %zu neighbours are those of FAISS: goal all: %s\n", same, expected.size(),
              same == expected.size() ? "met" : "MISSED");
}

void compare_nearest(quire::ElementType type) {
  constexpr std::uint64_t kRows = 1'000'000;
  constexpr std::uint64_t kQueries = 64;
  constexpr std::size_t kNeighbours = 10;
  Contest contest("nearest of 1,000,000 x 128 " + std::string(quire::to_string(type)), 11);
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  const std::vector<float> matrix = random_rows(kRows + kQueries, kDimension);
  const auto rows = std::span(matrix).first(kRows * kDimension);
  const auto floats = std::span(matrix).last(kQueries * kDimension);
  const auto store = store_of(scratch / "store", type, rows);
  const quire::ReadView view = store.view();
  const std::size_t row_bytes = quire::row_bytes(type, kDimension);
  const auto bytes = view.rows().bytes.first(kRows * row_bytes);
  std::vector<std::byte> queries(kQueries * row_bytes);
  quire::convert(floats, kDimension, type, queries).value();
  const auto nearest = [&](std::size_t count) {
    const quire::VectorRef some(type, std::span(queries).first(count * row_bytes));
    return seconds_of([&] { benchmark::DoNotOptimize(view.nearest(some, kNeighbours).value()); });
  };
  contest.add("1 query", [&] { return nearest(1); })
      .add("64 queries", [&] { return nearest(kQueries); })
      .add("reading the rows once", [&] { return seconds_to_read(bytes); })
      .goal("1 query", "reading the rows once", 0.85);
  if (type != quire::ElementType::f32) return contest.run();  // FAISS has no flat search in bytes

  const FaissSearch flat = faiss_flat(rows, kDimension);
  const FaissSearch shards = faiss_shards(rows, kDimension, std::thread::hardware_concurrency());
  check_against_faiss(view, flat, floats, kNeighbours);
  const auto search = [&](const FaissSearch& faiss, std::size_t count) {
    if (!faiss) return std::numeric_limits<double>::quiet_NaN();
    return seconds_of(
        [&] { benchmark::DoNotOptimize(faiss(floats.first(count * kDimension), kNeighbours)); });
  };
  contest.add("1 query, FAISS flat", [&] { return search(flat, 1); })
      .add("1 query, FAISS flat, a shard a core", [&] { return search(shards, 1); })
      .add("64 queries, FAISS flat", [&] { return search(flat, kQueries); })
      .goal("1 query", "1 query, FAISS flat", 0.8)
      .goal("1 query", "1 query, FAISS flat, a shard a core", 0.8)
      .goal("64 queries", "64 queries, FAISS flat", 0.8)
      .run();
}

}  // namespace

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 1;
  for (const auto type : {quire::ElementType::f32, quire::ElementType::u8}) compare_nearest(type);
  benchmark::RunSpecifiedBenchmarks();
}
