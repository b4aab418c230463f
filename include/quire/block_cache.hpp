// BlockCache: keeps the blocks that were read from slow sources in memory.
//
// Use it before a source where a read costs more than a copy (a network, a disk that is not cached). One
// cache serves many sources and bounds the memory of all of them.
//
//     auto cache = quire::BlockCache::create({.capacity_bytes = std::uint64_t{256} << 20}).value();
//     auto source = cache->attach(slow);                   // a ByteSource like any other
//     auto bytes = source->read(offset, 100);              // fetches a block, the next one is at hand
//
// A block is fetched once however many wait for it. Reading from front to back starts fetching ahead, in
// a window that doubles as long as it is used. One pass over everything does not push out what is used
// again and again (the eviction is S3-FIFO, Yang et al., SOSP 2023).
#pragma once

#include <cstdint>
#include <memory>

#include "quire/byte_source.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

struct BlockCacheOptions {
  std::uint64_t capacity_bytes = std::uint64_t{64} << 20;  // of blocks held; at least two blocks
  std::uint32_t block_bytes = std::uint32_t{64} << 10;     // a power of two from 512 to 16 MiB
};

struct CachedSourceOptions {
  // The most that is fetched ahead of one sequential reader; 0 for nothing. What is over half the
  // capacity is not used.
  std::uint64_t max_read_ahead_bytes = std::uint64_t{8} << 20;
};

// Since the cache was made; blocks unless said otherwise.
struct BlockCacheStats {
  std::uint64_t hits = 0;        // found in the cache
  std::uint64_t misses = 0;      // fetched because a read wanted them
  std::uint64_t waits = 0;       // being fetched by someone else, waited for
  std::uint64_t read_ahead = 0;  // fetched ahead
  std::uint64_t fetches = 0;     // reads of the sources behind
  std::uint64_t evictions = 0;
  std::uint64_t bytes_held = 0;  // now
};

// Thread-safe. Lives as long as the longest of its sources.
class QUIRE_EXPORT BlockCache : public std::enable_shared_from_this<BlockCache> {
 public:
  // Errors: invalid_argument (block_bytes; a capacity under two blocks).
  [[nodiscard]] static Result<std::shared_ptr<BlockCache>> create(
      const BlockCacheOptions& options = {});
  virtual ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // `source` through this cache: the same size, name, identity and errors. A read inside one block
  // borrows from the cache without a copy. An error is given to all who wait and is not kept; a caller's
  // stop or deadline ends only his own waiting. A source that is memory already (has_view()) is returned
  // as it is. `source` is not nullptr.
  [[nodiscard]] virtual std::shared_ptr<const ByteSource> attach(
      std::shared_ptr<const ByteSource> source, const CachedSourceOptions& options = {}) = 0;

  [[nodiscard]] virtual BlockCacheStats stats() const = 0;

 protected:
  BlockCache() = default;
};

}  // namespace v0
}  // namespace quire
