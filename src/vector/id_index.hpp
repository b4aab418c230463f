// IdIndex: from an id to the number of its newest version. A hash table that grows a piece at a time
// (extendible hashing: Fagin, Nievergelt, Pippenger, Strong, 1979), read without locks.
//
// Invariants:
//   1. A directory of 2^depth pointers leads by the top bits of an id's hash to a segment of kSlots slots.
//      One thread writes; it never changes the id of a used slot.
//   2. A slot is empty while `head` is 0. The id is stored before the head, with release, so a reader
//      that sees a head sees its id.
//   3. A full segment is split by copying it into two new ones, which are complete before the directory
//      leads to them. The old one is retired: a reader that still has it finds what was there at the
//      split, which is all that a view made before the split can show.
//   4. A larger directory is complete before it replaces the old one, which is retired.
//   5. Each read happens inside a view, so what is retired outlives it (epochs.hpp).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "vector/epochs.hpp"

namespace quire::vector {

// One thread calls set; any number call find at the same time, inside views of `epochs`.
class IdIndex {
 public:
  explicit IdIndex(Epochs& epochs);
  ~IdIndex();
  IdIndex(const IdIndex&) = delete;
  IdIndex& operator=(const IdIndex&) = delete;

  // The head stored for `id`; 0 if there is none. Never allocates.
  std::uint64_t find(std::uint64_t id) const noexcept;

  // Stores a head, which is not 0.
  void set(std::uint64_t id, std::uint64_t head);

 private:
  static constexpr std::size_t kSlots = 512;
  static constexpr std::size_t kFull = kSlots / 4 * 3;

  struct Slot {
    std::atomic<std::uint64_t> id;
    std::atomic<std::uint64_t> head;
  };
  struct Segment {
    std::array<Slot, kSlots> slots{};
    std::size_t used = 0;  // writer only
    unsigned depth = 0;    // how many top bits all its hashes share; writer only
  };
  struct Directory {
    explicit Directory(unsigned bits)
        : depth(bits),
          segments(std::make_unique<std::atomic<Segment*>[]>(std::size_t{1} << bits)) {}
    unsigned depth;  // at least 1
    std::unique_ptr<std::atomic<Segment*>[]> segments;
    std::size_t size() const noexcept { return std::size_t{1} << depth; }
  };

  std::uint64_t hash(std::uint64_t id) const noexcept;
  static Slot& probe(Segment& segment, std::uint64_t id, std::uint64_t hashed) noexcept;
  void split(Segment* full, std::uint64_t hashed);
  void double_directory();

  Epochs& epochs_;
  const std::uint64_t seed_;  // ids cannot be chosen so that their hashes meet
  std::atomic<Directory*> directory_;
};

}  // namespace quire::vector
