// How the books are kept. Invariants:
//   1. Nothing at or behind next_ is handed out or in the list of freed ranges.
//   2. A range in the list is handed out to nobody, and lies before next_ without touching it: what is
//      freed right before the cursor goes back to it.
//   3. next_ moves forward by anybody's compare-and-swap, and back only by one who holds the lock.
// So a compare-and-swap from the value that was seen is right even if next_ went back and came again in
// between (1). And who holds the lock and finds no place in the list, and then none behind next_, knows
// that there was a moment without any.
#include "quire/range_allocator.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>

#include "quire/alignment.hpp"
#include "ranged/free_list.hpp"

namespace quire {

namespace ranged {

struct NoMutex {
  void lock() noexcept {}
  void unlock() noexcept {}
};

template <class Threading>
struct FreedRanges {
  using Mutex = std::conditional_t<std::is_same_v<Threading, ManyThreads>, std::mutex, NoMutex>;
  using Number = typename Threading::Number;

  // Under the lock; relaxed, for the number stands for itself.
  void count_in(ByteRange range) noexcept {
    total.store(total.load(std::memory_order_relaxed) + range.length, std::memory_order_relaxed);
  }
  void count_out(ByteRange range) noexcept {
    total.store(total.load(std::memory_order_relaxed) - range.length, std::memory_order_relaxed);
  }

  Mutex mutex;
  FreeList list;    // under mutex
  Number total{0};  // length of all ranges in the list
};

}  // namespace ranged

inline namespace v0 {

namespace {

std::unexpected<Error> refuse(ErrorCode code, const char* operation, ByteRange range,
                              std::string detail) {
  return std::unexpected(Error(code, operation).with_range(range).with_detail(std::move(detail)));
}

}  // namespace

template <class Threading>
BasicRangeAllocator<Threading>::BasicRangeAllocator(std::uint64_t size)
    : size_(size), next_(0), freed_(std::make_unique<ranged::FreedRanges<Threading>>()) {}

template <class Threading>
BasicRangeAllocator<Threading>::~BasicRangeAllocator() = default;

template <class Threading>
std::optional<ByteRange> BasicRangeAllocator<Threading>::take_behind_cursor(
    std::uint64_t least, std::uint64_t most, std::uint64_t alignment) {
  std::uint64_t next = next_.load(std::memory_order_acquire);
  while (true) {
    const std::uint64_t size = size_.load(std::memory_order_acquire);
    const auto start = align_up(next, alignment);
    if (!start || *start >= size || size - *start < least) return std::nullopt;
    const std::uint64_t length = std::min(most, size - *start);
    if (next_.compare_exchange_weak(next, *start + length, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      return ByteRange{*start, length};
    }
  }
}

template <class Threading>
Result<ByteRange> BasicRangeAllocator<Threading>::take(const char* operation, std::uint64_t least,
                                                       std::uint64_t most,
                                                       std::uint64_t alignment) {
  if (most == 0 || !is_alignment(alignment)) {
    return std::unexpected(Error(ErrorCode::invalid_argument, operation)
                               .with_detail(most == 0
                                                ? "a range has at least one byte"
                                                : "the alignment " + std::to_string(alignment) +
                                                      " is no power of two"));
  }
  if (const auto taken = take_behind_cursor(least, most, alignment)) return *taken;
  const std::lock_guard lock(freed_->mutex);
  const auto taken =
      least == most ? freed_->list.take(most, alignment) : freed_->list.take_up_to(most, alignment);
  if (taken) {
    freed_->count_out(*taken);
    return *taken;
  }
  if (const auto late = take_behind_cursor(least, most, alignment)) return *late;
  const std::uint64_t size = size_.load(std::memory_order_acquire);
  const std::uint64_t rest = size - std::min(size, next_.load(std::memory_order_acquire));
  return std::unexpected(
      Error(ErrorCode::capacity, operation)
          .with_detail(std::to_string(most) + " in a row are not left at a multiple of " +
                       std::to_string(alignment) + ": the end has " + std::to_string(rest) +
                       ", the longest freed range " + std::to_string(freed_->list.longest())));
}

template <class Threading>
Result<ByteRange> BasicRangeAllocator<Threading>::allocate(std::uint64_t length,
                                                           std::uint64_t alignment) {
  return take("allocate", length, length, alignment);
}

template <class Threading>
Result<ByteRange> BasicRangeAllocator<Threading>::allocate_up_to(std::uint64_t length,
                                                                 std::uint64_t alignment) {
  return take("allocate_up_to", 1, length, alignment);
}

template <class Threading>
Result<void> BasicRangeAllocator<Threading>::allocate_at(ByteRange range) {
  if (range.empty()) {
    return refuse(ErrorCode::invalid_argument, "allocate_at", range,
                  "a range has at least one byte");
  }
  const std::lock_guard lock(freed_->mutex);
  if (!range.fits(size())) {
    return refuse(ErrorCode::out_of_range, "allocate_at", range,
                  "the space ends at " + std::to_string(size()));
  }
  std::uint64_t next = next_.load(std::memory_order_acquire);
  while (range.offset >= next) {
    const ByteRange jumped{next, range.offset - next};
    if (!next_.compare_exchange_weak(next, range.end(), std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      continue;
    }
    if (!jumped.empty()) list_if_there_is_memory(jumped);
    return {};
  }
  if (!freed_->list.contains(range)) {
    return refuse(ErrorCode::busy, "allocate_at", range, "not all of it is free");
  }
  freed_->list.remove(range);
  freed_->count_out(range);
  return {};
}

// Without memory the range is nobody's, which is safe.
template <class Threading>
void BasicRangeAllocator<Threading>::list_if_there_is_memory(ByteRange range) {
  try {
    freed_->list.insert(range);
  } catch (const std::bad_alloc&) {
    return;
  }
  freed_->count_in(range);
}

template <class Threading>
Result<void> BasicRangeAllocator<Threading>::free(ByteRange range) {
  const std::lock_guard lock(freed_->mutex);
  std::uint64_t next = next_.load(std::memory_order_acquire);
  if (range.empty() || !range.fits(next)) {
    return refuse(ErrorCode::invalid_argument, "free", range,
                  range.empty() ? "the range is empty" : "it was never handed out");
  }
  if (freed_->list.overlaps(range)) {
    return refuse(ErrorCode::invalid_argument, "free", range, "some of it is free already");
  }
  // Right before the cursor, which goes back to it, and over what is free before it.
  const std::optional<ByteRange> before = freed_->list.ending_at(range.offset);
  const std::uint64_t back = before ? before->offset : range.offset;
  while (range.end() == next) {
    if (!next_.compare_exchange_weak(next, back, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      continue;
    }
    if (before) {
      freed_->list.remove(*before);
      freed_->count_out(*before);
    }
    return {};
  }
  freed_->list.insert(range);
  freed_->count_in(range);
  return {};
}

template <class Threading>
Result<void> BasicRangeAllocator<Threading>::grow(std::uint64_t size) {
  const std::lock_guard lock(freed_->mutex);
  const std::uint64_t old = size_.load(std::memory_order_relaxed);
  if (size < old) {
    return std::unexpected(
        Error(ErrorCode::invalid_argument, "grow")
            .with_detail("the space ends at " + std::to_string(old) + ", not before"));
  }
  size_.store(size, std::memory_order_release);
  return {};
}

template <class Threading>
std::uint64_t BasicRangeAllocator<Threading>::remaining() const noexcept {
  const std::uint64_t next = next_.load(std::memory_order_acquire);
  const std::uint64_t all = size();
  return all - std::min(all, next) + freed_->total.load(std::memory_order_relaxed);
}

template class BasicRangeAllocator<ranged::OneThread>;
template class BasicRangeAllocator<ranged::ManyThreads>;

}  // namespace v0
}  // namespace quire
