// FlushAccount: what was written by calls and is not durable yet, and whether a policy wants it flushed.
//
// Two counts only ever rise: what was written, and how much of that some flush has seen. A flush notes
// what is written before it syncs and settles that much when it has succeeded, so that what is written
// meanwhile stays pending, and flushes side by side settle nothing twice.
#pragma once

#include <atomic>
#include <cstdint>

#include "quire/flush_policy.hpp"

namespace quire::mapped {

// Thread-safe.
class FlushAccount {
 public:
  // A policy of `active` false is taken for manual.
  FlushAccount(FlushPolicy policy, bool active) noexcept
      : policy_(policy), counts_(active && policy.kind() != FlushPolicy::Kind::manual) {}

  FlushPolicy policy() const noexcept { return policy_; }
  bool counts() const noexcept { return counts_; }

  // After the bytes are stored.
  void add(std::uint64_t bytes) noexcept;
  // True if a call that wrote must flush before it returns.
  bool is_due() const noexcept;
  PendingWrites pending() const noexcept;

  // All that was ever written.
  PendingWrites written() const noexcept;
  // `mark`, which `written` gave before a flush, is durable.
  void settle(PendingWrites mark) noexcept;

 private:
  const FlushPolicy policy_;
  const bool counts_;
  // Added to with release: a flush that has seen the count sees the bytes.
  std::atomic<std::uint64_t> bytes_written_ = 0;
  std::atomic<std::uint64_t> writes_written_ = 0;
  std::atomic<std::uint64_t> bytes_settled_ = 0;
  std::atomic<std::uint64_t> writes_settled_ = 0;
};

}  // namespace quire::mapped
