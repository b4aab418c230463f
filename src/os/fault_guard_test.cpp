#include "os/fault_guard.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

namespace quire::os {
namespace {

constexpr std::size_t kPage = 4096;

// A mapped file whose first page is there, full of 'a', and whose other pages were cut off.
class CutFile {
 public:
  explicit CutFile(std::size_t length = 2 * kPage) : length_(length) {
    descriptor_ = ::memfd_create("cut", MFD_CLOEXEC);
    EXPECT_EQ(::ftruncate(descriptor_, static_cast<off_t>(length)), 0);
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0));
    std::memset(base_, 'a', kPage);
    EXPECT_EQ(::ftruncate(descriptor_, kPage), 0);
  }
  ~CutFile() {
    ::munmap(base_, length_);
    ::close(descriptor_);
  }
  CutFile(const CutFile&) = delete;
  CutFile& operator=(const CutFile&) = delete;

  std::byte* data() const { return base_; }
  std::byte* missing() const { return base_ + kPage; }
  std::size_t size() const { return length_; }
  void restore() const { EXPECT_EQ(::ftruncate(descriptor_, static_cast<off_t>(length_)), 0); }

 private:
  std::size_t length_;
  int descriptor_;
  std::byte* base_;
};

void touch(const std::byte* at) { static_cast<void>(*static_cast<const volatile std::byte*>(at)); }

const std::byte* guarded_touch(const CutFile& file) {
  return guarded(file.data(), file.size(), [&] { touch(file.missing()); });
}

sigset_t mask_now() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return mask;
}

void install(void (*handler)(int, siginfo_t*, void*), int flags, struct sigaction* old = nullptr) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  ::sigaction(SIGBUS, &action, old);
}

// Runs `story` in a child process with the default action below the guard. Its handlers stay its
// own.
template <class Story>
int child(Story story) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGBUS, SIG_DFL);
    reinstall_fault_guard();
    ::alarm(60);  // a story that hangs has failed
    ::_exit(story() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return status;
}

#define EXPECT_CHILD_SUCCEEDS(...) EXPECT_EQ(child(__VA_ARGS__), 0)
#define EXPECT_CHILD_DIES_OF_SIGBUS(...)          \
  do {                                            \
    const int status_ = child(__VA_ARGS__);       \
    EXPECT_TRUE(WIFSIGNALED(status_)) << status_; \
    EXPECT_EQ(WTERMSIG(status_), SIGBUS);         \
  } while (false)

// What it acts on: promise 1.

TEST(FaultGuard, AMissingPageBecomesAnAddress) {
  const CutFile file;
  EXPECT_EQ(guarded_touch(file), file.missing());
  EXPECT_EQ(guarded_touch(file), file.missing()) << "and again";
}

TEST(FaultGuard, WithoutAFaultThereIsNoAddress) {
  const CutFile file;
  EXPECT_EQ(guarded(file.data(), kPage, [&] { touch(file.data()); }), nullptr);
}

TEST(FaultGuard, CopiesTellWhereTheyStopped) {
  const CutFile file;
  std::array<std::byte, kPage> buffer{};
  EXPECT_EQ(guarded_copy_from(buffer.data(), file.data(), kPage), nullptr);
  EXPECT_EQ(buffer[17], std::byte{'a'});
  EXPECT_NE(guarded_copy_from(buffer.data(), file.data() + 100, kPage), nullptr);
  EXPECT_NE(guarded_copy_to(file.data() + 100, buffer.data(), kPage), nullptr);
  EXPECT_EQ(guarded_copy_to(file.data(), buffer.data(), kPage), nullptr);
}

TEST(FaultGuard, CopyingNothingTouchesNothing) {
  const CutFile file;
  EXPECT_EQ(guarded_copy_from(nullptr, file.missing(), 0), nullptr);
  EXPECT_EQ(guarded_copy_to(file.missing(), nullptr, 0), nullptr);
}

TEST(FaultGuard, AFaultInTheOuterRangeLeavesBothFrames) {
  const CutFile outer;
  const CutFile inner;
  const std::byte* inner_result = inner.data();
  const std::byte* const fault = guarded(outer.data(), outer.size(), [&] {
    inner_result = guarded(inner.data(), inner.size(), [&] { touch(outer.missing()); });
  });
  EXPECT_EQ(fault, outer.missing());
  EXPECT_EQ(inner_result, inner.data()) << "the inner call never returned";
  EXPECT_EQ(guarded_touch(inner), inner.missing()) << "its frame is gone";
}

TEST(FaultGuard, AFaultInTheInnerRangeLeavesOnlyTheInnerFrame) {
  const CutFile outer;
  const CutFile inner;
  const std::byte* inner_result = nullptr;
  const std::byte* const fault = guarded(outer.data(), outer.size(), [&] {
    inner_result = guarded_touch(inner);
    touch(outer.missing());
  });
  EXPECT_EQ(inner_result, inner.missing());
  EXPECT_EQ(fault, outer.missing());
}

TEST(FaultGuard, AFaultOutsideTheRangeKills) {
  const CutFile file;
  EXPECT_CHILD_DIES_OF_SIGBUS(
      [&] { return guarded(file.data(), kPage, [&] { touch(file.missing()); }) != nullptr; });
}

TEST(FaultGuard, AFaultAfterTheGuardedCallKills) {
  const CutFile file;
  EXPECT_CHILD_DIES_OF_SIGBUS([&] {
    const bool caught = guarded_touch(file) != nullptr;
    touch(file.missing());
    return caught;
  });
}

TEST(FaultGuard, AnotherThreadsFaultIsNotCaught) {
  const CutFile file;
  EXPECT_CHILD_DIES_OF_SIGBUS([&] {
    return guarded(file.data(), file.size(),
                   [&] { std::thread([&] { touch(file.missing()); }).join(); }) != nullptr;
  });
}

TEST(FaultGuard, ASignalThatSomeoneSentIsNotCaught) {
  const CutFile file;
  EXPECT_CHILD_DIES_OF_SIGBUS(
      [&] { return guarded(file.data(), file.size(), [] { ::raise(SIGBUS); }) == nullptr; });
}

TEST(FaultGuard, ASentSignalStaysIgnoredIfItWas) {
  EXPECT_CHILD_SUCCEEDS([] {
    ::signal(SIGBUS, SIG_IGN);
    reinstall_fault_guard();
    ::raise(SIGBUS);
    return fault_guard_installed();
  });
}

TEST(FaultGuard, ThreadsFaultSideBySide) {
  const CutFile file;
  std::vector<std::jthread> threads;
  std::atomic<int> caught = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) caught += guarded_touch(file) == file.missing() ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(caught, 800);
}

// The handlers of others.

const CutFile* mended = nullptr;
volatile int calls = 0;
volatile bool mask_was_honoured = false;
volatile std::uintptr_t handler_stack = 0;

// A handler that mends its own file, and so knows how to go on.
void mend(int, siginfo_t* info, void*) {
  const auto* address = static_cast<std::byte*>(info->si_addr);
  handler_stack = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  calls = calls + 1;
  if (address >= mended->data() && address < mended->data() + mended->size()) mended->restore();
}

void mend_plainly(int) {
  const sigset_t mask = mask_now();
  mask_was_honoured = sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGBUS) == 1;
  calls = calls + 1;
  mended->restore();
}

TEST(FaultGuard, AnEarlierHandlerStillGetsItsFaults) {
  const CutFile file;
  const CutFile theirs;
  EXPECT_CHILD_SUCCEEDS([&] {
    mended = &theirs;
    install(&mend, 0);
    reinstall_fault_guard();
    touch(theirs.missing());
    return calls == 1 && guarded_touch(file) == file.missing() && calls == 1;
  });
}

TEST(FaultGuard, AnEarlierPlainHandlerRunsWithItsMask) {
  const CutFile theirs;
  EXPECT_CHILD_SUCCEEDS([&] {
    mended = &theirs;
    struct sigaction action{};
    action.sa_handler = &mend_plainly;
    sigaddset(&action.sa_mask, SIGUSR1);
    ::sigaction(SIGBUS, &action, nullptr);
    reinstall_fault_guard();
    touch(theirs.missing());
    const sigset_t after = mask_now();
    return calls == 1 && mask_was_honoured && sigismember(&after, SIGUSR1) == 0;
  });
}

TEST(FaultGuard, AHandlerForOneSignalIsCalledOnce) {
  const CutFile first;
  EXPECT_CHILD_DIES_OF_SIGBUS([&] {
    const CutFile second;
    mended = &first;
    install(&mend, static_cast<int>(SA_RESETHAND));
    reinstall_fault_guard();
    touch(first.missing());
    if (calls != 1) ::_exit(1);
    mended = &second;
    touch(second.missing());
    return false;
  });
}

struct sigaction replaced{};

void forward_all(int signal, siginfo_t* info, void* context) {
  calls = calls + 1;
  replaced.sa_sigaction(signal, info, context);
}

TEST(FaultGuard, ALaterHandlerThatForwardsLeavesItWorking) {
  const CutFile file;
  EXPECT_CHILD_SUCCEEDS([&] {
    install(&forward_all, SA_NODEFER, &replaced);
    return !fault_guard_installed() && guarded_touch(file) == file.missing() && calls == 1;
  });
}

TEST(FaultGuard, AHandlerThatForwardsBackMakesNoCircle) {
  const CutFile file;
  EXPECT_CHILD_DIES_OF_SIGBUS([&] {
    install(&forward_all, SA_NODEFER, &replaced);
    reinstall_fault_guard();
    if (guarded_touch(file) != file.missing() || calls != 0) ::_exit(1);
    touch(file.missing());
    return false;
  });
}

TEST(FaultGuard, AForwardingHandlerReachesTheOldestOne) {
  const CutFile theirs;
  EXPECT_CHILD_SUCCEEDS([&] {
    mended = &theirs;
    install(&mend, 0);
    reinstall_fault_guard();
    install(&forward_all, 0, &replaced);
    reinstall_fault_guard();
    touch(theirs.missing());
    return calls == 2;
  });
}

sigjmp_buf escape;

void jump_out(int, siginfo_t*, void*) { ::siglongjmp(escape, 1); }

TEST(FaultGuard, AHandlerThatJumpsOutIsCalledAgain) {
  const CutFile theirs;
  EXPECT_CHILD_SUCCEEDS([&] {
    install(&jump_out, 0);
    reinstall_fault_guard();
    std::atomic<int> jumps = 0;  // in memory, where the jump cannot lose it
    static_cast<void>(sigsetjmp(escape, 1));
    if (jumps++ < 3) touch(theirs.missing());
    return jumps == 4;
  });
}

void go_away(int, siginfo_t*, void*) { ::_exit(7); }

TEST(FaultGuard, ALaterHandlerThatKeepsAllTurnsItOffUntilReinstalled) {
  const CutFile file;
  EXPECT_EQ(WEXITSTATUS(child([&] {
              install(&go_away, 0);
              return guarded_touch(file) != nullptr;
            })),
            7);
  EXPECT_CHILD_SUCCEEDS([&] {
    install(&go_away, 0);
    const bool was_off = !fault_guard_installed();
    reinstall_fault_guard();
    return was_off && fault_guard_installed() && guarded_touch(file) == file.missing();
  });
}

TEST(FaultGuard, LargeCopiesNeedNoHandler) {
  constexpr std::size_t kLarge = 4 * 1024 * 1024;
  const CutFile cut(kLarge);
  const CutFile whole(kLarge);
  whole.restore();
  EXPECT_CHILD_SUCCEEDS([&] {
    install(&go_away, 0);
    std::vector<std::byte> buffer(kLarge, std::byte{'b'});
    if (guarded_copy_to(cut.data(), buffer.data(), kLarge) != cut.missing()) return false;
    if (guarded_copy_from(buffer.data(), whole.data(), kLarge) != nullptr) return false;
    if (buffer[0] != std::byte{'a'} || buffer[kLarge - 1] != std::byte{0}) return false;
    buffer.assign(kLarge, std::byte{'c'});
    if (guarded_copy_to(whole.data(), buffer.data(), kLarge) != nullptr) return false;
    return whole.data()[kLarge - 1] == std::byte{'c'} &&
           guarded_copy_from(buffer.data(), cut.data(), kLarge) == cut.missing();
  });
}

// Promises 2 to 4.

TEST(FaultGuard, AThreadThatBlocksSigbusIsServed) {
  const CutFile file;
  std::thread([&] {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    EXPECT_EQ(guarded_touch(file), file.missing());
  }).join();
}

TEST(FaultGuard, TheSignalMaskIsWhatItWas) {
  const CutFile file;
  sigset_t before;
  sigemptyset(&before);
  sigaddset(&before, SIGUSR1);
  sigset_t saved;
  ::pthread_sigmask(SIG_SETMASK, &before, &saved);
  EXPECT_NE(guarded_touch(file), nullptr);
  const sigset_t after = mask_now();
  ::pthread_sigmask(SIG_SETMASK, &saved, nullptr);
  for (int signal = 1; signal < 32; ++signal) {
    EXPECT_EQ(sigismember(&after, signal), signal == SIGUSR1 ? 1 : 0) << signal;
  }
}

TEST(FaultGuard, AnAlternateStackIsUsedAndFreedAgain) {
  const CutFile file;
  const CutFile theirs;
  EXPECT_CHILD_SUCCEEDS([&] {
    static std::array<std::byte, 256 * 1024> memory;
    const stack_t stack{memory.data(), 0, memory.size()};
    ::sigaltstack(&stack, nullptr);
    mended = &theirs;
    install(&mend, SA_ONSTACK);
    reinstall_fault_guard();
    if (guarded_touch(file) == nullptr || guarded_touch(file) == nullptr) return false;
    touch(theirs.missing());
    const auto low = reinterpret_cast<std::uintptr_t>(memory.data());
    stack_t now;
    ::sigaltstack(nullptr, &now);
    return handler_stack > low && handler_stack < low + memory.size() &&
           (now.ss_flags & SS_ONSTACK) == 0;
  });
}

TEST(FaultGuard, ItMakesNoAlternateStack) {
  const CutFile file;
  std::thread([&] {
    stack_t before;
    ::sigaltstack(nullptr, &before);
    EXPECT_NE(guarded_touch(file), nullptr);
    stack_t after;
    ::sigaltstack(nullptr, &after);
    EXPECT_EQ(before.ss_sp, after.ss_sp);
    EXPECT_EQ(before.ss_flags, after.ss_flags);
  }).join();
}

}  // namespace
}  // namespace quire::os
