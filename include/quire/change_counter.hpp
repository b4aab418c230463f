// ChangeCounter and ChangeObserver: how processes that share a mapped file tell each other of
// changes.
//
// Stores through a map raise no event that the kernel could report to a watch. So the processes
// agree on a word of the file, 4 bytes at a multiple of 4, zero in a new file, that counts the
// changes; who waits sleeps until it moves.
//
//     // writer                                       // reader
//     auto changes = ChangeCounter::at(file, 0);      auto changes = ChangeObserver::at(file, 0);
//     ...                                             std::uint32_t seen = changes->value();   // 1
//     rows[n] = row;                // 1              for (;;) {
//     count.store(n + 1);           // 2                use(rows.first(count.load()));         // 2
//     changes->announce();          // 3                auto next = changes->wait_for_change(seen);
//                                                       if (!next) return report(next.error());
//                                                       seen = *next;                          // 3
//                                                     }
//
// What holds, if a writer stores first and announces after, and a reader takes the value first and
// the data after:
//   1. Who has got the value v sees all that was stored before the announcement that made it v, and
//      before all earlier ones. (An announcement is an increment with memory_order_release, values
//      are read with memory_order_acquire, and an increment by another writer in between does not
//      break the chain.)
//   2. No change is missed. One that is announced while the reader is at the data, or before it
//      falls asleep, has moved the counter from `seen`, and the wait ends at once.
//   3. Changes that come fast are told together: the value may have moved by more than one.
//   4. A reader may see a change before it is announced, and is then told of it once more.
//
// What does not:
//   5. The counter is no lock. Bytes that a reader may be reading while a writer stores into them
//      need an agreement of their own: fill what no reader looks at yet, as in the example, or use
//      Atomic words.
//   6. The counter is 32 bits and wraps around. A reader that is away for exactly a multiple of
//      2^32 announcements does not notice. Compare values for equality, not for order.
//   7. Announcing makes nothing durable, and after a power cut the counter may be an older value
//      than the data, or a newer. Begin with `value()`, not with a value remembered from earlier.
//   8. It works between processes that map the same file on one machine. Who replaces the file by a
//      rename leaves the others waiting on the old one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_atomic.hpp"
#include "quire/mapped_file.hpp"

namespace quire {
inline namespace v0 {

// The side that waits; the file may be open read-only.
//
// Thread-safe, but for moving and destruction. Move-only; one that was moved from may only be
// assigned to or destroyed. Keeps the mapping alive, and as a Pin does, keeps the file from being
// shrunk below its word. If another process cuts the word off, its functions raise SIGBUS, as
// touching a span would.
class QUIRE_EXPORT ChangeObserver {
 public:
  // Errors: misaligned (`offset` is no multiple of 4), out_of_range, closed,
  //   wrong_mode (copy_on_write: changes by others might not show).
  [[nodiscard]] static Result<ChangeObserver> at(const MappedFile& file, std::uint64_t offset);

  // How many changes were announced, modulo 2^32.
  std::uint32_t value() const noexcept { return word_.load(std::memory_order_acquire); }

  // Sleeps until the value is not `seen`, at once if it is not so already, and returns it.
  // Errors: timeout (the deadline passed), cancelled (a stop was requested).
  [[nodiscard]] Result<std::uint32_t> wait_for_change(
      std::uint32_t seen,
      std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt,
      const std::stop_token& stop = {}) const;

 private:
  friend class ChangeCounter;
  ChangeObserver(MappedFile file, Pin pin, std::uint64_t offset,
                 Atomic<const std::uint32_t> word) noexcept;

  MappedFile file_;
  Pin pin_;
  std::uint64_t offset_;
  Atomic<const std::uint32_t> word_;
};

// The side that announces; it can wait too. Thread-safety and lifetime are the observer's. Any
// number of threads and processes may announce on one word.
class QUIRE_EXPORT ChangeCounter {
 public:
  // Errors: those of ChangeObserver::at, and
  //   wrong_mode (the file is open read-only).
  [[nodiscard]] static Result<ChangeCounter> at(MappedFile& file, std::uint64_t offset);

  // Tells everyone that what was stored before is there. Returns the value that this made: passing
  // it to `wait_for_change` waits for changes after one's own. A system call, also where nobody
  // waits; announce a batch once.
  std::uint32_t announce() noexcept;

  std::uint32_t value() const noexcept { return observer_.value(); }
  [[nodiscard]] Result<std::uint32_t> wait_for_change(
      std::uint32_t seen,
      std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt,
      const std::stop_token& stop = {}) const {
    return observer_.wait_for_change(seen, deadline, stop);
  }

 private:
  ChangeCounter(ChangeObserver observer, Atomic<std::uint32_t> word) noexcept;

  ChangeObserver observer_;
  Atomic<std::uint32_t> word_;
};

}  // namespace v0
}  // namespace quire
