// What a mapped file costs: views, guarded copies against plain ones, growth.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/scratch.hpp"
#include "os/file_system.hpp"
#include "quire/latency_histogram.hpp"
#include "quire/mapped_file.hpp"

namespace {

constexpr std::uint64_t kFileSize = 16 * 1024 * 1024;
constexpr std::uint64_t kLargest = std::uint64_t{8} << 30;

// A new file with allocated space, below everything that is measured here.
std::unique_ptr<quire::os::File> raw_file(const std::string& path, std::uint64_t size) {
  std::filesystem::remove(path);
  auto file = quire::os::real_file_system().open(path, quire::os::OpenMode::create_new).value();
  file->allocate({0, size}).value();
  return file;
}

// A file that is removed with the benchmark, its pages warm.
class WarmFile {
 public:
  WarmFile() : file(quire::MappedFile::create(scratch_ / "warm", kFileSize).value()) {
    for (std::uint64_t at = 0; at < kFileSize; at += 4096)
      file.fill(at, 4096, std::byte{1}).value();
  }

 private:
  Scratch scratch_;

 public:
  quire::MappedFile file;
};

// Offsets that the compiler cannot foresee, inside the file by more than 1 MiB.
std::uint64_t next_offset(std::uint64_t& state) {
  state = state * 6364136223846793005U + 1442695040888963407U;
  return (state >> 33) % (kFileSize - 1024 * 1024 - 64) / 64 * 64;
}

void BM_ViewOfARange(benchmark::State& state) {
  const WarmFile warm;
  std::uint64_t offset = 0;
  for (auto _ : state) {
    auto bytes = warm.file.bytes(offset, 64);
    benchmark::DoNotOptimize(bytes->data());
    offset = (offset + 64) % (kFileSize / 2);
  }
}
BENCHMARK(BM_ViewOfARange);

void BM_ViewAsNumbers(benchmark::State& state) {
  const WarmFile warm;
  std::uint64_t offset = 0;
  for (auto _ : state) {
    auto numbers = warm.file.view_as<std::uint64_t>(offset, 8);
    benchmark::DoNotOptimize(numbers->data());
    offset = (offset + 64) % (kFileSize / 2);
  }
}
BENCHMARK(BM_ViewAsNumbers);

void BM_Pin(benchmark::State& state) {
  const WarmFile warm;
  for (auto _ : state) {
    auto pin = warm.file.pin(0, 64);
    benchmark::DoNotOptimize(pin->span().data());
  }
}
BENCHMARK(BM_Pin);

void BM_ReadIntoGuarded(benchmark::State& state) {
  const WarmFile warm;
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  std::uint64_t random = 1;
  for (auto _ : state) {
    auto done = warm.file.read_into(next_offset(random), buffer);
    benchmark::DoNotOptimize(done.has_value());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ReadIntoGuarded)->Arg(64)->Arg(4096)->Arg(1024 * 1024);

void BM_Memcpy(benchmark::State& state) {
  const WarmFile warm;
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  const std::byte* const base = warm.file.bytes(0, kFileSize)->data();
  std::uint64_t random = 1;
  for (auto _ : state) {
    std::memcpy(buffer.data(), base + next_offset(random), buffer.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Memcpy)->Arg(64)->Arg(4096)->Arg(1024 * 1024);

void BM_WriteGuarded(benchmark::State& state) {
  WarmFile warm;
  const std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)), std::byte{2});
  std::uint64_t random = 1;
  for (auto _ : state) {
    auto done = warm.file.write(next_offset(random), buffer);
    benchmark::DoNotOptimize(done.has_value());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_WriteGuarded)->Arg(64)->Arg(4096)->Arg(1024 * 1024);

// The guard and nothing else.
void BM_GuardedCall(benchmark::State& state) {
  const WarmFile warm;
  for (auto _ : state) {
    auto first = warm.file.guarded({0, 64}, [](auto bytes) noexcept { return bytes[0]; });
    benchmark::DoNotOptimize(first.value());
  }
}
BENCHMARK(BM_GuardedCall);

void BM_Grow64KiB(benchmark::State& state) {
  WarmFile warm;
  for (auto _ : state) {
    auto grown = warm.file.grow(warm.file.size() + 64 * 1024);
    if (grown) continue;
    state.PauseTiming();
    warm.file.shrink(kFileSize).value();
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Grow64KiB)->Iterations(4000);

// Appending, against what it is made of.
void BM_Append(benchmark::State& state) {
  const Scratch scratch;
  auto file = quire::MappedFile::create(scratch / "log", 0, {.reserve = kLargest}).value();
  const std::vector<std::byte> record(static_cast<std::size_t>(state.range(0)), std::byte{4});
  for (auto _ : state) file.append(record).value();
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Append)->Arg(100)->Arg(4096)->Arg(65536)->Iterations(10000);

void BM_AppendByPwrite(benchmark::State& state) {
  const Scratch scratch;
  auto raw = raw_file(scratch / "log", 0);
  const std::vector<std::byte> record(static_cast<std::size_t>(state.range(0)), std::byte{4});
  std::uint64_t size = 0;
  for (auto _ : state) {
    raw->pwrite(size, record).value();
    size += record.size();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_AppendByPwrite)->Arg(100)->Arg(4096)->Arg(65536)->Iterations(10000);

// New data into a new file, from front to back: MiB of data, bytes a write. The file is made, written
// and released; nothing is flushed.
void BM_NewData(benchmark::State& state) {
  const Scratch scratch;
  const std::uint64_t size = static_cast<std::uint64_t>(state.range(0)) << 20;
  const std::vector<std::byte> block(static_cast<std::size_t>(state.range(1)), std::byte{5});
  for (auto _ : state) {
    auto file = quire::MappedFile::create_or_replace(scratch / "new", size).value();
    for (std::uint64_t at = 0; at < size; at += block.size()) file.write(at, block).value();
    benchmark::DoNotOptimize(file.size());
    state.PauseTiming();
    file = quire::MappedFile();
    std::filesystem::remove(scratch / "new");
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
// The limit: allocate, then 1 MiB a call.
void BM_NewDataByPwrite(benchmark::State& state) {
  const Scratch scratch;
  const std::uint64_t size = static_cast<std::uint64_t>(state.range(0)) << 20;
  const std::vector<std::byte> block(std::size_t{1} << 20, std::byte{5});
  for (auto _ : state) {
    auto raw = raw_file(scratch / "new", size);
    for (std::uint64_t at = 0; at < size; at += block.size()) raw->write_all(at, block).value();
    state.PauseTiming();
    raw.reset();
    std::filesystem::remove(scratch / "new");
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
// What a loop of stores into a fresh mapping costs.
void BM_NewDataByMemcpy(benchmark::State& state) {
  const Scratch scratch;
  const std::uint64_t size = static_cast<std::uint64_t>(state.range(0)) << 20;
  const std::vector<std::byte> block(static_cast<std::size_t>(state.range(1)), std::byte{5});
  for (auto _ : state) {
    auto raw = raw_file(scratch / "new", size);
    auto map = raw->map(quire::os::MapAccess::read_write, size).value();
    for (std::uint64_t at = 0; at < size; at += block.size()) {
      std::memcpy(map.data() + at, block.data(), block.size());
    }
    state.PauseTiming();
    map = quire::os::Mapping();
    raw.reset();
    std::filesystem::remove(scratch / "new");
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(BM_NewDataByPwrite)->Args({64, 0})->Args({1024, 0})->UseRealTime();
BENCHMARK(BM_NewData)->ArgsProduct({{64, 1024}, {4096, 65536, 1 << 20}})->UseRealTime();
BENCHMARK(BM_NewDataByMemcpy)->ArgsProduct({{64, 1024}, {4096, 1 << 20}})->UseRealTime();

// 64 bytes at a time by one and two threads, each in a half of its own; warm pages.
void BM_DisjointWrites(benchmark::State& state) {
  static std::unique_ptr<WarmFile> warm;
  if (state.thread_index() == 0) warm = std::make_unique<WarmFile>();
  const std::vector<std::byte> record(64, std::byte{6});
  const std::uint64_t half = static_cast<std::uint64_t>(state.thread_index()) * (kFileSize / 2);
  std::uint64_t at = 0;
  for (auto _ : state) {
    warm->file.write(half + at, record).value();
    at = (at + 4096 + 64) % (kFileSize / 2 - 64);
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) warm.reset();
}
BENCHMARK(BM_DisjointWrites)->Threads(1)->Threads(2)->UseRealTime();

void BM_DisjointMemcpy(benchmark::State& state) {
  static std::unique_ptr<WarmFile> warm;
  if (state.thread_index() == 0) warm = std::make_unique<WarmFile>();
  const std::vector<std::byte> record(64, std::byte{6});
  const std::uint64_t half = static_cast<std::uint64_t>(state.thread_index()) * (kFileSize / 2);
  std::uint64_t at = 0;
  std::byte* base = nullptr;
  for (auto _ : state) {
    if (base == nullptr) base = warm->file.mutable_bytes(0, kFileSize)->data();
    std::memcpy(base + half + at, record.data(), record.size());
    benchmark::ClobberMemory();
    at = (at + 4096 + 64) % (kFileSize / 2 - 64);
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) warm.reset();
}
BENCHMARK(BM_DisjointMemcpy)->Threads(1)->Threads(2)->UseRealTime();

// Reads of 64 bytes while the file grows from 1 MiB to 4 GiB (argument 1), or does not (0): the
// counter is the 99.9th percentile in ns.
void BM_ReadWhileItGrows(benchmark::State& state) {
  const Scratch scratch;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  auto file = quire::MappedFile::create(scratch / "file", kMiB, {.reserve = kLargest}).value();
  file.fill(0, kMiB, std::byte{1}).value();
  std::atomic<bool> stop = false;
  std::jthread grower([&] {
    while (state.range(0) != 0 && !stop && file.size() < 4096 * kMiB) {
      file.grow(file.size() + 4 * kMiB).value();
    }
  });
  quire::LatencyHistogram reads;
  std::vector<std::byte> buffer(64);
  std::uint64_t random = 1;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 16; ++i) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      file.read_into((random >> 33) % (kMiB - 64), buffer).value();
    }
    const auto took = std::chrono::steady_clock::now() - begin;
    reads.record(static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count()) / 16);
  }
  stop = true;
  state.counters["p99.9_ns"] = static_cast<double>(reads.snapshot().percentile(99.9));
}
BENCHMARK(BM_ReadWhileItGrows)->Arg(0)->Arg(1)->Iterations(200000)->UseRealTime();

// A durable update of 4 KiB at random places.
void BM_WriteAndFlush4KiB(benchmark::State& state) {
  WarmFile warm;
  const std::vector<std::byte> buffer(4096, std::byte{3});
  std::uint64_t random = 1;
  for (auto _ : state) {
    const std::uint64_t offset = next_offset(random);
    warm.file.write(offset, buffer).value();
    warm.file.flush_range({offset, buffer.size()}).value();
  }
}
BENCHMARK(BM_WriteAndFlush4KiB)->Iterations(200)->UseRealTime();

void BM_MemcpyAndFdatasync4KiB(benchmark::State& state) {
  const Scratch scratch;
  auto raw = raw_file(scratch / "file", kFileSize);
  auto map = raw->map(quire::os::MapAccess::read_write, kFileSize).value();
  std::memset(map.data(), 1, kFileSize);
  raw->sync().value();
  const std::vector<std::byte> buffer(4096, std::byte{3});
  std::uint64_t random = 1;
  for (auto _ : state) {
    std::memcpy(map.data() + next_offset(random), buffer.data(), buffer.size());
    raw->sync().value();
  }
}
BENCHMARK(BM_MemcpyAndFdatasync4KiB)->Iterations(200)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
