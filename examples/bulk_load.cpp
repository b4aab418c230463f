// Threads fill a store together.
//
//     bulk_load            makes the store `loaded` in the current directory
#include <quire/bulk_loader.hpp>
#include <quire/vector_store.hpp>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::uint32_t kDimension = 64;
constexpr std::uint64_t kRows = 10'000;  // of each thread

// The rows that thread `thread` reads or computes.
std::vector<float> rows_of(std::uint64_t thread) {
  return std::vector<float>(kRows * kDimension, static_cast<float>(thread));
}

}  // namespace

// value() throws where a call failed; a larger program looks at the error instead.
int main() {
  std::filesystem::remove_all("loaded");
  auto store = quire::VectorStore::create("loaded", {.dimension = kDimension}).value();
  {
    // #region use
    auto loader = store.bulk_load({.expected_rows = 4 * kRows}).value();
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&loader, thread] {
        std::vector<std::uint64_t> ids(kRows);
        std::iota(ids.begin(), ids.end(), thread * kRows);
        auto rows = loader.claim(kRows).value();    // rows that nobody else gets
        rows.append(ids, rows_of(thread)).value();  // written in their place; seen by nobody
        loader.commit(std::move(rows)).value();     // visible and durable
      });
    }
    threads.clear();  // waits for them
    // #endregion
  }
  std::cout << store.view().size() << " vectors\n";
  const bool whole = store.verify().value().ok() && store.view().size() == 4 * kRows;
  store.close().value();
  return whole ? 0 : 1;
}
