#include "vector/id_index.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.hpp"

namespace quire::vector {

IdIndex::IdIndex(Epochs& epochs) : epochs_(epochs), seed_(base::random_u64()) {}

// NOLINTBEGIN(performance-no-int-to-ptr): the words of a table of pages are their addresses.

IdIndex::~IdIndex() {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_[i].pages.visit([](const IdWord& page) { delete reinterpret_cast<Page*>(page.word); });
  }
}

// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) of the range: a bijection that mixes every bit
// into every other. In a segment the ids of a range are spread by Fibonacci hashing (Knuth, 1973).
IdHashes IdIndex::hash(std::uint64_t id) const noexcept {
  std::uint64_t z = id / kRange + seed_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  z ^= z >> 31U;
  return {.segment = z, .line = z * 0xd1342543de82ef95ULL + id % kRange * 0x9e3779b97f4a7c15ULL};
}

IdIndex::Page* IdIndex::find_page(const Shard& shard, std::uint64_t id,
                                  const IdHashes& hashes) const noexcept {
  const IdHashes of_range{.segment = hashes.segment,
                          .line = hashes.line - id % kRange * 0x9e3779b97f4a7c15ULL};
  return reinterpret_cast<Page*>(shard.pages.find(id / kRange * kRange, of_range));
}

// NOLINTEND(performance-no-int-to-ptr)

std::uint64_t IdIndex::find(std::uint64_t id) const noexcept {
  const IdHashes hashes = hash(id);
  const Shard& shard = shard_at(hashes);
  // Acquire, here and below: invariant 3.
  const std::uint64_t pages = shard.page_count.load(std::memory_order_acquire);
  if (pages != 0) {
    if (const Page* page = find_page(shard, id, hashes)) {
      return page->words[id % kRange].load(std::memory_order_acquire);
    }
  }
  const std::uint64_t word = shard.ids.find(id, hashes);
  if (word != 0 || shard.page_count.load(std::memory_order_acquire) == pages) return word;
  const Page* page = find_page(shard, id, hashes);
  return page == nullptr ? 0 : page->words[id % kRange].load(std::memory_order_acquire);
}

void IdIndex::find(std::span<const std::uint64_t> ids,
                   std::span<std::uint64_t> words) const noexcept {
  constexpr std::size_t kTogether = 16;  // about as many as a core has misses under way
  for (std::size_t first = 0; first < ids.size(); first += kTogether) {
    const auto some = ids.subspan(first, std::min(kTogether, ids.size() - first));
    for (const std::uint64_t id : some) {
      const IdHashes hashes = hash(id);
      shard_at(hashes).ids.prefetch_directory(hashes);
    }
    for (const std::uint64_t id : some) {
      const IdHashes hashes = hash(id);
      const Shard& shard = shard_at(hashes);
      const Page* page = shard.page_count.load(std::memory_order_acquire) == 0
                             ? nullptr
                             : find_page(shard, id, hashes);
      if (page != nullptr) {
        __builtin_prefetch(&page->words[id % kRange]);
      } else {
        shard.ids.prefetch_line(hashes);
      }
    }
    for (std::size_t i = 0; i < some.size(); ++i) words[first + i] = find(some[i]);
  }
}

std::uint64_t IdIndex::set(std::uint64_t id, std::uint64_t word) {
  return set(shard_at(hash(id)), {.id = id, .word = word});
}

std::uint64_t IdIndex::set(Shard& shard, const IdWord& one) {
  const IdHashes hashes = hash(one.id);
  while (true) {
    // Relaxed loads, here and below: only this thread writes.
    if (shard.page_count.load(std::memory_order_relaxed) != 0) {
      if (Page* page = find_page(shard, one.id, hashes)) {
        auto& place = page->words[one.id % kRange];
        const std::uint64_t before = place.load(std::memory_order_relaxed);
        place.store(one.word, std::memory_order_release);
        return before;
      }
    }
    bool stored = false;
    const std::uint64_t before = shard.ids.store(one, hashes, stored);
    if (stored) return before;
    make_room(shard, hashes);
  }
}

// Invariant 2.
void IdIndex::make_room(Shard& shard, const IdHashes& hashes) {
  const auto hash_of = [this](std::uint64_t id) { return hash(id); };
  std::vector<IdHash::Entry> entries = shard.ids.entries_of(hashes, hash_of);
  // Ids of one range have the same bits here; those of others rarely as many.
  std::array<std::uint16_t, 256> counts{};
  std::size_t most = 0;
  for (const IdHash::Entry& entry : entries) {
    most = std::max<std::size_t>(most, ++counts[entry.hashes.segment % counts.size()]);
  }
  if (most >= kEnough) {
    std::ranges::sort(entries, {}, [](const IdHash::Entry& entry) { return entry.stored.id; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < entries.size();) {
      const std::uint64_t range = entries[i].stored.id / kRange;
      std::size_t end = i;
      while (end < entries.size() && entries[end].stored.id / kRange == range) ++end;
      if (end - i >= kEnough) {
        auto page = std::make_unique<Page>();
        for (; i < end; ++i) {
          const IdWord& one = entries[i].stored;
          page->words[one.id % kRange].store(one.word, std::memory_order_relaxed);
        }
        add_page(shard, range * kRange, std::move(page));
      }
      for (; i < end; ++i) entries[kept++] = entries[i];
    }
    entries.resize(kept);
  }
  shard.ids.rebuild(hashes, entries, epochs_);
}

void IdIndex::add_page(Shard& shard, std::uint64_t first_id, std::unique_ptr<Page> page) {
  const IdHashes hashes = hash(first_id);
  const auto hash_of = [this](std::uint64_t id) { return hash(id); };
  const IdWord added{.id = first_id, .word = reinterpret_cast<std::uintptr_t>(page.get())};
  bool stored = false;
  for (shard.pages.store(added, hashes, stored); !stored;
       shard.pages.store(added, hashes, stored)) {
    shard.pages.rebuild(hashes, shard.pages.entries_of(hashes, hash_of), epochs_);
  }
  page.release();  // NOLINT(bugprone-unused-return-value): the table owns it now
  shard.page_count.fetch_add(1, std::memory_order_release);
}

void IdIndex::load(std::size_t shard_number, std::span<const IdWord> words, std::uint64_t expected,
                   const std::function<void(std::uint64_t, std::uint64_t)>& replaced) {
  Shard& shard = shards_[shard_number];
  const std::uint64_t in_pages = load_pages(shard, words);
  shard.ids.reserve(std::min<std::uint64_t>(expected, words.size() - in_pages));
  for (const IdWord& one : words) {
    const std::uint64_t before = set(shard, one);
    if (before != 0) replaced(before, one.word);
  }
}

// Makes the pages that the ids will need: in order, as ids mostly come, they need never be moved out of
// the hash table then. An id that comes many times counts as often, which costs at most a page for
// kEnough words.
std::uint64_t IdIndex::load_pages(Shard& shard, std::span<const IdWord> words) {
  const auto end_of_run = [&](std::size_t first) {
    const std::uint64_t range = words[first].id / kRange;
    std::size_t end = first + 1;
    while (end < words.size() && words[end].id / kRange == range) ++end;
    return end;
  };
  // First roughly, in little memory, then exactly for the ranges that may have enough.
  std::vector<std::uint32_t> counts(std::bit_ceil(words.size() / 8 + 256));
  const auto count_of = [&](std::uint64_t id) -> std::uint32_t& {
    return counts[static_cast<std::size_t>(hash(id).segment % counts.size())];
  };
  for (std::size_t i = 0; i < words.size();) {
    const std::size_t end = end_of_run(i);
    count_of(words[i].id) += static_cast<std::uint32_t>(end - i);
    i = end;
  }
  if (std::ranges::none_of(counts, [](std::uint32_t count) { return count >= kEnough; })) return 0;
  std::unordered_map<std::uint64_t, std::uint64_t> exact;
  for (std::size_t i = 0; i < words.size();) {
    const std::size_t end = end_of_run(i);
    if (count_of(words[i].id) >= kEnough) exact[words[i].id / kRange] += end - i;
    i = end;
  }
  std::uint64_t in_pages = 0;
  for (const auto& [range, count] : exact) {
    if (count < kEnough) continue;
    add_page(shard, range * kRange, std::make_unique<Page>());
    in_pages += count;
  }
  return in_pages;
}

}  // namespace quire::vector
