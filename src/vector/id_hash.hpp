// IdHash: a hash table from an id to a word, which grows a piece at a time (extendible hashing: Fagin,
// Nievergelt, Pippenger, Strong, 1979) and is read without locks. A part of IdIndex.
//
// Invariants:
//   1. A directory of 2^depth entries leads by the top bits of an id's first hash to a segment: lines of
//      four slots, a cache line each. A segment grows by being copied into a larger one, and from the
//      largest size into two. One thread writes; it never changes the id of a used slot.
//   2. A slot is empty while its word is 0. The id is stored before the word, with release, so a reader
//      that sees a word sees its id. An id lies in the first empty slot that there was from the beginning
//      of its line on, so an empty slot ends a search. Each segment has one.
//   3. A segment is complete before the directory leads to it. The one that it replaces is retired: a
//      reader that still has it finds what was there then, which is all that a view made before can show.
//   4. A larger directory is complete before it replaces the old one, which is retired.
//   5. Each read happens inside a view, so what is retired outlives it (epochs.hpp).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "vector/epochs.hpp"

namespace quire::vector {

struct IdWord {
  std::uint64_t id;
  std::uint64_t word;  // not 0
};

// Two hashes of an id: the first says which segment, the second where in it.
struct IdHashes {
  std::uint64_t segment;
  std::uint64_t line;
};

// One thread calls what is not const; any number call what is at the same time, inside views. The hashes
// that come with an id are always the same.
class IdHash {
 public:
  static constexpr unsigned kSkippedBits = 8;  // of the first hash, from the top: others use them

  struct Entry {
    IdWord stored;
    IdHashes hashes;
  };

  IdHash() = default;
  IdHash(const IdHash&) = delete;
  IdHash& operator=(const IdHash&) = delete;
  ~IdHash();

  // The word of `id`; 0 if there is none. Never allocates.
  std::uint64_t find(std::uint64_t id, const IdHashes& hashes) const noexcept {
    const Directory directory(directory_.load(std::memory_order_acquire));
    if (!directory) return 0;
    const Segment segment(directory.entry(hashes).load(std::memory_order_acquire));
    const std::size_t count = segment.line_count();
    for (std::size_t at = line_of(hashes, count);; at = at + 1 == count ? 0 : at + 1) {
      const Line& line = segment.lines()[at];
      // All slots without a branch: which of them it is could not be foreseen.
      std::uint64_t found = 0;
      bool has_empty = false;
      for (std::size_t i = 0; i < kSlots; ++i) {
        // Acquire pairs with the release of the writer: invariant 2, and what the word leads to.
        const std::uint64_t word = line.words[i].load(std::memory_order_acquire);
        const bool is_it = line.ids[i].load(std::memory_order_relaxed) == id;
        found |= is_it ? word : 0;
        has_empty |= word == 0;
      }
      if (found != 0 || has_empty) return found;
    }
  }

  // The two steps before find() that may wait for memory: each tells the processor what the next touches.
  void prefetch_directory(const IdHashes& hashes) const noexcept {
    const Directory directory(directory_.load(std::memory_order_acquire));
    if (directory) __builtin_prefetch(&directory.entry(hashes));
  }
  void prefetch_line(const IdHashes& hashes) const noexcept {
    const Directory directory(directory_.load(std::memory_order_acquire));
    if (!directory) return;
    const Segment segment(directory.entry(hashes).load(std::memory_order_acquire));
    __builtin_prefetch(segment.lines() + line_of(hashes, segment.line_count()));
  }

  // Stores the word, if there is one already or room for it. Returns the one before, 0 if none; or false
  // in `stored`, if the segment is full, and does nothing.
  std::uint64_t store(const IdWord& one, const IdHashes& hashes, bool& stored) noexcept;

  // The entries of the segment that these hashes lead to, with their hashes by `hash_of`.
  template <class HashOf>
  [[nodiscard]] std::vector<Entry> entries_of(const IdHashes& hashes, const HashOf& hash_of) const {
    std::vector<Entry> entries;
    const Directory directory(directory_.load(std::memory_order_relaxed));
    if (!directory) return entries;
    const Segment segment(directory.entry(hashes).load(std::memory_order_relaxed));
    entries.reserve(segment.head().used);
    segment.visit([&](const IdWord& one) { entries.push_back({one, hash_of(one.id)}); });
    return entries;
  }
  // Replaces that segment by one, or two, with room for `entries` and one more.
  // REQUIRES: `entries` are of it.
  void rebuild(const IdHashes& hashes, std::span<const Entry> entries, Epochs& epochs);

  // Makes the table, which is empty, for about `count` ids.
  void reserve(std::uint64_t count);

  // Calls visit(IdWord) for everything.
  template <class Visit>
  void visit(const Visit& visit) const {
    visit_segments([&](const Segment& segment) { segment.visit(visit); });
  }

 private:
  static constexpr std::size_t kSlots = 4;
  // Segments have one of these numbers of lines: each about √2 times the one before, so a segment that
  // has just grown is more than half full.
  static constexpr std::array<std::uint16_t, 17> kLineCounts{1,  2,  3,  4,  6,   8,   12,  16, 23,
                                                             32, 45, 64, 90, 128, 181, 256, 0};
  static constexpr std::size_t kLargest = 15;
  // The slots of a segment that may be used.
  static constexpr std::size_t room_of(std::size_t size) noexcept {
    return kSlots * kLineCounts[size] * 13 / 16;
  }
  // The smallest size for `count` entries that will not be full at once.
  static std::size_t size_for(std::size_t count) noexcept;

  struct alignas(64) Line {
    std::array<std::atomic<std::uint64_t>, kSlots> ids{};
    std::array<std::atomic<std::uint64_t>, kSlots> words{};
  };
  struct alignas(64) Head {
    std::size_t used = 0;  // writer only
    unsigned depth = 0;    // how many bits all its hashes share, behind the skipped; writer only
  };

  // A head and lines in one piece of memory: its address, and in the low bits which size. So a reader
  // goes from the directory to the line, and touches nothing else.
  class Segment {
    static_assert(kLineCounts.size() <= alignof(Head), "a size has to fit in those bits");

   public:
    Segment() = default;
    explicit Segment(std::uintptr_t tagged) noexcept : tagged_(tagged) {}
    [[nodiscard]] static Segment make(std::size_t size, unsigned depth);
    void destroy() const noexcept;

    std::uintptr_t tagged() const noexcept { return tagged_; }
    std::size_t size() const noexcept { return tagged_ % alignof(Head); }
    std::size_t line_count() const noexcept { return kLineCounts[size()]; }
    // NOLINTBEGIN(performance-no-int-to-ptr): that is what a tagged address is for.
    Head& head() const noexcept { return *reinterpret_cast<Head*>(tagged_ - size()); }
    Line* lines() const noexcept {
      return reinterpret_cast<Line*>(tagged_ - size() + sizeof(Head));
    }
    // NOLINTEND(performance-no-int-to-ptr)
    // Writer only.
    template <class Visit>
    void visit(const Visit& visit) const {
      for (const Line& line : std::span(lines(), line_count())) {
        for (std::size_t i = 0; i < kSlots; ++i) {
          const std::uint64_t word = line.words[i].load(std::memory_order_relaxed);
          if (word != 0) visit(IdWord{line.ids[i].load(std::memory_order_relaxed), word});
        }
      }
    }
    // As IdHash::store.
    std::uint64_t store(const IdWord& one, const IdHashes& hashes, bool& stored) const noexcept;

   private:
    std::uintptr_t tagged_ = 0;
  };

  // The entries, at an address that has the depth in its low bits: so a reader goes from the table to the entry, and
  // touches nothing else.
  class Directory {
   public:
    using Slot = std::atomic<std::uintptr_t>;  // a Segment, tagged

    explicit Directory(std::uintptr_t tagged) noexcept : tagged_(tagged) {}
    [[nodiscard]] static Directory make(unsigned depth);
    void destroy() const noexcept;

    explicit operator bool() const noexcept { return tagged_ != 0; }
    std::uintptr_t tagged() const noexcept { return tagged_; }
    unsigned depth() const noexcept { return static_cast<unsigned>(tagged_ % kAlignment); }
    std::size_t size() const noexcept { return std::size_t{1} << depth(); }
    std::size_t index(const IdHashes& hashes) const noexcept {
      return hashes.segment << kSkippedBits >> 1U >> (63 - depth());
    }
    Slot* entries() const noexcept {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what a tagged address is for.
      return reinterpret_cast<Slot*>(tagged_ - depth());
    }
    Slot& entry(const IdHashes& hashes) const noexcept { return entries()[index(hashes)]; }

   private:
    static constexpr std::size_t kAlignment = 64;
    static_assert(63 - kSkippedBits < kAlignment, "a depth has to fit in the low bits");

    std::uintptr_t tagged_ = 0;
  };

  static std::size_t line_of(const IdHashes& hashes, std::size_t count) noexcept {
    return static_cast<std::size_t>((hashes.line >> 32U) * count >> 32U);
  }
  template <class Visit>
  void visit_segments(const Visit& visit) const {
    const Directory directory(directory_.load(std::memory_order_acquire));
    if (!directory) return;
    for (std::size_t i = 0; i < directory.size();) {
      const Segment segment(directory.entries()[i].load(std::memory_order_relaxed));
      i += std::size_t{1} << (directory.depth() - segment.head().depth);
      visit(segment);
    }
  }
  void double_directory(Epochs& epochs);

  std::atomic<std::uintptr_t> directory_{0};  // a Directory, tagged
};

}  // namespace quire::vector
