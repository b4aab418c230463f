// FAISS, which Quire is measured against: the exact search of its flat index in f32 rows, by squared
// Euclidean distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

// The numbers of the rows nearest to each query, k of each, one query's behind the other's. Empty where
// this build has no FAISS (see bench/CMakeLists.txt).
using FaissSearch =
    std::function<std::vector<std::int64_t>(std::span<const float> queries, std::size_t k)>;

// FAISS copies the rows. It shares out queries among threads; from 20 on it has BLAS multiply matrices.
FaissSearch faiss_flat(std::span<const float> rows, std::size_t dimension);
// The same in `count` indexes, each for a thread: FAISS searches with one thread for one query otherwise.
FaissSearch faiss_shards(std::span<const float> rows, std::size_t dimension, std::size_t count);
