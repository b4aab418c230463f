// What a vector store does beside its callers: opening, checkpoints, growth, compaction, verification.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <unordered_map>

#include "bench/store_contest.hpp"
#include "quire/latency_histogram.hpp"

namespace {

constexpr int kRounds = 5;

std::uint64_t bytes_in(const std::filesystem::path& directory, const std::string& extension) {
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (file.path().extension() == extension) bytes += file.file_size();
  }
  return bytes;
}

// New bytes, durable.
void write_file(const std::filesystem::path& path, std::uint64_t bytes) {
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
  const std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < bytes; at += block.size()) {
    if (::pwrite(file, block.data(), block.size(), static_cast<off_t>(at)) < 0) break;
  }
  ::fdatasync(file);
  ::close(file);
  std::filesystem::remove(path);
}

// --- Opening

// Rows of 16 bytes, so that a store of ten million is made in little time: opening does not read them.
void compare_opening(std::uint64_t rows, bool random_ids) {
  Contest contest(
      "open " + std::to_string(rows) + " rows, " + (random_ids ? "random" : "dense") + " ids",
      kRounds, {1e9 / static_cast<double>(rows), "ns a row"});
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  filled_store(scratch / "store", rows, 4, random_ids).close().value();
  const double goal = random_ids ? 60 : 10;
  double fastest = 1e9;
  contest
      .add("open_read_only",
           [&] {
             std::optional<quire::VectorStore> store;
             const double seconds = seconds_of([&] {
               store.emplace(quire::VectorStore::open_read_only(scratch / "store").value());
             });
             fastest = std::min(fastest, seconds * 1e9 / static_cast<double>(rows));
             return seconds;
           })
      .add("building a std::unordered_map of the ids",
           [&] {
             std::unordered_map<std::uint64_t, std::uint64_t> map;
             return seconds_of([&] {
               map.reserve(rows);
               for (std::uint64_t i = 0; i < rows; ++i) map[id_of(i, random_ids)] = i;
             });
           })
      .run();
  std::printf("  open: %.1f ns a row at best; goal %.0f: %s\n", fastest, goal,
              fastest <= goal ? "met" : "MISSED");
}

// A log that no checkpoint has taken in, as a killed writer leaves it.
void measure_replay() {
  Contest contest("open after a crash with 1 GiB of log", 3);
  if (!contest.is_wanted()) return;
  constexpr std::uint64_t kRows = 2'000'000;
  constexpr std::uint32_t kDimension = 128;
  const Scratch scratch;
  const auto killed = scratch / "killed";
  {
    auto store = quire::VectorStore::create(
                     scratch / "store",
                     {.dimension = kDimension, .durability = quire::Durability::process_crash},
                     {.checkpoint_log_bytes = std::uint64_t{1} << 40})
                     .value();
    const std::vector<float> matrix = random_rows(1'000, kDimension);
    for (std::uint64_t at = 0; at < kRows; at += 1'000) {
      store.put_batch(ids_of(at, 1'000), matrix).value();
    }
    std::filesystem::copy(scratch / "store", killed, std::filesystem::copy_options::recursive);
  }
  const std::uint64_t bytes = bytes_in(killed, ".wal");
  const auto copy = scratch / "copy";
  double fastest = 0;
  contest
      .add("open",
           [&] {
             std::filesystem::remove_all(copy);
             std::filesystem::copy(killed, copy, std::filesystem::copy_options::recursive);
             ::sync();
             std::optional<quire::VectorStore> store;
             const double seconds =
                 seconds_of([&] { store.emplace(quire::VectorStore::open(copy).value()); });
             fastest = std::max(fastest, static_cast<double>(bytes) / seconds / 1e9);
             return seconds;
           })
      .add("opening it when it was closed",
           [&] {
             return seconds_of(
                 [&] { benchmark::DoNotOptimize(quire::VectorStore::open(copy).value()); });
           })
      .add("as many bytes of rows written to a file, and fdatasync",
           [&] { return seconds_of([&] { write_file(scratch / "other", bytes); }); })
      .goal("open", "as many bytes of rows written to a file, and fdatasync", 0.5)
      .run();
  std::printf("  replay: %.2f GB/s at best; goal 1: %s\n", fastest,
              fastest >= 1 ? "met" : "MISSED");
}

// --- Reading beside upkeep

// Latencies of finds, each alone, in a fresh view, while `work` runs.
template <class Work>
quire::LatencyHistogram::Snapshot latencies_during(const quire::VectorStore& store,
                                                   std::uint64_t rows, const Work& work) {
  quire::LatencyHistogram histogram;
  {
    std::jthread reader([&](const std::stop_token& stop) {
      std::uint64_t random = 1;
      float sum = 0;
      while (!stop.stop_requested()) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t id = (random >> 33) % rows;
        const auto began = std::chrono::steady_clock::now();
        const quire::ReadView view = store.view();
        if (const auto row = view.find<float>(id)) sum += (*row)[0];
        histogram.record(
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                           std::chrono::steady_clock::now() - began)
                                           .count()));
      }
      benchmark::DoNotOptimize(sum);
    });
    work();
  }
  return histogram.snapshot();
}

void compare_pauses() {
  Contest contest("longest pause of a reader, 300 MB put and checkpointed", kRounds, {1e3, "ms"});
  if (!contest.is_wanted()) return;
  constexpr std::uint64_t kRows = 600'000;
  constexpr std::uint32_t kDimension = 128;
  const Scratch scratch;
  filled_store(scratch / "store", kRows, kDimension).close().value();
  auto store = quire::VectorStore::open(scratch / "store").value();
  std::uint64_t next = 0;
  contest
      .add("beside puts, growth, checkpoint and compaction",
           [&] {
             const auto seen = latencies_during(store, kRows, [&] {
               put_rows(store, next % 2 * 100'000, kRows);
               ++next;
               store.checkpoint().value();
               store.compact().value();
             });
             return static_cast<double>(seen.max()) / 1e9;
           })
      .add("beside as many bytes written to another file",
           [&] {
             const auto seen = latencies_during(
                 store, kRows, [&] { write_file(scratch / "other", kRows * kDimension * 4 * 3); });
             return static_cast<double>(seen.max()) / 1e9;
           })
      .run();
}

void compare_compaction() {
  Contest contest("compaction of a half dead store of 1 GiB", 3);
  if (!contest.is_wanted()) return;
  constexpr std::uint64_t kRows = 2'097'152;
  constexpr std::uint32_t kDimension = 128;
  const Scratch scratch;
  const auto path = scratch / "store";
  const auto options = quire::OpenStoreOptions{.compact_above = 1};
  const auto make = [&] {
    std::filesystem::remove_all(path);
    auto store = filled_store(path, kRows, kDimension, false, options);
    for (std::uint64_t first = 0; first < kRows; first += 65'536) {
      quire::WriteBatch batch;
      for (std::uint64_t id = first; id < first + 65'536; id += 2) batch.remove(id);
      store.write(batch).value();
    }
    store.checkpoint().value();
    return store;
  };
  std::vector<double> beside;
  std::vector<double> quiet;
  contest
      .add("compact",
           [&] {
             auto store = make();
             ::sync();
             return seconds_of([&] { store.compact().value(); });
           })
      .add("copying the live rows one by one, and fdatasync",
           [&] {
             const auto store = make();
             ::sync();
             const quire::ReadView view = store.view();
             const int file = ::open((scratch / "copy").c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
             std::vector<std::byte> block;
             block.reserve(std::size_t{1} << 20);
             off_t at = 0;
             const auto flush = [&] {
               if (::pwrite(file, block.data(), block.size(), at) < 0) std::perror("pwrite");
               at += static_cast<off_t>(block.size());
               block.clear();
             };
             const double seconds = seconds_of([&] {
               view.scan([&](const quire::ViewRow& row) {
                 block.insert(block.end(), row.bytes.begin(), row.bytes.end());
                 if (block.size() == block.capacity()) flush();
                 return true;
               });
               flush();
               ::fdatasync(file);
             });
             ::close(file);
             return seconds;
           })
      .add("compact beside a reader",
           [&] {
             auto store = make();
             ::sync();
             double seconds = 0;
             const auto before = latencies_during(
                 store, kRows, [] { std::this_thread::sleep_for(std::chrono::seconds(1)); });
             const auto during = latencies_during(
                 store, kRows, [&] { seconds = seconds_of([&] { store.compact().value(); }); });
             quiet.push_back(static_cast<double>(before.percentile(99.9)));
             beside.push_back(static_cast<double>(during.percentile(99.9)));
             return seconds;
           })
      .goal("compact", "copying the live rows one by one, and fdatasync", 1 / 1.5)
      .run();
  std::ranges::sort(quiet);
  std::ranges::sort(beside);
  const double ratio = beside[beside.size() / 2] / quiet[quiet.size() / 2];
  std::printf("  a find, p99.9: %.2f us without, %.2f us during it: %.2f times; goal 2: %s\n",
              quiet[quiet.size() / 2] / 1e3, beside[beside.size() / 2] / 1e3, ratio,
              ratio <= 2 ? "met" : "MISSED");
}

// --- Verification

void compare_verification() {
  Contest contest("verify, 512 MiB of rows", kRounds);
  if (!contest.is_wanted()) return;
  constexpr std::uint64_t kRows = 1'048'576;
  const Scratch scratch;
  const auto store = filled_store(scratch / "store", kRows, 128);
  const quire::ReadView view = store.view();
  contest
      .add("verify", [&] { return seconds_of([&] { benchmark::DoNotOptimize(store.verify()); }); })
      .add("reading the rows once, one core",
           [&] {
             const auto bytes = view.rows().bytes;
             const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
             std::uint64_t sum = 0;
             const double seconds = seconds_of([&] {
               for (std::size_t i = 0; i < bytes.size() / 8; ++i) sum += words[i];
             });
             benchmark::DoNotOptimize(sum);
             return seconds;
           })
      .goal("verify", "reading the rows once, one core", 0.5)
      .run();
}

}  // namespace

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  for (const std::uint64_t rows : {1'000'000U, 10'000'000U}) {
    for (const bool random_ids : {true, false}) compare_opening(rows, random_ids);
  }
  measure_replay();
  compare_pauses();
  compare_compaction();
  compare_verification();
  benchmark::RunSpecifiedBenchmarks();
}
