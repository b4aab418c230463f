// Atomic and AtomicArray: words in a mapped file that threads and processes change at once.
//
// Use them for counters, flags, cursors and locks that live in a file and are shared by all who map
// it. MappedFile hands them out, with the range and the alignment checked:
//
//     auto hits = file->mutable_atomic_as<std::uint64_t>(64);   // quire::Atomic<std::uint64_t>
//     hits->fetch_add(1);
//     auto ready = file->atomic_as<std::uint32_t>(0);           // quire::Atomic<const std::uint32_t>
//     ready->wait(0);                                           // until another process stores
//
// A word is what std::atomic would be, in the byte order of the machine, with the memory orders of
// the standard. All types here are lock-free, so they work between processes too: the file holds
// the value and nothing else. Being atomic does not make a word durable; `flush` does.
//
// Who holds an `Atomic<const T>` can load and wait. That is what a file opened read-only gives:
// `store` on it does not compile.
//
// Waiting. A thread sleeps until a word is changed by anyone who maps the file, in this process or
// another, at whatever address. std::atomic::wait is not for that: it sleeps on a futex that is
// private to the process, or, where the word is not an `int`, on a word of the library beside it,
// and a notify from another process finds nobody. The futex here is shared: the kernel knows it by
// the file and the place in it. It is 32 bits wide, hence 64-bit words have no `wait`: put a 32-bit
// one beside them to wait on.
//
// Waiting needs no more than a read-only file. It is told of stores that are followed by a `notify`,
// and not of plain stores, `write`, or what another machine does over a network file system. In a
// copy-on-write file a wait makes the page private, and from then on sees that object's stores only.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ranges>
#include <stop_token>
#include <type_traits>

#include "quire/export.hpp"

namespace quire {

// For the templates below.
namespace mapped {
// Sleeps until `*word` is not `value`: true. False if the deadline passed or a stop was requested.
QUIRE_EXPORT bool wait_while(const std::uint32_t* word, std::uint32_t value,
                             const std::optional<std::chrono::steady_clock::time_point>& deadline,
                             const std::stop_token& stop) noexcept;
QUIRE_EXPORT void wake_one(const std::uint32_t* word) noexcept;
QUIRE_EXPORT void wake_all(const std::uint32_t* word) noexcept;
}  // namespace mapped

inline namespace v0 {

// What can be an atomic word of a file. Const-qualified for a word that is only read.
template <class T>
concept MappableAtomic = std::same_as<std::remove_const_t<T>, std::int32_t> ||
                         std::same_as<std::remove_const_t<T>, std::uint32_t> ||
                         std::same_as<std::remove_const_t<T>, std::int64_t> ||
                         std::same_as<std::remove_const_t<T>, std::uint64_t>;

// A word of a file, by its address: a handle, as cheap to copy as a pointer, and valid as long as a
// span of the same bytes would be. Like with a span, touching a word whose page was cut off by
// another process raises SIGBUS.
//
// The word is thread-safe and process-safe. A handle is thread-compatible: assigning to one makes
// it mean another word.
template <MappableAtomic T>
class Atomic {
 public:
  using value_type = std::remove_const_t<T>;
  // Of the word's address, in bytes. More than alignof(T) on some machines.
  static constexpr std::size_t kAlignment = std::atomic_ref<value_type>::required_alignment;

  // REQUIRES: `word` is aligned to kAlignment. Everyone who uses the word meanwhile does so through
  // an Atomic (or std::atomic_ref).
  explicit Atomic(T* word) noexcept : word_(word) {}

  // NOLINTNEXTLINE(google-explicit-constructor): as a pointer to const is made of a pointer.
  operator Atomic<const value_type>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return Atomic<const value_type>(word_);
  }

  Atomic(const Atomic&) noexcept = default;
  // Not on the result of a function, so that `words[1] = words[2]`, which would store nothing, does
  // not compile.
  Atomic& operator=(const Atomic&) & noexcept = default;
  ~Atomic() = default;

  value_type load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return ref().load(order);
  }
  void store(value_type value, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    ref().store(value, order);
  }

  // The rest of the operations return the word's value before them. Additions wrap around, for
  // signed types too.
  value_type exchange(value_type value,
                      std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().exchange(value, order);
  }
  value_type fetch_add(value_type value,
                       std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().fetch_add(value, order);
  }
  value_type fetch_sub(value_type value,
                       std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().fetch_sub(value, order);
  }
  value_type fetch_and(value_type value,
                       std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().fetch_and(value, order);
  }
  value_type fetch_or(value_type value,
                      std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().fetch_or(value, order);
  }
  value_type fetch_xor(value_type value,
                       std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().fetch_xor(value, order);
  }

  // Stores `desired` if the word is `expected`, and returns whether it did; if not, `expected`
  // becomes the word's value. The weak form may fail for no reason and is meant for loops.
  bool compare_exchange_weak(value_type& expected, value_type desired,
                             std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().compare_exchange_weak(expected, desired, order);
  }
  bool compare_exchange_weak(value_type& expected, value_type desired, std::memory_order success,
                             std::memory_order failure) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().compare_exchange_weak(expected, desired, success, failure);
  }
  bool compare_exchange_strong(value_type& expected, value_type desired,
                               std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().compare_exchange_strong(expected, desired, order);
  }
  bool compare_exchange_strong(value_type& expected, value_type desired, std::memory_order success,
                               std::memory_order failure) const noexcept
    requires(!std::is_const_v<T>)
  {
    return ref().compare_exchange_strong(expected, desired, success, failure);
  }

  // Sleeps while the word is `old`. Returns
  //   true if the word was seen with another value (by a sequentially consistent load), at once if
  //     it has one already, whatever the deadline and `stop` say;
  //   false if `deadline` passed or `stop` was requested. Without them it returns true only.
  // Wake-ups for no reason, signals and notifies that come with no change do not end it. A value
  // that goes and comes back may be missed: let the word count, and not flip.
  //
  // If another process cuts the word off the file, a wait that begins or wakes up after that raises
  // SIGBUS, as any touch would; one that sleeps can no longer be notified, and sleeps on to its
  // deadline or stop.
  //
  // On Linux before 5.16, a wait with a `stop` that can be requested looks at it 50 times a second.
  bool wait(value_type old,
            std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt,
            const std::stop_token& stop = {}) const noexcept
    requires(sizeof(T) == sizeof(std::uint32_t))
  {
    return mapped::wait_while(futex(), std::bit_cast<std::uint32_t>(old), deadline, stop);
  }

  // Wakes one thread, or all, of those that wait on this word in any process. Call it after the
  // store; who begins to wait later sees the store. A system call each, also where nobody waits.
  void notify_one() const noexcept
    requires(sizeof(T) == sizeof(std::uint32_t) && !std::is_const_v<T>)
  {
    mapped::wake_one(futex());
  }
  void notify_all() const noexcept
    requires(sizeof(T) == sizeof(std::uint32_t) && !std::is_const_v<T>)
  {
    mapped::wake_all(futex());
  }

 private:
  // A lock would lie in one process and not be seen by the others.
  static_assert(std::atomic_ref<value_type>::is_always_lock_free);

  // A lock-free load only reads, so it may be done where the page is not writable; std::atomic_ref
  // cannot say so before C++26.
  std::atomic_ref<value_type> ref() const noexcept {
    return std::atomic_ref<value_type>(*const_cast<value_type*>(word_));
  }
  const std::uint32_t* futex() const noexcept {
    return reinterpret_cast<const std::uint32_t*>(word_);
  }

  T* word_;
};

// `size()` words of a file side by side. A handle like Atomic, and valid as long.
//
//     for (quire::Atomic<std::uint64_t> slot : slots) slot.store(0);
template <MappableAtomic T>
class AtomicArray {
 public:
  using value_type = Atomic<T>;

  class iterator {
   public:
    using value_type = Atomic<T>;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::random_access_iterator_tag;
    using iterator_category = std::input_iterator_tag;  // it makes its words, and refers to none

    iterator() noexcept = default;
    explicit iterator(T* word) noexcept : word_(word) {}

    Atomic<T> operator*() const noexcept { return Atomic<T>(word_); }
    Atomic<T> operator[](difference_type n) const noexcept { return Atomic<T>(word_ + n); }
    iterator& operator+=(difference_type n) noexcept {
      word_ += n;
      return *this;
    }
    iterator& operator-=(difference_type n) noexcept {
      word_ -= n;
      return *this;
    }
    iterator& operator++() noexcept { return *this += 1; }
    iterator& operator--() noexcept { return *this -= 1; }
    iterator operator++(int) noexcept { return iterator(word_++); }
    iterator operator--(int) noexcept { return iterator(word_--); }

    friend iterator operator+(iterator i, difference_type n) noexcept { return i += n; }
    friend iterator operator+(difference_type n, iterator i) noexcept { return i += n; }
    friend iterator operator-(iterator i, difference_type n) noexcept { return i -= n; }
    friend difference_type operator-(iterator a, iterator b) noexcept { return a.word_ - b.word_; }
    friend auto operator<=>(const iterator&, const iterator&) noexcept = default;

   private:
    T* word_ = nullptr;
  };

  AtomicArray() noexcept = default;
  // REQUIRES: `words` is aligned to Atomic<T>::kAlignment, and `count` words begin there.
  AtomicArray(T* words, std::size_t count) noexcept : words_(words), size_(count) {}

  // NOLINTNEXTLINE(google-explicit-constructor): as for Atomic.
  operator AtomicArray<const std::remove_const_t<T>>() const noexcept
    requires(!std::is_const_v<T>)
  {
    return {words_, size_};
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  // REQUIRES: index < size().
  Atomic<T> operator[](std::size_t index) const noexcept { return Atomic<T>(words_ + index); }

  iterator begin() const noexcept { return iterator(words_); }
  iterator end() const noexcept { return iterator(words_ + size_); }

 private:
  T* words_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace v0
}  // namespace quire

// Iterators stay good when the handle they came from is gone.
template <quire::MappableAtomic T>
inline constexpr bool std::ranges::enable_borrowed_range<quire::AtomicArray<T>> = true;
