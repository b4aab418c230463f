// The fault guard: why a cut file or a full disk does not kill your program.
//
// Touching a mapped page that the file cannot give raises the signal SIGBUS. The copying calls of
// Quire and `guarded` catch it with a handler that is installed when it is first needed, and return
// an error. Every SIGBUS that is not theirs goes to the handler that was there before.
//
// Look here only if your program, or a library it uses, installs a SIGBUS handler of its own after
// Quire has begun to work, and that handler does not call the one it replaced. It then turns the
// guard off; this turns it on again:
//
//     other_library_init();                       // puts its own handler on SIGBUS
//     if (!quire::fault_guard_installed()) quire::reinstall_fault_guard();
//
// Copies of 1 MiB and more check by themselves and are safe either way.
#pragma once

#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// True if the process's handler for SIGBUS is the guard's. False before the first guarded call.
// Thread-safe.
[[nodiscard]] QUIRE_EXPORT bool fault_guard_installed() noexcept;

// Puts the guard's handler on top of the one that is installed now; faults that are not the guard's
// go to that one. It may itself call the guard's, as a handler that forwards does. Does nothing if
// the guard is on top already. Thread-safe.
QUIRE_EXPORT void reinstall_fault_guard() noexcept;

}  // namespace v0
}  // namespace quire
