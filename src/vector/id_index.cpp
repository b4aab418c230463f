#include "vector/id_index.hpp"

#include <utility>

#include "base/random.hpp"
#include "vector/format.hpp"

namespace quire::vector {

IdIndex::IdIndex(Epochs& epochs) : epochs_(epochs), seed_(base::random_u64()) {
  auto directory = std::make_unique<Directory>(1);
  for (std::size_t i = 0; i < 2; ++i) {
    auto segment = std::make_unique<Segment>();
    segment->depth = 1;
    directory->segments[i].store(segment.release(), std::memory_order_relaxed);
  }
  directory_.store(directory.release(), std::memory_order_release);
}

IdIndex::~IdIndex() {
  const std::unique_ptr<Directory> directory(directory_.load(std::memory_order_acquire));
  std::size_t i = 0;
  while (i < directory->size()) {
    Segment* segment = directory->segments[i].load(std::memory_order_relaxed);
    i += std::size_t{1} << (directory->depth - segment->depth);
    delete segment;
  }
}

// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): a bijection that mixes every bit into every
// other.
std::uint64_t IdIndex::hash(std::uint64_t id) const noexcept {
  std::uint64_t z = id + seed_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

IdIndex::Slot& IdIndex::probe(Segment& segment, std::uint64_t id, std::uint64_t hashed) noexcept {
  std::size_t at = hashed % kSlots;
  while (true) {
    Slot& slot = segment.slots[at];
    // Acquire pairs with the release in set(): invariant 2, and the version behind the head.
    if (slot.head.load(std::memory_order_acquire) == 0 ||
        slot.id.load(std::memory_order_relaxed) == id) {
      return slot;
    }
    at = (at + 1) % kSlots;
  }
}

std::uint64_t IdIndex::find(std::uint64_t id) const noexcept {
  const std::uint64_t hashed = hash(id);
  const Directory* directory = directory_.load(std::memory_order_acquire);
  Segment* segment =
      directory->segments[hashed >> (64 - directory->depth)].load(std::memory_order_acquire);
  return probe(*segment, id, hashed).head.load(std::memory_order_acquire);
}

void IdIndex::set(std::uint64_t id, std::uint64_t head) {
  const std::uint64_t hashed = hash(id);
  while (true) {
    const Directory* directory = directory_.load(std::memory_order_relaxed);
    Segment* segment =
        directory->segments[hashed >> (64 - directory->depth)].load(std::memory_order_relaxed);
    Slot& slot = probe(*segment, id, hashed);
    if (slot.head.load(std::memory_order_relaxed) == 0) {
      if (segment->used >= kFull) {
        split(segment, hashed);
        continue;
      }
      slot.id.store(id, std::memory_order_relaxed);
      ++segment->used;
    }
    slot.head.store(head, std::memory_order_release);
    return;
  }
}

void IdIndex::split(Segment* full, std::uint64_t hashed) {
  if (full->depth == directory_.load(std::memory_order_relaxed)->depth) double_directory();
  const Directory* directory = directory_.load(std::memory_order_relaxed);

  auto lower = std::make_unique<Segment>();
  auto upper = std::make_unique<Segment>();
  const unsigned bit = 63 - full->depth;
  for (const Slot& slot : full->slots) {
    const std::uint64_t head = slot.head.load(std::memory_order_relaxed);
    if (head == 0) continue;
    const std::uint64_t id = slot.id.load(std::memory_order_relaxed);
    const std::uint64_t slot_hash = hash(id);
    Segment& half = ((slot_hash >> bit) & 1U) == 0 ? *lower : *upper;
    Slot& place = probe(half, id, slot_hash);
    place.id.store(id, std::memory_order_relaxed);
    place.head.store(head, std::memory_order_relaxed);
    ++half.used;
  }
  lower->depth = upper->depth = full->depth + 1;

  // The entries of the full segment are neighbours: its shared bits are the top ones.
  const auto retired = std::make_shared<std::unique_ptr<Segment>>();
  Segment* const halves[] = {lower.release(), upper.release()};
  const std::size_t share = std::size_t{1} << (directory->depth - full->depth);
  const std::size_t first = (hashed >> (64 - directory->depth)) / share * share;
  for (std::size_t i = 0; i < share; ++i) {
    directory->segments[first + i].store(halves[i < share / 2 ? 0 : 1], std::memory_order_release);
  }
  // Handed over last: if memory runs out here, the segment is leaked, and not freed under its readers.
  // The halves are not: they are in the directory.
  epochs_.retire(retired);  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks)
  retired->reset(full);
}

void IdIndex::double_directory() {
  Directory* old = directory_.load(std::memory_order_relaxed);
  auto larger = std::make_unique<Directory>(old->depth + 1);
  for (std::size_t i = 0; i < old->size(); ++i) {
    Segment* segment = old->segments[i].load(std::memory_order_relaxed);
    larger->segments[2 * i].store(segment, std::memory_order_relaxed);
    larger->segments[2 * i + 1].store(segment, std::memory_order_relaxed);
  }
  const auto retired = std::make_shared<std::unique_ptr<Directory>>();
  directory_.store(larger.release(), std::memory_order_release);
  epochs_.retire(retired);
  retired->reset(old);
}

}  // namespace quire::vector
