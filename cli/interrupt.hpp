// Stopping long work in good order when the user presses Ctrl-C.
//
//     InterruptGuard interrupt;
//     while (…) {
//       …one step…
//       if (interrupt.requested()) return fail(interrupt.exit_status(), "interrupted; …");
//     }
#pragma once

namespace quire::cli {

// While it lives, the first SIGINT or SIGTERM is only noted; a second one ends the process as
// usual. At most one at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const noexcept;
  // 128 + the signal. REQUIRES: requested().
  int exit_status() const noexcept;
};

}  // namespace quire::cli
