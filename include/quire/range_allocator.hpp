// Range allocators: who hands out the parts of a space so that none is handed out twice.
//
// A space is the numbers [0, size()): the bytes of a file, the rows of a table. An allocator keeps the
// books and touches nothing else. RangedFile (quire/ranged_file.hpp) has one for its bytes; use them by
// themselves where something else is shared out.
//
//     quire::ConcurrentAllocator rows(1'000'000);
//     // in each of many threads:
//     auto mine = rows.allocate_up_to(4096);     // rows that nobody else gets
//     if (!mine) return;                         // none is left
//
// There are two with one interface, the concept RangeAllocator: SequentialAllocator for one thread at a
// time, ConcurrentAllocator for any number.
//
// Both hand out what lies behind a cursor, in order, and go to the ranges that were freed once the
// cursor's rest is too small. What the cursor skips for alignment is handed out to nobody.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>

#include "quire/byte_range.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {

namespace ranged {

// What changes with the number of threads: the numbers that all calls share.
struct ManyThreads {
  using Number = std::atomic<std::uint64_t>;
};
struct OneThread {
  // As much of std::atomic as the allocator needs, without the cost.
  class Number {
   public:
    explicit Number(std::uint64_t value) noexcept : value_(value) {}
    std::uint64_t load(std::memory_order /*order*/) const noexcept { return value_; }
    void store(std::uint64_t value, std::memory_order /*order*/) noexcept { value_ = value; }
    bool compare_exchange_weak(std::uint64_t& expected, std::uint64_t desired,
                               std::memory_order /*success*/,
                               std::memory_order /*failure*/) noexcept {
      if (value_ != expected) {
        expected = value_;
        return false;
      }
      value_ = desired;
      return true;
    }

   private:
    std::uint64_t value_;
  };
};

template <class Threading>
struct FreedRanges;

}  // namespace ranged

inline namespace v0 {

// What every allocator has. A call that fails changes nothing. `alignment` is of the range's offset: a
// power of two.
template <class A>
concept RangeAllocator =
    std::constructible_from<A, std::uint64_t> &&
    requires(A& allocator, const A& books, std::uint64_t n, ByteRange range) {
      // Exactly n. Errors: invalid_argument (n is 0, an alignment that is no power of two), capacity (no
      // n in a row are left; the error tells what is).
      { allocator.allocate(n, n) } -> std::same_as<Result<ByteRange>>;
      { allocator.allocate(n) } -> std::same_as<Result<ByteRange>>;
      // n, or what is left: of the cursor's rest if there is any, else of the longest free range. At least
      // one. Errors: as allocate.
      { allocator.allocate_up_to(n, n) } -> std::same_as<Result<ByteRange>>;
      { allocator.allocate_up_to(n) } -> std::same_as<Result<ByteRange>>;
      // This very range. Errors: invalid_argument (empty), out_of_range, busy (not all of it is free).
      { allocator.allocate_at(range) } -> std::same_as<Result<void>>;
      // Takes back any part of what was handed out; its neighbours that are free grow together with it.
      // Errors: invalid_argument (empty; or some of it is free already, or lies behind the cursor).
      { allocator.free(range) } -> std::same_as<Result<void>>;
      // Enlarges the space. Errors: invalid_argument (smaller than it is).
      { allocator.grow(n) } -> std::same_as<Result<void>>;
      { books.size() } -> std::same_as<std::uint64_t>;
      // Where the cursor is: nothing at or behind it is handed out.
      { books.next() } -> std::same_as<std::uint64_t>;
      // How many are free: behind the cursor, and freed. They may lie in many places.
      { books.remaining() } -> std::same_as<std::uint64_t>;
    };

// The one implementation of both; use it by the names below. Neither movable nor copyable: there is one
// set of books for a space.
template <class Threading>
class QUIRE_EXPORT BasicRangeAllocator {
 public:
  // Nothing of the space is handed out yet.
  explicit BasicRangeAllocator(std::uint64_t size);
  BasicRangeAllocator(const BasicRangeAllocator&) = delete;
  BasicRangeAllocator& operator=(const BasicRangeAllocator&) = delete;
  ~BasicRangeAllocator();

  // As the concept says.
  [[nodiscard]] Result<ByteRange> allocate(std::uint64_t length, std::uint64_t alignment = 1);
  [[nodiscard]] Result<ByteRange> allocate_up_to(std::uint64_t length, std::uint64_t alignment = 1);
  [[nodiscard]] Result<void> allocate_at(ByteRange range);
  [[nodiscard]] Result<void> free(ByteRange range);
  [[nodiscard]] Result<void> grow(std::uint64_t size);

  std::uint64_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  std::uint64_t next() const noexcept { return next_.load(std::memory_order_acquire); }
  // While other threads take and free, a number from between two moments.
  std::uint64_t remaining() const noexcept;

 private:
  using Number = typename Threading::Number;

  std::optional<ByteRange> take_behind_cursor(std::uint64_t least, std::uint64_t most,
                                              std::uint64_t alignment);
  Result<ByteRange> take(const char* operation, std::uint64_t least, std::uint64_t most,
                         std::uint64_t alignment);
  void list_if_there_is_memory(ByteRange range);

  Number size_;
  Number next_;
  std::unique_ptr<ranged::FreedRanges<Threading>> freed_;
};

// The allocator for one thread at a time. Thread-compatible.
using SequentialAllocator = BasicRangeAllocator<ranged::OneThread>;

// The allocator for any number of threads. Thread-safe, but for destruction. Taking from the cursor is
// lock-free: one compare-and-swap if nobody else takes at that moment. Freeing, `allocate_at`, and taking
// what was freed once the cursor's rest is too small, hold a lock for a look into a tree.
using ConcurrentAllocator = BasicRangeAllocator<ranged::ManyThreads>;

extern template class BasicRangeAllocator<ranged::OneThread>;
extern template class BasicRangeAllocator<ranged::ManyThreads>;

static_assert(RangeAllocator<SequentialAllocator>);
static_assert(RangeAllocator<ConcurrentAllocator>);

}  // namespace v0
}  // namespace quire
