// CachedBlocks: the blocks of one source, through the cache that it shares with others.
//
// How blocks are got:
//   1. All blocks of a batch are looked up first: some are there, some are being loaded by others, the rest
//      is claimed.
//   2. What was claimed is fetched: adjacent blocks by one read of at most kFetchBytes, several such reads by
//      one read_many. Each block goes into a buffer of its own size, so that what the cache counts is what
//      it holds: a slice of a longer read would keep all of it alive.
//   3. Only then the loads of others are waited for (bytes_cache.hpp, invariant 3). What comes to nothing
//      goes through these steps again.
// Fetching ahead claims its blocks when it runs, never while it is queued: a reader who waits for a
// queued claim could hold the thread that it is queued for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/mutex.hpp"
#include "quire/byte_range.hpp"
#include "quire/byte_source.hpp"
#include "source/bytes_cache.hpp"
#include "source/read_ahead.hpp"

namespace quire::source {

// What the sources of one cache share. Thread-safe.
struct BlockStore {
  BlockStore(std::uint64_t capacity, std::uint64_t block)
      : cache({.capacity_bytes = capacity, .entry_bytes = block}),
        capacity_bytes(capacity),
        block_bytes(block) {}

  BytesCache cache;
  const std::uint64_t capacity_bytes;
  const std::uint64_t block_bytes;
  std::atomic<std::uint64_t> fetches = 0;     // counters, which order nothing: relaxed
  std::atomic<std::uint64_t> read_ahead = 0;  // blocks
};

// Thread-safe. Reads that are under way keep it, and the source behind, alive; what is queued does not.
class CachedBlocks : public std::enable_shared_from_this<CachedBlocks> {
 public:
  static constexpr std::uint64_t kFetchBytes = std::uint64_t{4} << 20;
  static constexpr std::uint64_t kBatchBytes = std::uint64_t{32} << 20;  // claimed at a time

  CachedBlocks(std::shared_ptr<BlockStore> store, std::shared_ptr<const ByteSource> behind,
               std::uint64_t max_read_ahead_bytes);
  ~CachedBlocks();
  CachedBlocks(const CachedBlocks&) = delete;
  CachedBlocks& operator=(const CachedBlocks&) = delete;

  const ByteSource& behind() const noexcept { return *behind_; }

  // Block `number` is the bytes [number, number + 1) * block_bytes; the end of the object cuts the last.
  std::uint64_t number_of(std::uint64_t offset) const { return offset / store_->block_bytes; }
  ByteRange range_of(std::uint64_t number) const;

  // One block. Errors: as the source behind; cancelled, timeout.
  Result<Bytes> block(std::uint64_t number, Use use, const ReadOptions& options) const;

  // Calls `take` once with each block of `numbers` (ascending, each once), in any order. `first` is the
  // use of the first one; the others count. Errors: as block.
  using Take = std::function<void(std::uint64_t number, const Bytes& block)>;
  Result<void> each(std::span<const std::uint64_t> numbers, Use first, const ReadOptions& options,
                    const Take& take) const;

  // Takes note of a read, which may start fetching ahead on the default executor. Returns how the read
  // uses its first block.
  Use observe(ByteRange read) QUIRE_EXCLUDES(mutex_);
  // Nobody reads any more: what is being fetched ahead is cancelled.
  void close();

 private:
  struct Claimed {
    std::uint64_t number;
    BytesCache::Claim claim;
  };
  class Ahead;

  BytesKey key(std::uint64_t number) const { return {owner_, number}; }
  Result<Bytes> fetch_block(std::uint64_t number, const ReadOptions& options) const;
  Result<std::vector<Bytes>> fetch_runs(std::span<const ByteRange> runs,
                                        const ReadOptions& options) const;
  std::vector<ByteRange> join(std::span<const Claimed> claimed) const;
  Result<void> load(std::span<Claimed> claimed, const ReadOptions& options, const Take& take) const;
  void refuse(std::span<Claimed> claimed, const Error& error, const ReadOptions& options) const;
  Result<void> batch(std::vector<std::uint64_t> numbers, Use first, const ReadOptions& options,
                     const Take& take) const;
  void fetch_ahead(ByteRange range) const;
  void finished(std::uint64_t stream) QUIRE_EXCLUDES(mutex_);

  const std::shared_ptr<BlockStore> store_;
  const std::shared_ptr<const ByteSource> behind_;
  const std::uint64_t owner_ = BytesCache::new_owner();
  std::stop_source closing_;

  base::Mutex mutex_;
  ReadAhead read_ahead_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::source
