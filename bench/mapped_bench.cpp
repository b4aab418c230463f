// What a mapped file costs: views, guarded copies against plain ones, growth.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "quire/mapped_file.hpp"

namespace {

constexpr std::uint64_t kFileSize = 16 * 1024 * 1024;

// A file that is removed with the benchmark, its pages warm.
class WarmFile {
 public:
  WarmFile() : path_(std::filesystem::temp_directory_path() / "quire-mapped-bench") {
    file = quire::MappedFile::create_or_replace(path_, kFileSize).value();
    file.fill(0, kFileSize, std::byte{1}).value();
  }
  ~WarmFile() { std::filesystem::remove(path_); }
  WarmFile(const WarmFile&) = delete;
  WarmFile& operator=(const WarmFile&) = delete;

  quire::MappedFile file;

 private:
  std::string path_;
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
BENCHMARK(BM_WriteAndFlush4KiB)->Iterations(200);

}  // namespace

BENCHMARK_MAIN();
