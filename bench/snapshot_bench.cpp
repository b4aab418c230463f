// Snapshots against what the machine gives: plain writing, memory bandwidth, the store itself. Files go to
// the current directory.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/checksum.hpp"
#include "bench/scratch.hpp"
#include "quire/local_source.hpp"
#include "quire/snapshot.hpp"

namespace {

constexpr std::uint32_t kDimension = 128;

// A store with `rows` vectors, and its snapshot; ids that follow one another, or random ones.
struct Data {
  Data(const std::filesystem::path& directory, std::uint64_t rows, bool random_ids)
      : ids(rows),
        store(quire::VectorStore::create(directory, {.dimension = kDimension}).value()),
        file(directory.string() + ".quire") {
    std::mt19937_64 random(1);
    std::iota(ids.begin(), ids.end(), 0);
    if (random_ids) {
      for (std::uint64_t& id : ids) id = random();
    }
    std::vector<float> matrix(rows * kDimension);
    for (float& element : matrix) element = static_cast<float>(random() % 256);
    store.put_batch(ids, matrix).value();
    quire::create_snapshot(store.view(), file).value();
  }

  std::vector<std::uint64_t> ids;
  quire::VectorStore store;
  std::filesystem::path file;
};

const Data& data_of(std::uint64_t rows, bool random_ids) {
  static const Scratch scratch;
  static std::map<std::pair<std::uint64_t, bool>, Data> made;
  const auto key = std::pair(rows, random_ids);
  if (const auto found = made.find(key); found != made.end()) return found->second;
  const std::string name = std::to_string(rows) + (random_ids ? "-random" : "-dense");
  return made.try_emplace(key, scratch / name, rows, random_ids).first->second;
}

const Data& data_of(const benchmark::State& state) {
  return data_of(static_cast<std::uint64_t>(state.range(0)), state.range(1) != 0);
}

std::int64_t bytes_of(const benchmark::State& state) {
  return state.range(0) * kDimension * static_cast<std::int64_t>(sizeof(float));
}

// Finds each row of `source` by a random id of the data, and touches it.
template <class Find>
void find_random(benchmark::State& state, const Data& data, const Find& find) {
  std::mt19937_64 random(2);
  float sum = 0;
  for (auto _ : state) {
    sum += find(data.ids[random() % data.ids.size()]);
  }
  benchmark::DoNotOptimize(sum);
}

void snapshot_find_mapped(benchmark::State& state) {
  const Data& data = data_of(state);
  const auto snapshot = quire::Snapshot::open(data.file).value();
  snapshot.matrix_bytes().value();  // every block is compared before, not while it is measured
  find_random(state, data,
              [&](std::uint64_t id) { return snapshot.find<float>(id)->elements()[0]; });
}

// The same without a counter: the number of the row, then the matrix.
void snapshot_row_mapped(benchmark::State& state) {
  const Data& data = data_of(state);
  const auto snapshot = quire::Snapshot::open(data.file).value();
  const auto matrix = snapshot.matrix<float>().value();
  find_random(state, data, [&](std::uint64_t id) {
    return matrix[static_cast<std::size_t>(*snapshot.row_of(id)) * kDimension];
  });
}

void snapshot_get_from_file(benchmark::State& state) {
  const Data& data = data_of(state);
  const auto source = quire::open_file_source(data.file.string()).value();
  const auto snapshot =
      quire::Snapshot::open(source, {.cache_bytes = std::uint64_t{4} << 30}).value();
  snapshot.ids().value();
  find_random(state, data,
              [&](std::uint64_t id) { return snapshot.find<float>(id)->elements()[0]; });
}

void limit_store_find(benchmark::State& state) {
  const Data& data = data_of(state);
  const quire::ReadView view = data.store.view();
  find_random(state, data, [&](std::uint64_t id) { return (*view.find<float>(id))[0]; });
}

void snapshot_create(benchmark::State& state) {
  const Data& data = data_of(state);
  const std::filesystem::path file = data.file.string() + "-again";
  for (auto _ : state) quire::create_snapshot(data.store.view(), file).value();
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

// The same bytes by pwrite of 1 MiB, and fdatasync.
void limit_write_file(benchmark::State& state) {
  const Data& data = data_of(state);
  const std::string path = data.file.string() + "-plain";
  const std::vector<std::byte> block(std::size_t{1} << 20);
  for (auto _ : state) {
    const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    for (std::int64_t done = 0; done < bytes_of(state);) {
      const auto length = std::min<std::int64_t>(bytes_of(state) - done, 1 << 20);
      done += ::pwrite(file, block.data(), static_cast<std::size_t>(length), done);
    }
    ::fdatasync(file);
    ::close(file);
  }
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

void snapshot_verify(benchmark::State& state) {
  const auto snapshot = quire::Snapshot::open(data_of(state).file).value();
  for (auto _ : state) {
    if (!snapshot.verify()->ok()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

void snapshot_scan(benchmark::State& state) {
  const auto snapshot = quire::Snapshot::open(data_of(state).file).value();
  snapshot.matrix_bytes().value();
  for (auto _ : state) {
    auto scan = snapshot.scan();
    std::uint64_t sum = 0;
    for (auto rows = scan.next().value(); !rows.ids.empty(); rows = scan.next().value()) {
      sum += quire::base::checksum(rows.rows.span());
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

// One core over the bytes in memory.
void limit_checksum(benchmark::State& state) {
  const auto snapshot = quire::Snapshot::open(data_of(state).file).value();
  const auto matrix = snapshot.matrix_bytes().value();
  for (auto _ : state) benchmark::DoNotOptimize(quire::base::checksum(matrix));
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

void snapshot_nearest(benchmark::State& state) {
  const Data& data = data_of(state);
  const auto snapshot = quire::Snapshot::open(data.file).value();
  const std::vector<float> query(kDimension, 100.0F);
  snapshot.nearest(query, 10).value();
  for (auto _ : state) benchmark::DoNotOptimize(snapshot.nearest(query, 10).value());
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

void limit_store_nearest(benchmark::State& state) {
  const quire::ReadView view = data_of(state).store.view();
  const std::vector<float> query(kDimension, 100.0F);
  for (auto _ : state) benchmark::DoNotOptimize(view.nearest(query, 10).value());
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

void snapshot_restore(benchmark::State& state) {
  const Data& data = data_of(state);
  const auto snapshot = quire::Snapshot::open(data.file).value();
  const std::filesystem::path directory = data.file.string() + "-restored";
  for (auto _ : state) {
    quire::restore_snapshot(snapshot, directory).value();
    state.PauseTiming();
    std::filesystem::remove_all(directory);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * bytes_of(state));
}

// Rows, and whether their ids are random.
void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t rows : {10'000, 100'000, 1'000'000}) {
    for (const std::int64_t random : {0, 1}) benchmark->Args({rows, random});
  }
}

BENCHMARK(snapshot_find_mapped)->Apply(sizes);
BENCHMARK(snapshot_row_mapped)->Apply(sizes);
BENCHMARK(snapshot_get_from_file)->Apply(sizes);
BENCHMARK(limit_store_find)->Apply(sizes);
BENCHMARK(snapshot_create)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(limit_write_file)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(snapshot_verify)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(snapshot_scan)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(limit_checksum)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(snapshot_nearest)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(limit_store_nearest)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(snapshot_restore)->Apply(sizes)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
