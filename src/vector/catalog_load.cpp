// Two passes, each in portions that any core takes:
//   1. Blocks of entries are read, checked and placed in the version table. The index words of each block
//      are sorted by the shard of the index that they belong to, in the order of the entries.
//   2. Shards of the index take their words from all blocks. An id is in one shard, so whoever loads it
//      sees all its versions, in order, and links them.
#include "vector/catalog_load.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.hpp"
#include "vector/on_all_cores.hpp"

namespace quire::vector {

// Used once, by one thread, which may be many inside run().
class CatalogLoad {
 public:
  CatalogLoad(const SlotFile& slots, const Manifest& manifest, Catalog& catalog)
      : slots_(slots), manifest_(manifest), catalog_(catalog), count_(manifest.slot_count) {}

  Result<void> run() {
    if (auto is_long_enough = slots_.check_length(count_); !is_long_enough) return is_long_enough;
    const std::uint64_t blocks = (count_ + kBlock - 1) / kBlock;
    words_ = std::make_unique_for_overwrite<IdWord[]>(static_cast<std::size_t>(count_));
    blocks_.resize(static_cast<std::size_t>(blocks));
    catalog_.versions_.resize(count_);
    on_all_cores(blocks, [this](std::uint64_t block) { read_block(block); });
    check_order_of_blocks();
    {
      const base::MutexLock lock(mutex_);
      if (problem_) return std::unexpected(*std::move(problem_));
    }
    load_shards();
    catalog_.live_ = live_.load(std::memory_order_relaxed);
    return check_live();
  }

 private:
  // One leaf of the version table, which one thread fills in order.
  static constexpr std::uint64_t kBlock = VersionTable::kLeaf;

  struct Block {
    std::uint64_t first_lsn = 0;
    std::uint64_t last_lsn = 0;
    // Where in the block's words those of a shard begin; the last is their number.
    std::array<std::uint16_t, IdIndex::kShards + 1> shards{};
  };

  std::uint64_t size_of(std::uint64_t block) const noexcept {
    return std::min(kBlock, count_ - block * kBlock);
  }

  void read_block(std::uint64_t number) {
    // Nobody hears of what comes after a problem.
    if (number * kBlock > first_problem_.load(std::memory_order_relaxed)) return;
    const std::uint64_t first = number * kBlock;
    const auto size = static_cast<std::size_t>(size_of(number));
    Block& block = blocks_[static_cast<std::size_t>(number)];
    std::vector<std::byte> bytes(size * kSlotEntryBytes);
    if (auto read = slots_.read_block(first, bytes); !read) {
      return note(first, std::move(read).error());
    }
    std::vector<IdWord> words(size);
    std::vector<std::uint8_t> shard_of(size);
    std::array<std::uint16_t, IdIndex::kShards> next{};
    std::uint64_t puts = 0;
    for (std::size_t i = 0; i < size; ++i) {
      SlotEntry entry;
      const auto at = std::span(bytes).subspan(i * kSlotEntryBytes, kSlotEntryBytes);
      if (!slots_.decode(first + i, at, entry)) {
        return note_damage(first + i,
                           "the checksum of entry " + std::to_string(first + i) + " is wrong");
      }
      const bool is_put = entry.kind == OperationKind::put;
      if (i == 0) block.first_lsn = block.last_lsn = entry.lsn;
      if ((is_put && entry.row >= manifest_.row_limit) || entry.lsn < block.last_lsn ||
          entry.lsn > manifest_.checkpoint_lsn) {
        return note_impossible(first + i);
      }
      block.last_lsn = entry.lsn;
      const std::uint64_t row = is_put ? entry.row : kNoRow;
      catalog_.versions_.place(first + i, entry.id, entry.lsn, row, entry.row_checksum);
      words[i] = {.id = entry.id, .word = IndexWord(first + i, row).value()};
      shard_of[i] = static_cast<std::uint8_t>(catalog_.index_.shard_of(entry.id));
      ++next[shard_of[i]];
      puts += is_put ? 1 : 0;
    }
    live_.fetch_add(puts, std::memory_order_relaxed);
    std::uint16_t begin = 0;
    for (std::size_t shard = 0; shard < IdIndex::kShards; ++shard) {
      block.shards[shard] = begin;
      begin = static_cast<std::uint16_t>(begin + std::exchange(next[shard], begin));
    }
    block.shards[IdIndex::kShards] = begin;
    const auto sorted = std::span(words_.get(), count_).subspan(first, size);
    for (std::size_t i = 0; i < size; ++i) sorted[next[shard_of[i]]++] = words[i];
  }

  void check_order_of_blocks() {
    for (std::size_t i = 1; i < blocks_.size(); ++i) {
      if (i * kBlock > first_problem_.load(std::memory_order_relaxed)) return;
      if (blocks_[i].first_lsn < blocks_[i - 1].last_lsn) return note_impossible(i * kBlock);
    }
  }

  void load_shards() {
    if (blocks_.size() > 1) {
      on_all_cores(IdIndex::kShards, [this](std::uint64_t shard) { load_shard(shard); });
    } else if (!blocks_.empty()) {  // done before another thread had begun
      for (std::uint64_t shard = 0; shard < IdIndex::kShards; ++shard) load_shard(shard);
    }
  }

  void load_shard(std::uint64_t shard) {
    const auto of_block = [&](std::size_t number) {
      const auto& begins = blocks_[number].shards;
      return std::span(words_.get() + number * kBlock + begins[shard],
                       static_cast<std::size_t>(begins[shard + 1] - begins[shard]));
    };
    std::size_t size = 0;
    for (std::size_t i = 0; i < blocks_.size(); ++i) size += of_block(i).size();
    std::vector<IdWord> words;
    words.reserve(size);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      words.insert(words.end(), of_block(i).begin(), of_block(i).end());
    }
    // Where many versions are dead, many are of the same ids.
    const double alive = static_cast<double>(manifest_.live) / static_cast<double>(count_);
    const auto expected = static_cast<std::uint64_t>(static_cast<double>(size) * alive) + 1;
    std::uint64_t replaced_puts = 0;
    catalog_.index_.load(static_cast<std::size_t>(shard), words, expected,
                         [&](std::uint64_t before, std::uint64_t after) {
                           catalog_.versions_.replace(IndexWord(before).version() - 1,
                                                      IndexWord(after).version() - 1);
                           replaced_puts += IndexWord(before).is_put() ? 1 : 0;
                         });
    live_.fetch_sub(replaced_puts, std::memory_order_relaxed);
  }

  Result<void> check_live() const {
    if (catalog_.live() == manifest_.live) return {};
    return std::unexpected(Error(ErrorCode::corrupt, "open")
                               .with_path(slots_.path())
                               .with_detail("the entries have " + std::to_string(catalog_.live()) +
                                            " live ids, the manifest says " +
                                            std::to_string(manifest_.live)));
  }

  // Keeps the problem of the first entry that has one, whoever meets another first.
  void note(std::uint64_t entry, Error error) {
    const base::MutexLock lock(mutex_);
    if (entry >= first_problem_.load(std::memory_order_relaxed)) return;
    first_problem_.store(entry, std::memory_order_relaxed);
    problem_ = std::move(error);
  }
  void note_damage(std::uint64_t entry, std::string what) {
    note(entry, Error(ErrorCode::corrupt, "open")
                    .with_path(slots_.path())
                    .with_range({kHeaderBytes + entry * kSlotEntryBytes, kSlotEntryBytes})
                    .with_detail(std::move(what)));
  }
  void note_impossible(std::uint64_t entry) {
    note_damage(entry, "entry " + std::to_string(entry) + " has an impossible value");
  }

  const SlotFile& slots_;
  const Manifest& manifest_;
  Catalog& catalog_;
  const std::uint64_t count_;
  std::unique_ptr<IdWord[]> words_;
  std::vector<Block> blocks_;
  // Relaxed throughout: counts, and a hint; the end of the threads orders what they did.
  std::atomic<std::uint64_t> live_{0};
  std::atomic<std::uint64_t> first_problem_{std::numeric_limits<std::uint64_t>::max()};
  base::Mutex mutex_;
  std::optional<Error> problem_ QUIRE_GUARDED_BY(mutex_);
};

Result<void> load_catalog(const SlotFile& slots, const Manifest& manifest, Catalog& catalog) {
  return CatalogLoad(slots, manifest, catalog).run();
}

}  // namespace quire::vector
