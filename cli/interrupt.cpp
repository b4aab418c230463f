#include "cli/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace quire::cli {
namespace {

// Relaxed: the number is all that a signal handler tells the loop.
std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void note(int signal) { noted_signal.store(signal, std::memory_order_relaxed); }

void install(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before{};
    // A caller that has the signal ignored (nohup and the like) wants it so.
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace

InterruptGuard::InterruptGuard() {
  noted_signal.store(0, std::memory_order_relaxed);
  install(note);
}

InterruptGuard::~InterruptGuard() { install(SIG_DFL); }

bool InterruptGuard::requested() const noexcept {
  return noted_signal.load(std::memory_order_relaxed) != 0;
}

int InterruptGuard::exit_status() const noexcept {
  return 128 + noted_signal.load(std::memory_order_relaxed);
}

}  // namespace quire::cli
