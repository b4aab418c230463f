// What is linked where FAISS is not installed.
#include "bench/peers/faiss_peer.hpp"

FaissSearch faiss_flat(std::span<const float> /*rows*/, std::size_t /*dimension*/) { return {}; }

FaissSearch faiss_shards(std::span<const float> /*rows*/, std::size_t /*dimension*/,
                         std::size_t /*count*/) {
  return {};
}
