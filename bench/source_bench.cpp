// Byte sources against what they stand on: a pointer into a map, memcpy, pread. The file lies in the page
// cache; it goes to the current directory.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "quire/block_cache.hpp"
#include "quire/byte_sink.hpp"
#include "quire/local_source.hpp"

namespace {

constexpr std::uint64_t kFileBytes = std::uint64_t{256} << 20;

// The file that all read; removed at the end.
class TestFile {
 public:
  TestFile() : path_("bench-source-" + std::to_string(::getpid())) {
    auto sink = quire::open_file_sink(path_).value();
    const std::vector<std::byte> block(std::size_t{1} << 20, std::byte{1});
    for (std::uint64_t done = 0; done < kFileBytes; done += block.size()) {
      sink->append(block).value();
    }
    sink->commit().value();
  }
  ~TestFile() { std::remove(path_.c_str()); }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const std::string& file_path() {
  static const TestFile file;
  return file.path();
}

using Source = std::shared_ptr<const quire::ByteSource>;
Source mapped() { return quire::open_map_source(file_path()).value(); }
Source by_calls() { return quire::open_file_source(file_path()).value(); }
Source cached() {
  static const auto cache = quire::BlockCache::create({.capacity_bytes = 2 * kFileBytes}).value();
  return cache->attach(by_calls(), {.max_read_ahead_bytes = 0});
}

// Calls `read` at random offsets for state.range(0) bytes.
template <class Read>
void at_random(benchmark::State& state, const Read& read) {
  const auto length = static_cast<std::uint64_t>(state.range(0));
  std::mt19937_64 random(1);
  unsigned sum = 0;
  for (auto _ : state) sum += read(random() % (kFileBytes - length), length);
  benchmark::DoNotOptimize(sum);
}

unsigned first(std::span<const std::byte> bytes) { return std::to_integer<unsigned>(bytes[0]); }

void read_by(benchmark::State& state, Source (*open)()) {
  const Source source = open();
  at_random(state, [&](std::uint64_t offset, std::uint64_t length) {
    return first(source->read(offset, length)->span());
  });
}

// The cost of the call alone: the bytes are not touched.
void read_by_map(benchmark::State& state) {
  const Source source = mapped();
  at_random(state, [&](std::uint64_t offset, std::uint64_t length) {
    return static_cast<unsigned>(source->read(offset, length)->size());
  });
}

void view_map(benchmark::State& state) {
  const Source source = mapped();
  at_random(state, [&](std::uint64_t offset, std::uint64_t length) {
    return static_cast<unsigned>(source->view(offset, length)->size());
  });
}

void read_into_by(benchmark::State& state, Source (*open)()) {
  const Source source = open();
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  at_random(state, [&](std::uint64_t offset, std::uint64_t /*length*/) {
    source->read_into(offset, buffer).value();
    return first(buffer);
  });
}

void limit_pointer(benchmark::State& state) {
  const Source source = mapped();
  const std::byte* base = source->view(0, kFileBytes)->data();
  at_random(state, [&](std::uint64_t offset, std::uint64_t length) {
    benchmark::DoNotOptimize(base + offset);
    return static_cast<unsigned>(length);
  });
}

void limit_pread(benchmark::State& state) {
  const int file = ::open(file_path().c_str(), O_RDONLY);
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  at_random(state, [&](std::uint64_t offset, std::uint64_t length) {
    if (::pread(file, buffer.data(), length, static_cast<off_t>(offset)) < 0) std::abort();
    return first(buffer);
  });
  ::close(file);
}

BENCHMARK(view_map)->Arg(4096)->Arg(65'536);
BENCHMARK(limit_pointer)->Arg(4096)->Arg(65'536);
BENCHMARK(read_by_map)->Arg(4096)->Arg(65'536);
BENCHMARK_CAPTURE(read_by, file, &by_calls)->Arg(4096)->Arg(65'536);
BENCHMARK_CAPTURE(read_by, cache, &cached)->Arg(4096)->Arg(65'536);
BENCHMARK_CAPTURE(read_into_by, map, &mapped)->Arg(4096)->Arg(65'536)->Arg(1 << 20);
BENCHMARK_CAPTURE(read_into_by, file, &by_calls)->Arg(4096)->Arg(65'536)->Arg(1 << 20);
BENCHMARK(limit_pread)->Arg(4096)->Arg(65'536)->Arg(1 << 20);

}  // namespace

BENCHMARK_MAIN();
