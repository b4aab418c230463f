// How a fault becomes a return value:
//   1. `guarded` puts a frame on a list of its thread: the guarded addresses and a place to jump
//   to.
//   2. The handler looks for the faulting address in the frames of the thread that faulted,
//   innermost
//      first, and jumps. The frames inside the one it jumps to are dropped with it.
//   3. A SIGBUS that finds no frame is forwarded to the handler that was installed before.
//
// The former handlers form a list, newest first: `reinstall_fault_guard` adds one. A former handler
// may be newer than the guard's first installation and call the guard's handler in its turn; that
// call is then forwarded to the next older one, so that the two do not call each other for ever.
#include "os/fault_guard.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>

namespace quire::os {

namespace {

constexpr std::size_t kLargeCopy = std::size_t{1} << 20;

// What was installed when the guard's handler was put on top of it.
struct Former {
  struct sigaction action{};
  const Former* older = nullptr;
  // A handler with SA_RESETHAND was called once; from then on the default action holds.
  mutable std::atomic<bool> spent = false;
};

// A former handler that is running on this thread, called by the guard's.
struct Forwarding {
  const Former* former = nullptr;
  const void* context = nullptr;  // of the signal, as the kernel gave it
  const void* stack = nullptr;    // where the guard's handler had its frame
};

std::atomic<const Former*> newest_former = nullptr;

// Initial-exec: the handler may run on a thread that never came here before, and must not make the
// thread's copy of these by allocating.
#define QUIRE_HANDLER_LOCAL [[gnu::tls_model("initial-exec")]] constinit thread_local
// Relaxed is enough: only the thread itself and its own handler read it.
QUIRE_HANDLER_LOCAL std::atomic<FaultFrame*> innermost_frame = nullptr;
QUIRE_HANDLER_LOCAL Forwarding forwarding{};
QUIRE_HANDLER_LOCAL bool thread_is_ready = false;

// SA_RESETHAND is the sign bit, and the flags are an int.
bool has_flag(const struct sigaction& action, auto flag) noexcept {
  return (static_cast<unsigned>(action.sa_flags) & static_cast<unsigned>(flag)) != 0;
}

// True if the instruction that raised the signal runs again when the handler returns: not for
// signals that were sent, nor for early notice of a bad page.
bool is_fault(const siginfo_t& info) noexcept {
  return info.si_code > 0 && info.si_code != BUS_MCEERR_AO;
}

FaultFrame* frame_of(const siginfo_t& info) noexcept {
  auto first = reinterpret_cast<std::uintptr_t>(info.si_addr);
  std::uintptr_t length = 1;
  if (info.si_code == BUS_MCEERR_AR) {
    // Bad memory is told by the page, not by the byte.
    length = std::uintptr_t{1} << info.si_addr_lsb;
    first = first / length * length;
  }
  FaultFrame* frame = innermost_frame.load(std::memory_order_relaxed);
  while (frame != nullptr && (first >= reinterpret_cast<std::uintptr_t>(frame->end) ||
                              first + length <= reinterpret_cast<std::uintptr_t>(frame->begin))) {
    frame = frame->outer;
  }
  return frame;
}

[[noreturn]] void resume(FaultFrame& frame, const siginfo_t& info, void* context) noexcept {
  innermost_frame.store(&frame, std::memory_order_relaxed);
  forwarding = {};
  frame.fault_address =
      std::max<const std::byte*>(static_cast<std::byte*>(info.si_addr), frame.begin);
  // With SA_NODEFER the kernel blocks nothing, but sanitizers run handlers with every signal
  // blocked.
  ::pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t*>(context)->uc_sigmask, nullptr);
  ::siglongjmp(frame.resume, 1);
}

// Lets the system do what it does to a process without a handler.
void act_by_default(const siginfo_t& info) noexcept {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGBUS, &standard, nullptr);
  if (!is_fault(info)) ::raise(SIGBUS);
}

// Calls a former handler as the kernel would have.
void call_handler(const Former& former, int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction& action = former.action;
  sigset_t blocked = action.sa_mask;
  if (!has_flag(action, SA_NODEFER)) sigaddset(&blocked, signal);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if (has_flag(action, SA_SIGINFO)) {
    action.sa_sigaction(signal, info, context);
  } else {
    action.sa_handler(signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void forward(int signal, siginfo_t* info, void* context) noexcept {
  const void* const stack = __builtin_frame_address(0);
  // A call by a former handler has the same context and lies deeper on the stack. Anything else is
  // a new signal, even if that handler was left by a jump and never came back to end its entry
  // here.
  const Forwarding outer = forwarding;
  const bool called_back =
      outer.former != nullptr && outer.context == context && stack < outer.stack;
  const Former* const former =
      called_back ? outer.former->older : newest_former.load(std::memory_order_acquire);

  const bool has_handler = former != nullptr && former->action.sa_handler != SIG_DFL &&
                           former->action.sa_handler != SIG_IGN;
  const bool used_up = has_handler && has_flag(former->action, SA_RESETHAND) &&
                       former->spent.exchange(true, std::memory_order_relaxed);
  if (!has_handler || used_up) {
    const bool ignored = former != nullptr && former->action.sa_handler == SIG_IGN;
    if (!(ignored && !is_fault(*info))) act_by_default(*info);
    return;
  }
  forwarding = {former, context, stack};
  call_handler(*former, signal, info, context);
  forwarding = called_back ? outer : Forwarding{};
}

void on_sigbus(int signal, siginfo_t* info, void* context) noexcept {
  const int errno_before = errno;
  if (is_fault(*info)) {
    if (FaultFrame* frame = frame_of(*info)) {
      errno = errno_before;
      resume(*frame, *info, context);
    }
  }
  forward(signal, info, context);
  errno = errno_before;
}

bool is_ours(const struct sigaction& action) noexcept {
  return has_flag(action, SA_SIGINFO) && action.sa_sigaction == &on_sigbus;
}

bool same_handler(const struct sigaction& a, const struct sigaction& b) noexcept {
  return a.sa_handler == b.sa_handler && a.sa_flags == b.sa_flags;
}

void install() noexcept {
  static constinit std::mutex mutex;
  const std::lock_guard lock(mutex);
  struct sigaction now{};
  if (::sigaction(SIGBUS, nullptr, &now) != 0 || is_ours(now)) return;
  // The former handler is known before ours can be called.
  const Former* const newest = newest_former.load(std::memory_order_relaxed);
  if (newest == nullptr || !same_handler(newest->action, now) || newest->spent) {
    auto* former = new (std::nothrow) Former;
    if (former == nullptr) return;
    former->action = now;
    former->older = newest;
    newest_former.store(former, std::memory_order_release);
  }
  struct sigaction ours{};
  ours.sa_sigaction = &on_sigbus;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&ours.sa_mask);
  ::sigaction(SIGBUS, &ours, nullptr);
}

void make_thread_ready() noexcept {
  static const bool installed = [] {
    install();
    return true;
  }();
  static_cast<void>(installed);
  sigset_t sigbus;
  sigemptyset(&sigbus);
  sigaddset(&sigbus, SIGBUS);
  ::pthread_sigmask(SIG_UNBLOCK, &sigbus, nullptr);
  thread_is_ready = true;
}

enum class Direction : std::uint8_t { from_guarded, to_guarded };

// Copies through the kernel, which reports a bad page instead of raising a signal. Returns false if
// the system forbids the call.
bool copy_without_signals(std::byte* guarded, std::byte* other, std::size_t length,
                          Direction direction, const std::byte** fault) noexcept {
  const pid_t self = ::getpid();
  std::size_t done = 0;
  while (done < length) {
    const iovec near{other + done, length - done};
    const iovec far{guarded + done, length - done};
    const ssize_t moved = direction == Direction::from_guarded
                              ? ::process_vm_readv(self, &near, 1, &far, 1, 0)
                              : ::process_vm_writev(self, &near, 1, &far, 1, 0);
    if (moved > 0) {
      done += static_cast<std::size_t>(moved);
    } else if (errno == EFAULT || moved == 0) {
      *fault = guarded + done;
      return true;
    } else if (errno != EINTR) {
      return false;
    }
  }
  *fault = nullptr;
  return true;
}

const std::byte* guarded_copy(std::byte* to, const std::byte* from, std::size_t length,
                              Direction direction) noexcept {
  if (length == 0) return nullptr;  // memcpy takes no null pointer even then
  const bool reads = direction == Direction::from_guarded;
  const std::byte* const begin = reads ? from : to;
  if (length >= kLargeCopy && !thread_is_ready) make_thread_ready();
  if (length >= kLargeCopy && !fault_guard_installed()) {
    const std::byte* fault = nullptr;
    std::byte* const guarded_bytes = reads ? const_cast<std::byte*>(from) : to;
    std::byte* const other = reads ? to : const_cast<std::byte*>(from);
    if (copy_without_signals(guarded_bytes, other, length, direction, &fault)) return fault;
  }
  return guarded(begin, length, [=]() noexcept { std::memcpy(to, from, length); });
}

}  // namespace

// The fences keep the compiler, link-time optimisation included, from moving what the guarded
// function does out of the frame; the only other reader is a handler on the same thread.
[[gnu::noinline]] void push_fault_frame(FaultFrame& frame) noexcept {
  if (!thread_is_ready) make_thread_ready();
  frame.outer = innermost_frame.load(std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  innermost_frame.store(&frame, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

[[gnu::noinline]] void pop_fault_frame(FaultFrame& frame) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  innermost_frame.store(frame.outer, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

const std::byte* guarded_copy_from(std::byte* to, const std::byte* guarded_from,
                                   std::size_t length) noexcept {
  return guarded_copy(to, guarded_from, length, Direction::from_guarded);
}

const std::byte* guarded_copy_to(std::byte* guarded_to, const std::byte* from,
                                 std::size_t length) noexcept {
  return guarded_copy(guarded_to, from, length, Direction::to_guarded);
}

bool fault_guard_installed() noexcept {
  struct sigaction now{};
  return ::sigaction(SIGBUS, nullptr, &now) == 0 && is_ours(now);
}

void reinstall_fault_guard() noexcept { install(); }

}  // namespace quire::os
