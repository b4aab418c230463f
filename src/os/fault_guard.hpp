// The fault guard: turns SIGBUS on a mapped page into a return value.
//
// A store or load on a mapped page raises SIGBUS when the file was cut by someone else, when the disk
// is full behind a hole, or when the device fails. `guarded` runs a function and returns the address
// that faulted instead of letting the process die.
//
// What it promises:
//   1. It acts only on SIGBUS at an address inside the guarded range on the thread that runs the
//      guard. Every other SIGBUS goes to the handler that was installed before.
//   2. Without a fault it makes no system call, but for a thread's first use, which unblocks SIGBUS on
//      that thread (a blocked synchronous SIGBUS would kill the process).
//   3. The signal mask is what it was before the fault.
//   4. It uses an alternate signal stack if the thread has one, and makes none.
//
// The jump runs no destructors. REQUIRES of `f`: it takes no lock, allocates nothing, and has only
// trivially destructible locals between its start and any access that may fault.
#pragma once

#include <setjmp.h>

#include <cstddef>
#include <cstdint>

namespace quire::os {

// One guarded call on this thread; frames form a stack, innermost first.
struct FaultFrame {
  const std::byte* begin;
  const std::byte* end;
  FaultFrame* outer;
  const std::byte* volatile fault_address;
  sigjmp_buf resume;
};

// Puts `frame` on top of this thread's stack, installing the handler at first use; takes it off.
void push_fault_frame(FaultFrame& frame) noexcept;
void pop_fault_frame(FaultFrame& frame) noexcept;

// Runs f() with [begin, begin + length) guarded. Returns nullptr if no fault happened, else the
// address that faulted, f having been left at that point.
template <class F>
[[nodiscard]] const std::byte* guarded(const std::byte* begin, std::size_t length, F&& f) {
  FaultFrame frame;
  frame.begin = begin;
  frame.end = begin + length;
  frame.fault_address = nullptr;
  // No mask is saved: the handler puts it back itself, which keeps the usual way free of system calls.
  // The frame is pushed behind sigsetjmp, so that the handler never finds one without a place to go.
  if (sigsetjmp(frame.resume, 0) == 0) {
    push_fault_frame(frame);
    f();
  }
  pop_fault_frame(frame);
  return frame.fault_address;
}

// Copies between a guarded range and memory that cannot fault. Return as `guarded` does. Large copies
// check that the handler is still in place, and take a way through the kernel that raises no signal if
// another library put its own there.
[[nodiscard]] const std::byte* guarded_copy_from(std::byte* to, const std::byte* guarded_from,
                                                 std::size_t length) noexcept;
[[nodiscard]] const std::byte* guarded_copy_to(std::byte* guarded_to, const std::byte* from,
                                               std::size_t length) noexcept;

// True if the process's SIGBUS handler is the guard's.
[[nodiscard]] bool fault_guard_installed() noexcept;
// Puts the guard's handler back on top of whatever was installed after it; that one is called for
// every fault that is not the guard's. Thread-safe.
void reinstall_fault_guard() noexcept;

}  // namespace quire::os
