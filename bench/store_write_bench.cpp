// Writing to a vector store durably, against the same bytes written to a plain file with fdatasync.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "bench/store_contest.hpp"
#include "quire/bulk_loader.hpp"

namespace {

constexpr int kRounds = 5;

void require(bool done) {
  if (done) return;
  std::perror("store_write_bench");
  std::exit(1);
}

// A file whose bytes were all written before, as a log's are that was made ahead.
class WrittenFile {
 public:
  WrittenFile(const std::filesystem::path& path, std::uint64_t bytes)
      : descriptor_(::open(path.c_str(), O_CREAT | O_RDWR, 0644)) {
    require(descriptor_ >= 0);
    const std::vector<std::byte> zeros(std::size_t{1} << 20);
    for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
      require(::pwrite(descriptor_, zeros.data(), zeros.size(), static_cast<off_t>(at)) ==
              static_cast<ssize_t>(zeros.size()));
    }
    require(::fsync(descriptor_) == 0);
  }
  ~WrittenFile() { ::close(descriptor_); }
  WrittenFile(const WrittenFile&) = delete;
  WrittenFile& operator=(const WrittenFile&) = delete;

  void write(std::span<const std::byte> bytes, std::uint64_t at) const {
    require(::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void allocate(std::uint64_t bytes) const {
    require(::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes)) == 0);
  }
  void sync() const { require(::fdatasync(descriptor_) == 0); }

 private:
  int descriptor_;
};

// --- Single puts, each durable before the next of the same writer

constexpr std::uint32_t kDimension = 768;

// Seconds for each put.
double put_by(quire::VectorStore& store, unsigned writers) {
  const std::uint64_t puts = std::max(500U / writers, 50U);
  const std::vector<float> row = random_rows(1, kDimension);
  const double seconds = seconds_of([&] {
    std::vector<std::jthread> threads;
    for (unsigned w = 0; w < writers; ++w) {
      threads.emplace_back([&, w] {
        for (std::uint64_t i = 0; i < puts; ++i) store.put(w * puts + i, row).value();
      });
    }
  });
  return seconds / static_cast<double>(puts * writers);
}

void compare_single_puts() {
  Contest contest("one durable put, 768 f32", kRounds, kMicroseconds);
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  auto store = quire::VectorStore::create(scratch / "store", {.dimension = kDimension}).value();
  const auto row = random_rows(1, kDimension);
  constexpr std::uint64_t kPuts = 500;
  const WrittenFile file(scratch / "log", kPuts * (kRounds + 1) * 4096);
  std::uint64_t at = 0;
  contest
      .add("fdatasync of a written log",
           [&] {
             return seconds_of([&] {
                      for (std::uint64_t i = 0; i < kPuts; ++i) {
                        file.write(std::as_bytes(std::span(row)), at);
                        file.sync();
                        at += row.size() * sizeof(float) + 96;  // with a record's head and end
                      }
                    }) /
                    kPuts;
           })
      .add("1 writer", [&] { return put_by(store, 1); })
      .add("8 writers", [&] { return put_by(store, 8); })
      .add("64 writers", [&] { return put_by(store, 64); })
      .goal("1 writer", "fdatasync of a written log", 1 / 1.15)
      .goal("8 writers", "1 writer", 4.5)
      .goal("64 writers", "1 writer", 12)
      .run();
}

// --- Batches

void compare_batches(std::uint64_t count, std::uint32_t dimension) {
  const std::uint64_t bytes = count * dimension * sizeof(float);
  Contest contest("durable batches of " + std::to_string(count) + " x " + std::to_string(dimension),
                  kRounds, {1e6 / static_cast<double>(count), "us a row"});
  if (!contest.is_wanted()) return;
  const std::uint64_t batches =
      std::clamp<std::uint64_t>((std::uint64_t{64} << 20) / bytes, 4, 200);
  const Scratch scratch;
  auto store = quire::VectorStore::create(scratch / "store", {.dimension = dimension}).value();
  const WrittenFile file(scratch / "file", batches * bytes);
  // Where the store's rows go too: pages that are not in memory yet.
  const WrittenFile allocated(scratch / "allocated", 0);
  allocated.allocate((kRounds + 1) * batches * bytes);
  std::uint64_t appended = 0;
  const std::vector<float> matrix = random_rows(count, dimension);
  const double least = bytes < (std::uint64_t{1} << 20) ? 0.55 : 0.7;
  std::uint64_t next = 0;
  contest
      .add("put_batch",
           [&] {
             std::vector<std::uint64_t> ids(count);
             return seconds_of([&] {
                      for (std::uint64_t i = 0; i < batches; ++i) {
                        std::iota(ids.begin(), ids.end(), next);
                        next += count;
                        store.put_batch(ids, matrix).value();
                      }
                    }) /
                    static_cast<double>(batches);
           })
      .add("plain append into written space",
           [&] {
             return seconds_of([&] {
                      for (std::uint64_t i = 0; i < batches; ++i) {
                        file.write(std::as_bytes(std::span(matrix)), i * bytes);
                        file.sync();
                      }
                    }) /
                    static_cast<double>(batches);
           })
      .add("plain append into allocated space",
           [&] {
             return seconds_of([&] {
                      for (std::uint64_t i = 0; i < batches; ++i) {
                        allocated.write(std::as_bytes(std::span(matrix)), appended);
                        allocated.sync();
                        appended += bytes;
                      }
                    }) /
                    static_cast<double>(batches);
           })
      .goal("put_batch", "plain append into written space", least)
      .goal("put_batch", "plain append into allocated space", least)
      .run();
}

// --- Bulk loads

void load(quire::VectorStore& store, std::span<const float> piece, std::uint64_t rows,
          unsigned threads) {
  auto loader = store.bulk_load({.expected_rows = rows}).value();
  const std::uint64_t step = piece.size() / store.dimension();
  const std::uint64_t share = rows / threads / step * step;
  std::vector<quire::BulkRows> parts;
  for (unsigned t = 0; t < threads; ++t) {
    parts.push_back(loader.claim(t + 1 == threads ? rows - t * share : share).value());
  }
  {
    std::vector<std::jthread> workers;
    for (unsigned t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        quire::BulkRows& part = parts[t];
        for (std::uint64_t at = 0; at < part.capacity(); at += step) {
          const std::uint64_t count = std::min(step, part.capacity() - at);
          part.append(ids_of(t * share + at, count), piece.first(count * store.dimension()))
              .value();
        }
      });
    }
  }
  loader.commit(parts).value();
}

void compare_loads(std::uint64_t rows, std::uint32_t dimension) {
  Contest contest(
      "durable bulk load of " + std::to_string(rows) + " x " + std::to_string(dimension), kRounds);
  if (!contest.is_wanted()) return;
  const std::uint64_t bytes = rows * dimension * sizeof(float);
  const std::vector<float> piece =
      random_rows((std::uint64_t{1} << 20) / (dimension * sizeof(float)), dimension);
  const auto load_by = [&](unsigned threads) {
    const Scratch scratch;
    auto store = quire::VectorStore::create(scratch / "store", {.dimension = dimension}).value();
    return seconds_of([&] { load(store, piece, rows, threads); });
  };
  contest.add("1 thread", [&] { return load_by(1); })
      .add("2 threads", [&] { return load_by(2); })
      .add("pwrite of 1 MiB, fdatasync at the end",
           [&] {
             const Scratch scratch;
             const WrittenFile file(scratch / "file", 0);
             const auto block = std::as_bytes(std::span(piece));
             return seconds_of([&] {
               for (std::uint64_t at = 0; at < bytes; at += block.size()) {
                 file.write(block.first(std::min<std::uint64_t>(block.size(), bytes - at)), at);
               }
               file.sync();
             });
           })
      .goal("2 threads", "pwrite of 1 MiB, fdatasync at the end", 0.8)
      .run();
}

}  // namespace

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  compare_single_puts();
  for (const std::uint32_t dimension : {128U, 768U, 1536U}) {
    for (const std::uint64_t rows : {100U, 1'000U, 10'000U}) compare_batches(rows, dimension);
  }
  compare_loads(1'000'000, 128);
  compare_loads(200'000, 768);
  benchmark::RunSpecifiedBenchmarks();
}
