// What the benchmarks of the vector store share: rows, stores, and a clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "bench/contest.hpp"
#include "bench/scratch.hpp"
#include "quire/vector_store.hpp"

inline constexpr ContestUnit kNanoseconds{1e9, "ns"};
inline constexpr ContestUnit kMicroseconds{1e6, "us"};

template <class Work>
double seconds_of(const Work& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// Whole numbers below 256, as SIFT has them.
inline std::vector<float> random_rows(std::size_t rows, std::uint32_t dimension) {
  std::vector<float> matrix(rows * dimension);
  std::mt19937 random(1);
  for (float& element : matrix) element = static_cast<float>(random() % 256);
  return matrix;
}

// Consecutive ids from `first`, or, if they are to be random, a number that each of them gives.
inline std::uint64_t id_of(std::uint64_t row, bool is_random) {
  if (!is_random) return row;
  std::uint64_t x = row + 0x9E3779B97F4A7C15U;  // splitmix64: each number comes once
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

inline std::vector<std::uint64_t> ids_of(std::uint64_t first, std::uint64_t count,
                                         bool is_random = false) {
  std::vector<std::uint64_t> ids(count);
  for (std::uint64_t i = 0; i < count; ++i) ids[i] = id_of(first + i, is_random);
  return ids;
}

inline void put_rows(quire::VectorStore& store, std::uint64_t first, std::uint64_t rows,
                     bool random_ids = false) {
  constexpr std::uint64_t kBatch = 50'000;
  const std::vector<float> matrix = random_rows(std::min(rows, kBatch), store.dimension());
  for (std::uint64_t at = 0; at < rows; at += kBatch) {
    const auto ids = ids_of(first + at, std::min(kBatch, rows - at), random_ids);
    store.put_batch(ids, std::span(matrix).first(ids.size() * store.dimension())).value();
  }
}

// A store with f32 rows under the ids of id_of.
inline quire::VectorStore filled_store(const std::filesystem::path& path, std::uint64_t rows,
                                       std::uint32_t dimension, bool random_ids = false,
                                       const quire::OpenStoreOptions& options = {}) {
  auto store =
      quire::VectorStore::create(
          path, {.dimension = dimension, .durability = quire::Durability::checkpoint_only}, options)
          .value();
  put_rows(store, 0, rows, random_ids);
  store.checkpoint().value();
  return store;
}
