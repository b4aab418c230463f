// BytesCache: a bounded cache of Bytes, each loaded once however many want it at the same time.
//
// Invariants:
//   1. A key is held, or being loaded, or neither; never both. What is loaded comes into the cache in the
//      same step that ends its load.
//   2. A load belongs to one Claim, which ends it: with the bytes, with an error, or by its destruction,
//      however that comes about.
//   3. Who holds claims ends all of them before he waits for a load of somebody else, and claims nothing
//      while he waits. Otherwise two could wait for each other.
//   4. An error is given to all who wait and is not kept. A load that ended because its loader ran out of
//      his own time says nothing about the bytes: those who wait then try themselves.
//   5. No lock is held while bytes are loaded, waited for, or freed.
// Which entries are held, and how the bound is kept: s3_fifo.hpp.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/mutex.hpp"
#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "source/s3_fifo.hpp"

namespace quire::source {

struct BytesCacheOptions {
  std::uint64_t capacity_bytes = std::uint64_t{64} << 20;
  // About how large an entry is. A cache of many is split into parts with a lock and a share of the
  // capacity each; what is larger than a share is not kept.
  std::uint64_t entry_bytes = std::uint64_t{64} << 10;
};

struct BytesCacheStats {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;      // claims handed out by find
  std::uint64_t waits = 0;       // loads handed out by find
  std::uint64_t evictions = 0;   // what forget drops is not counted
  std::uint64_t bytes_held = 0;  // as they are charged: at least S3Fifo::kLeastCost each
};

// Thread-safe.
class BytesCache {
  struct Shard;
  class Load;

 public:
  using Key = BytesKey;

  // The duty to load one key. Move-only; used by one thread at a time; the cache outlives it.
  class [[nodiscard]] Claim {
   public:
    Claim(Claim&& other) noexcept
        : shard_(other.shard_), key_(other.key_), load_(std::move(other.load_)) {}
    Claim& operator=(Claim&&) = delete;
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    // If the claim was not ended, those who wait try themselves.
    ~Claim();

    // Ends the load with its bytes: gives them to all who wait, and keeps them if they fit. The memory
    // behind `bytes` is to be no larger than they are, or the bound on memory is not one.
    void fulfil(const Bytes& bytes);
    // Ends the load with an error. `loader` is what the load was limited by: `cancelled`, and `timeout`
    // if he had a deadline, are his own end (invariant 4).
    void fail(const Error& error, const ReadOptions& loader);

   private:
    friend class BytesCache;
    Claim(Shard& shard, const Key& key, std::shared_ptr<Load> load) noexcept
        : shard_(&shard), key_(key), load_(std::move(load)) {}

    Shard* shard_;
    Key key_;
    std::shared_ptr<Load> load_;  // empty once it is ended or moved from
  };

  // A load of somebody else.
  class Flight {
   public:
    // Waits for its end: the bytes, or nothing if the caller is to try again. Errors: what the loader
    // got; cancelled, timeout (of `options`; the load goes on).
    [[nodiscard]] Result<std::optional<Bytes>> wait(const ReadOptions& options) const;

   private:
    friend class BytesCache;
    explicit Flight(std::shared_ptr<Load> load) noexcept : load_(std::move(load)) {}
    std::shared_ptr<Load> load_;
  };

  using Found = std::variant<Bytes, Claim, Flight>;

  explicit BytesCache(const BytesCacheOptions& options);
  ~BytesCache();
  BytesCache(const BytesCache&) = delete;
  BytesCache& operator=(const BytesCache&) = delete;

  // A number nobody else has, for the keys of one user.
  static std::uint64_t new_owner() noexcept;
  // Drops an owner's entries. What is still being loaded is kept when it comes: forget when nobody loads.
  void forget(std::uint64_t owner) noexcept;

  // The bytes, or the duty to load them, or the load of somebody else (invariant 3).
  [[nodiscard]] Found find(const Key& key, Use use = Use::counts);
  // The duty to load a key that is neither held nor being loaded, before anybody wants it. Such an entry
  // is kept apart until it is used, and not counted in the statistics.
  [[nodiscard]] std::optional<Claim> claim_ahead(const Key& key);

  // The bytes: held, or waited for, or loaded by `load`, which must not come back for the same key.
  // Errors: as `load`; cancelled, timeout (without a path).
  [[nodiscard]] Result<Bytes> get(const Key& key, const ReadOptions& options,
                                  const std::function<Result<Bytes>()>& load,
                                  Use use = Use::counts);

  BytesCacheStats stats() const;

 private:
  Shard& shard_of(const Key& key);

  std::deque<Shard> shards_;  // 1 or kShards
};

}  // namespace quire::source
