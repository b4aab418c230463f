// FlushPolicy: when a mapped file flushes by itself.
//
// By default it does not: `flush` says when. A policy bounds what a power cut can take without the
// caller having to count:
//
//     auto log = quire::MappedFile::open("log", quire::Access::read_write,
//                                        {.flush_policy = quire::FlushPolicy::every_bytes(1 << 20)});
//
// What counts is what is written by calls: `write`, `fill`, `copy_within`, `append`, passes over
// mutable chunks, `mutable_guarded`. Stores through spans are plain memory that nobody counts;
// `mark_dirty` makes them count. Every flush makes everything durable, counted or not.
//
// Where a flush fails, what was written is in the file's memory all the same. The error is returned
// by the call that flushed; if nobody waited for it, by the next call that writes or flushes, and by
// `last_flush_error`.
#pragma once

#include <chrono>
#include <cstdint>

namespace quire {
inline namespace v0 {

// A value.
class FlushPolicy {
 public:
  enum class Kind : std::uint8_t { manual, always, every_bytes, every_writes, every_interval };

  // Never by itself. Counts nothing, and costs nothing.
  static constexpr FlushPolicy manual() noexcept { return {Kind::manual, 0}; }
  // Each writing call returns when it is durable.
  static constexpr FlushPolicy always() noexcept { return {Kind::always, 0}; }
  // The call that brings the bytes written since the last flush to `bytes` or more flushes. A number
  // that is never reached counts without flushing.
  static constexpr FlushPolicy every_bytes(std::uint64_t bytes) noexcept {
    return {Kind::every_bytes, bytes};
  }
  // The same by the number of writing calls.
  static constexpr FlushPolicy every_writes(std::uint64_t writes) noexcept {
    return {Kind::every_writes, writes};
  }
  // In the background, this long after the first write since the last flush. Nothing runs while
  // nothing is written. What is pending when the file is closed, `close` flushes; a destructor does
  // not.
  static constexpr FlushPolicy every(std::chrono::milliseconds interval) noexcept {
    return {Kind::every_interval,
            interval.count() < 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(interval.count())};
  }

  constexpr Kind kind() const noexcept { return kind_; }
  // Bytes, writes or milliseconds; 0 for the first two kinds, and for the others refused by opening
  // (invalid_argument).
  constexpr std::uint64_t amount() const noexcept { return amount_; }

  friend constexpr bool operator==(const FlushPolicy&, const FlushPolicy&) noexcept = default;

 private:
  constexpr FlushPolicy(Kind kind, std::uint64_t amount) noexcept : amount_(amount), kind_(kind) {}

  std::uint64_t amount_;
  Kind kind_;
};

// What was written by calls since the last flush began that succeeded.
struct PendingWrites {
  std::uint64_t bytes = 0;
  std::uint64_t writes = 0;
  friend constexpr bool operator==(const PendingWrites&, const PendingWrites&) noexcept = default;
};

}  // namespace v0
}  // namespace quire
