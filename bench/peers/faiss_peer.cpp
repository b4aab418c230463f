#include "bench/peers/faiss_peer.hpp"

#include <faiss/IndexFlat.h>
#include <faiss/IndexShards.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace {

// Indexes that are one together.
struct Shards {
  explicit Shards(std::size_t dimension) : index(static_cast<int>(dimension), true, true) {}

  std::vector<std::unique_ptr<faiss::IndexFlatL2>> parts;
  faiss::IndexShards index;
};

FaissSearch search_in(std::shared_ptr<const faiss::Index> index) {
  return [index = std::move(index)](std::span<const float> queries, std::size_t k) {
    const std::size_t count = queries.size() / static_cast<std::size_t>(index->d);
    std::vector<float> distances(count * k);
    std::vector<std::int64_t> rows(count * k);
    index->search(static_cast<std::int64_t>(count), queries.data(), static_cast<std::int64_t>(k),
                  distances.data(), rows.data());
    return rows;
  };
}

std::unique_ptr<faiss::IndexFlatL2> index_of(std::span<const float> rows, std::size_t dimension) {
  auto index = std::make_unique<faiss::IndexFlatL2>(static_cast<std::int64_t>(dimension));
  index->add(static_cast<std::int64_t>(rows.size() / dimension), rows.data());
  return index;
}

}  // namespace

FaissSearch faiss_flat(std::span<const float> rows, std::size_t dimension) {
  return search_in(index_of(rows, dimension));
}

FaissSearch faiss_shards(std::span<const float> rows, std::size_t dimension, std::size_t count) {
  const auto shards = std::make_shared<Shards>(dimension);
  const std::size_t each = (rows.size() / dimension + count - 1) / count * dimension;
  for (std::size_t first = 0; first < rows.size(); first += each) {
    const auto some = rows.subspan(first, std::min(each, rows.size() - first));
    shards->parts.push_back(index_of(some, dimension));
    shards->index.add_shard(shards->parts.back().get());
  }
  return search_in({shards, &shards->index});
}
