// The vector store against what the machine gives: a bare cache miss, an append with fdatasync, the
// speed of memory. Files go to the current directory.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/scratch.hpp"
#include "quire/bulk_loader.hpp"
#include "quire/convert.hpp"
#include "quire/vector_store.hpp"

namespace {

constexpr std::uint32_t kDimension = 128;

std::vector<float> random_rows(std::size_t rows) {
  std::vector<float> matrix(rows * kDimension);
  std::mt19937 random(1);
  for (float& element : matrix) element = static_cast<float>(random() % 256);
  return matrix;
}

quire::VectorStore fill(const std::filesystem::path& path, std::uint64_t rows) {
  auto store = quire::VectorStore::create(path, {.dimension = kDimension}).value();
  constexpr std::uint64_t kBatch = 50'000;
  const std::vector<float> matrix = random_rows(std::min(rows, kBatch));
  for (std::uint64_t first = 0; first < rows; first += kBatch) {
    std::vector<std::uint64_t> ids(std::min(kBatch, rows - first));
    std::iota(ids.begin(), ids.end(), first);
    store.put_batch(ids, std::span(matrix).first(ids.size() * kDimension)).value();
  }
  return store;
}

// One store of each size for all benchmarks.
const quire::VectorStore& store_of(std::uint64_t rows) {
  static const Scratch scratch;
  static std::map<std::uint64_t, quire::VectorStore> stores;
  const auto found = stores.find(rows);
  if (found != stores.end()) return found->second;
  return stores.emplace(rows, fill(scratch / std::to_string(rows), rows)).first->second;
}

void find_random(benchmark::State& state) {
  const auto rows = static_cast<std::uint64_t>(state.range(0));
  const quire::ReadView view = store_of(rows).view();
  std::mt19937_64 random(2);
  float sum = 0;
  for (auto _ : state) sum += (*view.find<float>(random() % rows))[0];
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(find_random)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

// The limit for find: the random number and one load from the row.
void touch_random_row(benchmark::State& state) {
  const auto rows = static_cast<std::uint64_t>(state.range(0));
  const quire::ReadView view = store_of(rows).view();
  const float* matrix = view.find<float>(0)->data();
  std::mt19937_64 random(2);
  float sum = 0;
  for (auto _ : state) sum += matrix[random() % rows * kDimension];
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(touch_random_row)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void put_batch_durable(benchmark::State& state) {
  const Scratch scratch;
  auto store = quire::VectorStore::create(scratch / "store", {.dimension = kDimension}).value();
  const auto count = static_cast<std::uint64_t>(state.range(0));
  const std::vector<float> matrix = random_rows(count);
  std::vector<std::uint64_t> ids(count);
  std::uint64_t next = 0;
  for (auto _ : state) {
    std::iota(ids.begin(), ids.end(), next);
    next += count;
    store.put_batch(ids, matrix).value();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(put_batch_durable)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000)->UseRealTime();

// The limit for puts: the same bytes appended to one file with fdatasync.
void plain_append_durable(benchmark::State& state) {
  const Scratch scratch;
  const std::string path = scratch / "file";
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR, 0644);
  const std::vector<float> matrix = random_rows(static_cast<std::size_t>(state.range(0)));
  const std::size_t bytes = matrix.size() * sizeof(float);
  off_t at = 0;
  for (auto _ : state) {
    if (::pwrite(file, matrix.data(), bytes, at) != static_cast<ssize_t>(bytes) ||
        ::fdatasync(file) != 0) {
      state.SkipWithError("write failed");
    }
    at += static_cast<off_t>(bytes);
  }
  ::close(file);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(plain_append_durable)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000)->UseRealTime();

constexpr std::uint64_t kLoadRows = 131'072;  // 64 MiB

// A new store filled by threads, each writing a mebibyte at a time; one commit of all.
void bulk_load_durable(benchmark::State& state) {
  const auto threads = static_cast<std::uint64_t>(state.range(0));
  constexpr std::uint64_t kPiece = 2'048;
  const std::vector<float> piece = random_rows(kPiece);
  for (auto _ : state) {
    state.PauseTiming();
    const Scratch scratch;
    auto store = quire::VectorStore::create(scratch / "store", {.dimension = kDimension}).value();
    state.ResumeTiming();
    auto loader = store.bulk_load({.expected_rows = kLoadRows}).value();
    std::vector<quire::BulkRows> parts;
    for (std::uint64_t i = 0; i < threads; ++i) {
      parts.push_back(loader.claim(kLoadRows / threads).value());
    }
    const auto write = [&](std::uint64_t thread) {
      std::vector<std::uint64_t> ids(kPiece);
      const std::uint64_t first = thread * (kLoadRows / threads);
      for (std::uint64_t row = 0; row < kLoadRows / threads; row += kPiece) {
        std::iota(ids.begin(), ids.end(), first + row);
        parts[thread].append(ids, piece).value();
      }
    };
    std::vector<std::jthread> workers;
    for (std::uint64_t i = 0; i < threads; ++i) workers.emplace_back(write, i);
    workers.clear();
    loader.commit(parts).value();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kLoadRows) * kDimension *
                          4);
}
BENCHMARK(bulk_load_durable)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// The limit for bulk loads: the same bytes by pwrite, a mebibyte at a time, and one fdatasync.
void plain_write_durable(benchmark::State& state) {
  const std::vector<float> piece = random_rows(2'048);
  const std::size_t bytes = piece.size() * sizeof(float);
  for (auto _ : state) {
    state.PauseTiming();
    const Scratch scratch;
    const std::string path = scratch / "file";
    const int file = ::open(path.c_str(), O_CREAT | O_RDWR, 0644);
    state.ResumeTiming();
    for (std::size_t at = 0; at < kLoadRows * kDimension * 4; at += bytes) {
      if (::pwrite(file, piece.data(), bytes, static_cast<off_t>(at)) !=
          static_cast<ssize_t>(bytes)) {
        state.SkipWithError("write failed");
      }
    }
    if (::fdatasync(file) != 0) state.SkipWithError("sync failed");
    ::close(file);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kLoadRows) * kDimension *
                          4);
}
BENCHMARK(plain_write_durable)->UseRealTime()->Unit(benchmark::kMillisecond);

void nearest(benchmark::State& state) {
  const quire::ReadView view = store_of(1'000'000).view();
  const std::vector<float> queries = random_rows(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(view.nearest(queries, 10).value());
  state.SetBytesProcessed(state.iterations() * 1'000'000 * kDimension * 4);
}
BENCHMARK(nearest)->Arg(1)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

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
    std::vector<float> matrix = random_rows(kBatch);
    for (float& element : matrix) element = element / 2 - 63;
    for (std::uint64_t first = 0; first < kRows; first += kBatch) {
      std::vector<std::uint64_t> ids(kBatch);
      std::iota(ids.begin(), ids.end(), first);
      store.put_batch(ids, matrix).value();
    }
    stores.emplace(type, std::move(store));
  }
  const quire::ReadView view = stores.at(type).view();
  const auto count = static_cast<std::size_t>(state.range(2));
  std::vector<float> floats = random_rows(count);
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

// The limit for one query: the rows of `nearest` read once, by a thread a core.
void read_rows(benchmark::State& state) {
  constexpr std::size_t kWords = 1'000'000 * kDimension * 4 / 8;
  const quire::ReadView view = store_of(1'000'000).view();
  const auto* words = reinterpret_cast<const std::uint64_t*>(view.find<float>(0)->data());
  const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  for (auto _ : state) {
    std::vector<std::uint64_t> sums(threads * 8);
    {
      std::vector<std::jthread> workers;
      for (std::size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
          std::uint64_t sum = 0;
          for (std::size_t i = kWords / threads * t; i < kWords / threads * (t + 1); ++i) {
            sum += words[i];
          }
          sums[t * 8] = sum;
        });
      }
    }
    benchmark::DoNotOptimize(sums);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kWords * 8));
}
BENCHMARK(read_rows)->UseRealTime()->Unit(benchmark::kMillisecond);

void open_and_close(benchmark::State& state) {
  const Scratch scratch;
  fill(scratch / "store", static_cast<std::uint64_t>(state.range(0))).close().value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(quire::VectorStore::open_read_only(scratch / "store").value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(open_and_close)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
