// Sleeping until a word in memory changes, across all processes that map it.
//
// A word is known by the file and the place in it (or by the address, for memory that is in no
// file), so a waiter and a waker may have it at different addresses, and a waiter may have it
// read-only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace quire::os {

class WaitInterrupt;

enum class WaitEnd : std::uint8_t {
  look_again,  // the word differed, was woken, or nothing happened at all
  timed_out,   // the deadline has passed
  refused,     // the kernel cannot sleep on this word: its page is not there
};

// Sleeps if `*word` is `expected` and `interrupt` is not raised, until the word is woken, the
// deadline passes, or the interrupt is raised. The look and the falling asleep are one step: a wake
// that follows a store cannot slip in between.
//
// Where the kernel cannot wait for two words at once (Linux before 5.16), a wait with an interrupt
// returns look_again after 20 ms.
//
// Never raises SIGBUS: a word that was cut off its file is `refused`.
// REQUIRES: `word` is aligned to 4.
[[nodiscard]] WaitEnd wait_on_word(const std::uint32_t* word, std::uint32_t expected,
                                   std::optional<std::chrono::steady_clock::time_point> deadline,
                                   const WaitInterrupt* interrupt) noexcept;

// Wakes at most `count` threads that sleep on the word, in any process. Nobody, if the word was cut
// off its file.
void wake_word(const std::uint32_t* word, int count) noexcept;

// What ends a wait of this process from outside, without touching the word it waits on. Raised once
// and for ever. Thread-safe.
class WaitInterrupt {
 public:
  WaitInterrupt() noexcept = default;
  WaitInterrupt(const WaitInterrupt&) = delete;
  WaitInterrupt& operator=(const WaitInterrupt&) = delete;
  ~WaitInterrupt() = default;

  void raise() noexcept;
  bool raised() const noexcept { return word_.load() != 0; }

 private:
  friend WaitEnd wait_on_word(const std::uint32_t*, std::uint32_t,
                              std::optional<std::chrono::steady_clock::time_point>,
                              const WaitInterrupt*) noexcept;
  const std::uint32_t* word() const noexcept;

  std::atomic<std::uint32_t> word_ = 0;
};

}  // namespace quire::os
