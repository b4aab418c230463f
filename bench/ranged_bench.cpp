// What ranged writes cost, against the Rust crates that have them, pwrite, and plain stores.
//
// Contests (bench/contest.hpp); of Google Benchmark's arguments they know --benchmark_filter.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "bench/contest.hpp"
#include "bench/peers/rust_peers.hpp"
#include "bench/scratch.hpp"
#include "quire/range_allocator.hpp"
#include "quire/ranged_file.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using quire::FileRange;
using quire::RangedFile;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// The benchmark ends where what it needs fails.
void check(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

// A file descriptor, closed with the object.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags, 0666)) {
    check(descriptor_ >= 0, "open");
  }
  ~Descriptor() { ::close(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

void write_all(const Descriptor& file, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    check(written > 0, "pwrite");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

// Runs work(thread) in each of so many threads. Seconds from when all are there to the end of the last.
template <class Work>
double in_threads(std::uint64_t threads, Work&& work) {
  std::barrier all_there(static_cast<std::ptrdiff_t>(threads));
  std::vector<Clock::time_point> begins(threads);
  std::vector<Clock::time_point> ends(threads);
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t thread = 0; thread < threads; ++thread) {
      workers.emplace_back([&, thread] {
        all_there.arrive_and_wait();
        begins[thread] = Clock::now();
        work(thread);
        ends[thread] = Clock::now();
      });
    }
  }
  return seconds(*std::max_element(ends.begin(), ends.end()) -
                 *std::min_element(begins.begin(), begins.end()));
}

// ---- 64 bytes at a time to disjoint places of a warm file, a page apart.

constexpr std::uint64_t kWarmSize = 64 * kMiB;
constexpr std::uint64_t kStep = 4096;
constexpr std::uint64_t kWrites = 400'000;
alignas(64) constexpr std::array<std::byte, 64> kRecord{std::byte{6}};

// One for all contestants, so that all have the same pages.
std::string make_warm_file(const Scratch& scratch) {
  const std::string path = scratch / "warm";
  const Descriptor file(path, O_CREAT | O_EXCL | O_RDWR);
  check(::posix_fallocate(file.get(), 0, kWarmSize) == 0, "posix_fallocate");
  write_all(file, std::vector<std::byte>(kWarmSize, std::byte{1}), 0);
  check(::fsync(file.get()) == 0, "fsync");
  return path;
}

// write(thread, position in the thread's part) for each; a first time over all pages does not count.
// Seconds for kWrites a thread, of which `measured` are made.
template <class Write>
double disjoint(std::uint64_t threads, Write&& write, std::uint64_t measured = kWrites) {
  const std::uint64_t part = kWarmSize / threads;
  const auto loop = [&write, part](std::uint64_t thread, std::uint64_t writes) {
    const auto local = write;  // which the stores cannot reach: it stays in registers
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < writes; ++i) {
      local(thread, at);
      at += kStep;
      if (at >= part) at = 0;
    }
  };
  in_threads(threads, [&](std::uint64_t thread) { loop(thread, part / kStep); });
  return in_threads(threads, [&](std::uint64_t thread) { loop(thread, measured); }) *
         static_cast<double>(kWrites) / static_cast<double>(measured);
}

double disjoint_unchecked(const std::string& path, std::uint64_t threads) {
  const auto file = RangedFile::open(path, quire::Access::read_write).value();
  const std::uint64_t part = kWarmSize / threads;
  const auto raw = file.unchecked();
  return disjoint(threads, [=](std::uint64_t thread, std::uint64_t at) {
    if (!raw.write_all_at(thread * part + at, kRecord)) std::abort();
  });
}

// Ranges that were filled before, or that fill from here and there.
double disjoint_ranges(const std::string& path, std::uint64_t threads, bool filled) {
  auto file = RangedFile::open(path, quire::Access::read_write,
                               {.existing = quire::ExistingBytes::overwrite})
                  .value();
  std::vector<FileRange> ranges;
  for (std::uint64_t thread = 0; thread < threads; ++thread) {
    ranges.push_back(file.allocate(kWarmSize / threads).value());
    if (filled) ranges.back().mark_written({0, ranges.back().size()}).value();
  }
  return disjoint(threads, [&](std::uint64_t thread, std::uint64_t at) {
    if (!ranges[thread].write(kRecord, at)) std::abort();
  });
}

double disjoint_memcpy(const std::string& path, std::uint64_t threads) {
  const Descriptor file(path, O_RDWR);
  void* const map = ::mmap(nullptr, kWarmSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  check(map != MAP_FAILED, "mmap");
  auto* const base = static_cast<std::byte*>(map);
  const std::uint64_t part = kWarmSize / threads;
  const double time = disjoint(threads, [=](std::uint64_t thread, std::uint64_t at) {
    std::memcpy(base + thread * part + at, kRecord.data(), kRecord.size());
    benchmark::ClobberMemory();
  });
  ::munmap(map, kWarmSize);
  return time;
}

double disjoint_pwrite(const std::string& path, std::uint64_t threads) {
  const Descriptor file(path, O_RDWR);
  const std::uint64_t part = kWarmSize / threads;
  const auto write = [&](std::uint64_t thread, std::uint64_t at) {
    write_all(file, kRecord, thread * part + at);
  };
  return disjoint(threads, write, kWrites / 40);
}

void contest_disjoint_writes(std::uint64_t threads) {
  Contest contest("DisjointWrites/64B/threads:" + std::to_string(threads), 31,
                  {1e9 / static_cast<double>(threads * kWrites), "ns a write"});
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  const std::string path = make_warm_file(scratch);
  contest.add("Quire, unchecked", [&] { return disjoint_unchecked(path, threads); })
      .add("Quire, filled ranges", [&] { return disjoint_ranges(path, threads, true); })
      .add("Quire, ranges with gaps", [&] { return disjoint_ranges(path, threads, false); })
      .add("memcpy into a map", [&] { return disjoint_memcpy(path, threads); })
      .add("pwrite", [&] { return disjoint_pwrite(path, threads); })
      .add("ranged-mmap",
           [&] {
             return quire_peer_ranged_mmap_disjoint(path.c_str(), kWarmSize, kStep, threads,
                                                    kWrites);
           })
      .add("mmap-io", [&] {
        return quire_peer_mmap_io_disjoint(path.c_str(), kWarmSize, kStep, threads, kWrites);
      });
  contest.goal("Quire, unchecked", "ranged-mmap", 1.0);
  if (threads > 1) contest.goal("Quire, unchecked", "mmap-io", 15);
  contest.run();
}

// ---- 512 MiB in ranges of 12 MiB by 12 workers, then durable: the benchmark that ranged-mmap has for
// itself. Range i is worker i % 12's, which makes its bytes too.

constexpr std::uint64_t kBigSize = 512 * kMiB;
constexpr std::uint64_t kChunk = 12 * kMiB;
constexpr std::uint64_t kWorkers = 12;

std::vector<std::byte> bytes_of_chunk(std::uint64_t chunk, std::uint64_t size) {
  return std::vector<std::byte>(size, static_cast<std::byte>(chunk));
}

// `early`: what is written begins its way to the disk at once.
double chunks_by_ranges(const std::string& path, bool early) {
  const auto begin = Clock::now();
  auto file = RangedFile::create(path, kBigSize).value();
  std::vector<FileRange> ranges;
  while (auto range = file.allocate_up_to(kChunk)) ranges.push_back(*std::move(range));
  in_threads(kWorkers, [&](std::uint64_t worker) {
    for (std::uint64_t i = worker; i < ranges.size(); i += kWorkers) {
      const auto receipt = ranges[i].write(bytes_of_chunk(i, ranges[i].size())).value();
      if (early) file.start_writeback(receipt).value();
    }
  });
  file.sync_all().value();
  ranges.clear();
  file.close().value();
  return seconds(Clock::now() - begin);
}

// Each worker opens and syncs the file itself.
double chunks_by_pwrite(const std::string& path, bool allocated) {
  const auto begin = Clock::now();
  {
    const Descriptor file(path, O_CREAT | O_EXCL | O_RDWR);
    check((allocated ? ::posix_fallocate(file.get(), 0, kBigSize)
                     : ::ftruncate(file.get(), kBigSize)) == 0,
          "lengthen");
  }
  in_threads(kWorkers, [&](std::uint64_t worker) {
    const Descriptor file(path, O_RDWR);
    for (std::uint64_t i = worker; i * kChunk < kBigSize; i += kWorkers) {
      const std::uint64_t size = std::min(kChunk, kBigSize - i * kChunk);
      write_all(file, bytes_of_chunk(i, size), i * kChunk);
    }
    check(::fsync(file.get()) == 0, "fsync");
  });
  return seconds(Clock::now() - begin);
}

// Runs `make(path)`, removes the file, and waits until the disk is done with it.
template <class Make>
double with_new_file(const Scratch& scratch, Make&& make) {
  const std::string path = scratch / "new";
  const double time = make(path);
  std::filesystem::remove(path);
  const Descriptor directory(scratch / "", O_RDONLY | O_DIRECTORY);
  ::syncfs(directory.get());
  return time;
}

void contest_chunks() {
  const Scratch scratch;
  Contest("Chunks/512MiB/workers:12/durable", 9)
      .add("Quire",
           [&] {
             return with_new_file(
                 scratch, [](const std::string& path) { return chunks_by_ranges(path, false); });
           })
      .add("Quire, start_writeback",
           [&] {
             return with_new_file(
                 scratch, [](const std::string& path) { return chunks_by_ranges(path, true); });
           })
      .add("ranged-mmap",
           [&] {
             return with_new_file(scratch, [](const std::string& path) {
               return quire_peer_ranged_mmap_chunks(path.c_str(), kBigSize, kChunk, kWorkers);
             });
           })
      .add("pwrite + fsync",
           [&] {
             return with_new_file(
                 scratch, [](const std::string& path) { return chunks_by_pwrite(path, false); });
           })
      .add("fallocate, pwrite + fsync",
           [&] {
             return with_new_file(
                 scratch, [](const std::string& path) { return chunks_by_pwrite(path, true); });
           })
      .goal("Quire", "ranged-mmap", 1.7)
      .goal("Quire", "pwrite + fsync", 1 / 1.05)
      .goal("Quire", "fallocate, pwrite + fsync", 1 / 1.05)
      .goal("Quire, start_writeback", "fallocate, pwrite + fsync", 1 / 1.05)
      .run();
}

// ---- Taking ranges of 64 bytes.

constexpr std::uint64_t kTakes = 1'000'000;

double take_by_fetch_add(std::uint64_t threads) {
  std::atomic<std::uint64_t> next = 0;
  return in_threads(threads, [&](std::uint64_t) {
    for (std::uint64_t i = 0; i < kTakes; ++i) {
      benchmark::DoNotOptimize(next.fetch_add(64, std::memory_order_relaxed));
    }
  });
}

double take_from_allocator(std::uint64_t threads) {
  quire::ConcurrentAllocator allocator(threads * kTakes * 64);
  return in_threads(threads, [&](std::uint64_t) {
    for (std::uint64_t i = 0; i < kTakes; ++i) {
      benchmark::DoNotOptimize(allocator.allocate(64).value().offset);
    }
  });
}

// Each range goes back at once.
double take_ranges(RangedFile& file, std::uint64_t threads) {
  return in_threads(threads, [&](std::uint64_t) {
    for (std::uint64_t i = 0; i < kTakes; ++i) {
      const auto range = file.allocate(64);
      if (!range) std::abort();
      benchmark::DoNotOptimize(range->size());
    }
  });
}

void contest_allocation(std::uint64_t threads) {
  const Scratch scratch;
  auto file = RangedFile::create(scratch / "file", kMiB).value();
  Contest("Allocate/threads:" + std::to_string(threads), 15,
          {1e9 / static_cast<double>(threads * kTakes), "ns a range"})
      .add("fetch_add", [&] { return take_by_fetch_add(threads); })
      .add("ConcurrentAllocator", [&] { return take_from_allocator(threads); })
      .add("FileRange, and back", [&] { return take_ranges(file, threads); })
      .run();
}

// ---- 64 MiB of new data by one thread, 1 MiB a write; not synced.

constexpr std::uint64_t kNewSize = 64 * kMiB;

// Seconds of making a file, writing and releasing it, or of the writes alone.
enum class Time : std::uint8_t { whole, writes };

double new_data_by_ranges(const std::string& path, std::span<const std::byte> block, Time time) {
  auto begin = Clock::now();
  auto file = RangedFile::create(path, kNewSize).value();
  if (time == Time::writes) begin = Clock::now();
  while (auto range = file.allocate_up_to(block.size())) range->write(block).value();
  const auto written = Clock::now();
  file = RangedFile();
  return seconds((time == Time::writes ? written : Clock::now()) - begin);
}

void sync_directory_of(const std::string& path) {
  const Descriptor directory(std::filesystem::path(path).parent_path(), O_RDONLY | O_DIRECTORY);
  check(::fsync(directory.get()) == 0, "fsync");
}

// `synced`: created as Quire does it, so that after a power cut there is a whole file or none.
double new_data_by_pwrite(const std::string& path, std::span<const std::byte> block, Time time,
                          bool synced) {
  auto begin = Clock::now();
  Clock::time_point written;
  {
    const Descriptor file(path, O_CREAT | O_EXCL | O_RDWR);
    check(::posix_fallocate(file.get(), 0, kNewSize) == 0, "posix_fallocate");
    if (synced) {
      check(::fsync(file.get()) == 0, "fsync");
      sync_directory_of(path);
    }
    if (time == Time::writes) begin = Clock::now();
    for (std::uint64_t at = 0; at < kNewSize; at += block.size()) write_all(file, block, at);
    written = Clock::now();
  }
  return seconds((time == Time::writes ? written : Clock::now()) - begin);
}

// What the Rust crates do: a hole, and stores.
double new_data_by_memcpy(const std::string& path, std::span<const std::byte> block, Time time) {
  auto begin = Clock::now();
  Clock::time_point written;
  {
    const Descriptor file(path, O_CREAT | O_EXCL | O_RDWR);
    check(::ftruncate(file.get(), kNewSize) == 0, "ftruncate");
    void* const map = ::mmap(nullptr, kNewSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    check(map != MAP_FAILED, "mmap");
    if (time == Time::writes) begin = Clock::now();
    for (std::uint64_t at = 0; at < kNewSize; at += block.size()) {
      std::memcpy(static_cast<std::byte*>(map) + at, block.data(), block.size());
    }
    written = Clock::now();
    ::munmap(map, kNewSize);
  }
  return seconds((time == Time::writes ? written : Clock::now()) - begin);
}

void contest_new_data(const char* title, Time time) {
  Contest contest(title, 15);
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  const std::vector<std::byte> block(kMiB, std::byte{5});
  const auto add = [&](const char* name, auto run) {
    contest.add(name, [&, run] {
      return with_new_file(scratch, [&](const std::string& path) { return run(path); });
    });
  };
  add("Quire", [&](auto& path) { return new_data_by_ranges(path, block, time); });
  add("fallocate, pwrite",
      [&](auto& path) { return new_data_by_pwrite(path, block, time, false); });
  add("durable fallocate, pwrite",
      [&](auto& path) { return new_data_by_pwrite(path, block, time, true); });
  add("ftruncate, memcpy into a map",
      [&](auto& path) { return new_data_by_memcpy(path, block, time); });
  contest.goal("Quire", "ftruncate, memcpy into a map", 3)
      .goal("Quire", "fallocate, pwrite", 1 / 1.15)
      .goal("Quire", "durable fallocate, pwrite", 1 / 1.15)
      .run();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  contest_disjoint_writes(1);
  contest_disjoint_writes(2);
  contest_chunks();
  contest_allocation(1);
  contest_allocation(2);
  contest_new_data("NewData/64MiB", Time::whole);
  contest_new_data("NewData/64MiB/writes", Time::writes);
}
