// S3Fifo: which entries a bounded cache of Bytes holds, and which it gives up (S3-FIFO: Yang, Zhang, Qiu,
// Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023), with a queue of its own for
// what was fetched ahead.
//
// Invariants:
//   1. A key is in at most one queue: small, main, ahead (these three hold its bytes) or ghost (its key
//      alone).
//   2. The costs in small, main and ahead together are at most the capacity: room is made before an entry
//      comes in. An entry costs its size, or kLeastCost if that is more.
//   3. A new entry begins in small, which gives up entries first while it is over a tenth of the capacity.
//      One that was used kPromote times there goes on to main, any other leaves its key to ghost. So one
//      pass over everything passes through small alone.
//   4. An entry that comes back while its key is in ghost begins in main. The costs of the ghosts are at
//      most what main has.
//   5. Main gives up its oldest entry; one that was used pays a use and goes round again. Uses are counted
//      up to kMostUses, so that a search for a victim ends.
//   6. What was fetched ahead waits in ahead, where a full small queue cannot push it out before it is
//      read. The first use moves it to where it would have begun, and is not counted: it is the one that
//      it was fetched for. It is the first to go once half the capacity came in behind it.
//   7. All this holds as well when memory for a change runs out; then the new entry is not held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "quire/bytes.hpp"

namespace quire::source {

// Whose entry it is, and which.
struct BytesKey {
  std::uint64_t owner = 0;
  std::uint64_t number = 0;
  friend bool operator==(const BytesKey&, const BytesKey&) = default;
};

struct BytesKeyHash {
  // Spreads neighbours over all 64 bits (the finisher of splitmix64).
  std::size_t operator()(const BytesKey& key) const noexcept {
    std::uint64_t x = key.number + key.owner * 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31U);
  }
};

// Whether finding an entry says that it is worth keeping. A reader who goes through a block in many small
// steps used it once.
enum class Use : std::uint8_t {
  counts,
  continues,  // the same reader, reading on inside the entry he was in
};

// Single-thread; BytesCache puts a mutex around it.
class S3Fifo {
 public:
  enum Queue : std::uint8_t { kSmall, kMain, kAhead, kGhost, kQueues };

  struct Entry {
    BytesKey key;
    Bytes bytes;
    std::uint64_t cost = 0;
    std::uint64_t came = 0;  // inserted_ when it came
    unsigned uses = 0;
    Queue queue = kSmall;
    Queue begins = kSmall;  // where it goes from ahead
  };
  using Entries = std::list<Entry>;

  static constexpr std::uint64_t kLeastCost = 64;
  static constexpr unsigned kPromote = 2;
  static constexpr unsigned kMostUses = 3;

  explicit S3Fifo(std::uint64_t capacity_bytes);

  // The bytes held under `key`, or nullptr. Valid until the next insert or forget.
  const Bytes* find(const BytesKey& key, Use use);
  bool holds(const BytesKey& key) const;

  // Holds `bytes` under a key that holds nothing, unless they cost more than the capacity. What had to
  // go is added to `freed`, so that the caller can free it when he has no lock.
  void insert(const BytesKey& key, Bytes bytes, bool ahead, std::vector<Bytes>& freed);

  // Takes out what belongs to `owner`; for the caller to free when he has no lock. Looks at every entry,
  // never allocates.
  Entries forget(std::uint64_t owner) noexcept;

  std::uint64_t bytes_held() const noexcept;
  std::uint64_t evictions() const noexcept { return evictions_; }

 private:
  // The newest entry is at the front.
  struct Fifo {
    Entries entries;
    std::uint64_t cost = 0;
  };

  void move(Entries::iterator entry, Queue to);
  void erase(Entries::iterator entry);
  Entries::iterator oldest(Queue queue) { return std::prev(queues_[queue].entries.end()); }
  Queue choose_victim();
  void evict(std::vector<Bytes>& freed);

  const std::uint64_t capacity_;
  const std::uint64_t small_capacity_;
  std::array<Fifo, kQueues> queues_;
  std::unordered_map<BytesKey, Entries::iterator, BytesKeyHash> index_;
  std::uint64_t inserted_ = 0;  // the cost of all that ever came
  std::uint64_t evictions_ = 0;
};

}  // namespace quire::source
