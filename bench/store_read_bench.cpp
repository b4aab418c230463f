// Finding vectors in a store, against what memory gives: bare cache misses.
#include <atomic>
#include <bit>
#include <cstdio>
#include <string>
#include <thread>

#include "bench/store_contest.hpp"
#include "quire/latency_histogram.hpp"

namespace {

constexpr std::uint32_t kDimension = 128;
constexpr int kRounds = 7;

constexpr std::uint64_t kFinds = 1'000'000;

// One after the other: what is asked for next is known when the row before it was read (rows have no sign
// bit), so that the processor cannot overlap the misses of several finds.
template <class Find>
double seconds_a_find(const std::vector<std::uint64_t>& wanted, const Find& find) {
  std::uint64_t at = 0;
  const double seconds = seconds_of([&] {
    while (at < kFinds) at += 1 + (std::bit_cast<std::uint32_t>(find(wanted[at])) >> 31);
  });
  benchmark::DoNotOptimize(at);
  return seconds / kFinds;
}

// The bare miss: a table that says where the row of each id is, without any check, and the row.
void compare_finds(std::uint64_t rows, bool random_ids) {
  Contest contest(
      "find, " + std::to_string(rows) + " rows, " + (random_ids ? "random" : "dense") + " ids",
      kRounds, kNanoseconds);
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  const auto store = filled_store(scratch / "store", rows, kDimension, random_ids);
  const quire::ReadView view = store.view();
  std::vector<const float*> row_of(rows);
  for (std::uint64_t i = 0; i < rows; ++i) {
    row_of[i] = view.find<float>(id_of(i, random_ids))->data();
  }
  std::vector<std::uint64_t> numbers(kFinds);
  std::mt19937_64 random(1);
  for (std::uint64_t& number : numbers) number = random() % rows;
  std::vector<std::uint64_t> ids;
  ids.reserve(kFinds);
  for (const std::uint64_t number : numbers) ids.push_back(id_of(number, random_ids));
  std::vector<std::uint64_t> batch(64);
  std::vector<std::span<const std::byte>> found(batch.size());
  std::size_t waiting = 0;
  contest
      .add("find",
           [&] {
             return seconds_a_find(ids,
                                   [&](std::uint64_t id) { return (*view.find<float>(id))[0]; });
           })
      .add("get_many, 64 at once",
           [&] {
             return seconds_a_find(ids, [&](std::uint64_t id) {
               batch[waiting++] = id;
               if (waiting < batch.size()) return 0.0F;
               waiting = 0;
               view.get_many(batch, found).value();
               float sum = 0;
               for (const auto row : found) sum += reinterpret_cast<const float*>(row.data())[0];
               return sum;
             });
           })
      .add("two bare loads",
           [&] {
             return seconds_a_find(numbers,
                                   [&](std::uint64_t number) { return row_of[number][0]; });
           })
      .goal("find", "two bare loads", 1 / 1.5)
      .run();
}

struct Finding {
  double finds_a_second = 0;
  quire::LatencyHistogram::Snapshot latency;  // of 64 finds
};

// `threads` find for a while, each 64 at a time.
Finding find_for(const quire::VectorStore& store, std::uint64_t rows, unsigned threads,
                 std::chrono::milliseconds duration) {
  quire::LatencyHistogram histogram;
  std::atomic<std::uint64_t> finds = 0;
  {
    std::vector<std::jthread> readers;
    for (unsigned t = 0; t < threads; ++t) {
      readers.emplace_back([&, t] {
        std::uint64_t random = t + 1;
        std::uint64_t done = 0;
        float sum = 0;
        const auto end = std::chrono::steady_clock::now() + duration;
        auto now = std::chrono::steady_clock::now();
        while (now < end) {
          const quire::ReadView view = store.view();
          for (int i = 0; i < 64; ++i) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            sum += (*view.find<float>((random >> 33) % rows))[0];
          }
          const auto after = std::chrono::steady_clock::now();
          histogram.record(static_cast<std::uint64_t>(
              std::chrono::duration_cast<std::chrono::nanoseconds>(after - now).count()));
          now = after;
          done += 64;
        }
        benchmark::DoNotOptimize(sum);
        finds += done;
      });
    }
  }
  return {static_cast<double>(finds) / std::chrono::duration<double>(duration).count(),
          histogram.snapshot()};
}

// 1,000 puts a second, each durable for a killed process.
void put_steadily(quire::VectorStore& store, std::uint64_t rows, const std::stop_token& stop) {
  const std::vector<float> row = random_rows(1, kDimension);
  auto next = std::chrono::steady_clock::now();
  for (std::uint64_t id = 0; !stop.stop_requested(); ++id) {
    store.put(id * 7919 % rows, row).value();
    next += std::chrono::milliseconds(1);
    std::this_thread::sleep_until(next);
  }
}

void compare_finds_beside_a_writer() {
  constexpr std::uint64_t kRows = 1'000'000;
  Contest contest("finds of two threads beside a writer", kRounds, kNanoseconds);
  if (!contest.is_wanted()) return;
  const Scratch scratch;
  filled_store(scratch / "store", kRows, kDimension).close().value();
  auto store = quire::VectorStore::open(scratch / "store").value();
  constexpr std::chrono::milliseconds kWhile(500);
  std::vector<double> alone;
  std::vector<double> beside;
  contest
      .add("1 thread",
           [&] {
             const Finding found = find_for(store, kRows, 1, kWhile);
             alone.push_back(static_cast<double>(found.latency.percentile(99.9)));
             return 1 / found.finds_a_second;
           })
      .add("2 threads beside 1,000 puts a second",
           [&] {
             const std::jthread writer(
                 [&](const std::stop_token& stop) { put_steadily(store, kRows, stop); });
             const Finding found = find_for(store, kRows, 2, kWhile);
             beside.push_back(static_cast<double>(found.latency.percentile(99.9)));
             return 1 / found.finds_a_second;
           })
      .goal("2 threads beside 1,000 puts a second", "1 thread", 1.8)
      .run();
  std::ranges::sort(alone);
  std::ranges::sort(beside);
  const double ratio = beside[beside.size() / 2] / alone[alone.size() / 2];
  std::printf(
      "  64 finds, p99.9: %.1f us alone, %.1f us beside the writer: %.2f times; goal 2: %s\n",
      alone[alone.size() / 2] / 1e3, beside[beside.size() / 2] / 1e3, ratio,
      ratio <= 2 ? "met" : "MISSED");
}

}  // namespace

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  for (const std::uint64_t rows : {10'000U, 100'000U, 1'000'000U, 10'000'000U}) {
    for (const bool random_ids : {true, false}) compare_finds(rows, random_ids);
  }
  compare_finds_beside_a_writer();
  benchmark::RunSpecifiedBenchmarks();
}
