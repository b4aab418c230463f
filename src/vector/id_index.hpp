// IdIndex: from an id to a word that tells its newest version. Ids are looked at in ranges of kRange. A
// range of which enough ids are used is a page, an array; the ids of all others are in a hash table.
//
// Invariants:
//   1. Ranges are divided among shards by the top bits of their hash; a shard has a hash table of pages,
//      and one of ids, in which the ids of a range are in one segment. Only a hash table's segments are
//      ever copied: nothing that grows takes longer than one of them, or the directory of one shard.
//   2. When a segment is full, ranges that have at least kEnough ids in it become pages. An id is stored
//      only in the page of its range, if there is one. Pages stay, and words in them are only stored over.
//   3. A page is complete when it appears; then it is counted, and only then the segment without its ids
//      replaces the one with them. So a reader that finds an id neither in a page nor in the segment looks
//      for a page again if one was counted meanwhile, and needs no third look.
//   4. Each read happens inside a view (epochs.hpp); what is stored before the view was made is found.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "vector/epochs.hpp"
#include "vector/id_hash.hpp"

namespace quire::vector {

// One thread calls set; any number call find at the same time, inside views of `epochs`.
class IdIndex {
 public:
  static constexpr std::size_t kShards = std::size_t{1} << IdHash::kSkippedBits;

  explicit IdIndex(Epochs& epochs);
  ~IdIndex();
  IdIndex(const IdIndex&) = delete;
  IdIndex& operator=(const IdIndex&) = delete;

  // The word stored for `id`; 0 if there is none. Never allocates.
  std::uint64_t find(std::uint64_t id) const noexcept;
  // The same for many, whose waits for memory overlap. REQUIRES: words.size() == ids.size().
  void find(std::span<const std::uint64_t> ids, std::span<std::uint64_t> words) const noexcept;

  // Stores a word, which is not 0. Returns the one before; 0 if there was none.
  std::uint64_t set(std::uint64_t id, std::uint64_t word);

  // The shard of an id.
  std::size_t shard_of(std::uint64_t id) const noexcept {
    return static_cast<std::size_t>(hash(id).segment >> (64 - IdHash::kSkippedBits));
  }
  // Sets words of one shard, in order, of about `expected` different ids. `replaced` is told of each word
  // that was there before, and of the one that comes after it. Different shards may be loaded at the same
  // time, while nobody else uses the index. REQUIRES: the shard is empty.
  void load(std::size_t shard, std::span<const IdWord> words, std::uint64_t expected,
            const std::function<void(std::uint64_t before, std::uint64_t after)>& replaced);

 private:
  static constexpr std::uint64_t kRange = 256;
  // A page takes 8 bytes for each id of the range, a hash table 20 to 30 for each that is used.
  static constexpr std::size_t kEnough = 96;

  struct Page {
    std::array<std::atomic<std::uint64_t>, kRange> words{};
  };
  struct alignas(64) Shard {
    IdHash ids;
    IdHash pages;  // from the first id of a range to the address of its page
    std::atomic<std::uint64_t> page_count{0};
  };

  IdHashes hash(std::uint64_t id) const noexcept;
  Shard& shard_at(const IdHashes& hashes) const noexcept {
    return shards_[static_cast<std::size_t>(hashes.segment >> (64 - IdHash::kSkippedBits))];
  }
  Page* find_page(const Shard& shard, std::uint64_t id, const IdHashes& hashes) const noexcept;
  std::uint64_t set(Shard& shard, const IdWord& one);
  void add_page(Shard& shard, std::uint64_t first_id, std::unique_ptr<Page> page);
  void make_room(Shard& shard, const IdHashes& hashes);
  // Returns how many of the words go into pages.
  std::uint64_t load_pages(Shard& shard, std::span<const IdWord> words);

  Epochs& epochs_;
  const std::uint64_t seed_;  // ids cannot be chosen so that their hashes meet
  const std::unique_ptr<Shard[]> shards_ = std::make_unique<Shard[]>(kShards);
};

}  // namespace quire::vector
