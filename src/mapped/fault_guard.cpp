#include "quire/fault_guard.hpp"

#include "os/fault_guard.hpp"

namespace quire {
inline namespace v0 {

bool fault_guard_installed() noexcept { return os::fault_guard_installed(); }

void reinstall_fault_guard() noexcept { os::reinstall_fault_guard(); }

}  // namespace v0
}  // namespace quire
