// Atomic words in a file, and waiting for them: between threads, and between processes.
#include "quire/mapped_atomic.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cstddef>
#include <limits>
#include <ranges>
#include <thread>
#include <type_traits>

#include "mapped/another_process_fixture.hpp"
#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

static_assert(std::is_trivially_copyable_v<Atomic<std::uint32_t>>);
static_assert(std::is_convertible_v<Atomic<std::uint32_t>, Atomic<const std::uint32_t>>);
static_assert(!std::is_convertible_v<Atomic<const std::uint32_t>, Atomic<std::uint32_t>>);
static_assert(std::ranges::random_access_range<AtomicArray<std::uint64_t>>);
static_assert(std::ranges::sized_range<AtomicArray<const std::int32_t>>);
static_assert(std::ranges::borrowed_range<AtomicArray<std::uint64_t>>);

Clock::time_point much_later() { return Clock::now() + 30s; }
Clock::time_point already_over() { return Clock::now() - 1s; }

template <class T>
Atomic<T> word(MappedFile& file, std::uint64_t offset = 0) {
  return file.mutable_atomic_as<T>(offset).value();
}
Atomic<const std::uint32_t> read_word(const MappedFile& file, std::uint64_t offset = 0) {
  return file.atomic_as<std::uint32_t>(offset).value();
}

// Waits until the word is not `old`; false if it took the deadline to see it.
template <class T>
bool woken(Atomic<T> word, std::remove_const_t<T> old, const std::stop_token& stop = {}) {
  const auto deadline = much_later();
  return word.wait(old, deadline, stop) && Clock::now() < deadline;
}

class MappedAtomicTest : public MappedFileTest {};

template <class T>
class AtomicTypes : public MappedFileTest {};
using Types = testing::Types<std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(AtomicTypes, Types);

TYPED_TEST(AtomicTypes, StoresReachTheFile) {
  MappedFile file = this->create(kPage);
  word<TypeParam>(file, 16).store(0x41424344);
  EXPECT_EQ(this->contents(this->path()).substr(16, 4), "DCBA");
  EXPECT_EQ(word<TypeParam>(file, 16).load(), TypeParam{0x41424344});
}

TYPED_TEST(AtomicTypes, ArithmeticReturnsTheValueBefore) {
  MappedFile file = this->create(kPage);
  const Atomic<TypeParam> value = word<TypeParam>(file, 8);
  EXPECT_EQ(value.exchange(0b1100), TypeParam{0});
  EXPECT_EQ(value.fetch_add(3), TypeParam{0b1100});
  EXPECT_EQ(value.fetch_sub(1), TypeParam{0b1111});
  EXPECT_EQ(value.fetch_and(0b0111), TypeParam{0b1110});
  EXPECT_EQ(value.fetch_or(0b1000), TypeParam{0b0110});
  EXPECT_EQ(value.fetch_xor(0b0010), TypeParam{0b1110});
  EXPECT_EQ(value.load(), TypeParam{0b1100});
}

TYPED_TEST(AtomicTypes, AdditionWrapsAround) {
  MappedFile file = this->create(kPage);
  const Atomic<TypeParam> value = word<TypeParam>(file);
  value.store(std::numeric_limits<TypeParam>::max());
  value.fetch_add(1);
  EXPECT_EQ(value.load(), std::numeric_limits<TypeParam>::min());
}

TYPED_TEST(AtomicTypes, CompareExchangeStoresOnlyOverWhatIsExpected) {
  MappedFile file = this->create(kPage);
  const Atomic<TypeParam> value = word<TypeParam>(file);
  TypeParam expected = 5;
  EXPECT_FALSE(value.compare_exchange_strong(expected, 7));
  EXPECT_EQ(expected, TypeParam{0}) << "what it was";
  EXPECT_TRUE(value.compare_exchange_strong(expected, 7, std::memory_order_acq_rel,
                                            std::memory_order_acquire));
  expected = 7;
  while (!value.compare_exchange_weak(expected, 9)) EXPECT_EQ(expected, TypeParam{7});
  EXPECT_EQ(value.load(), TypeParam{9});
}

TYPED_TEST(AtomicTypes, AnArrayIsWordsSideBySide) {
  MappedFile file = this->create(kPage);
  const auto words = file.mutable_view_as<TypeParam>(8, 3).value();
  const auto array = file.mutable_atomics_as<TypeParam>(8, 3).value();
  EXPECT_EQ(array.size(), 3U);
  TypeParam next = 10;
  for (const Atomic<TypeParam> each : array) each.store(next++);
  array[1].fetch_add(90);
  EXPECT_EQ(std::vector(words.begin(), words.end()), (std::vector<TypeParam>{10, 101, 12}));
  const AtomicArray<const TypeParam> read_only = array;
  EXPECT_EQ(read_only.begin()[2].load(), TypeParam{12});
  EXPECT_EQ(std::ranges::distance(read_only), 3);
}

TEST_F(MappedAtomicTest, HandlesAreGivenForWordsThatAreThere) {
  MappedFile file = create(kPage);
  EXPECT_EQ(code_of(file.atomic_as<std::uint64_t>(4)), "misaligned");
  EXPECT_EQ(code_of(file.mutable_atomics_as<std::int32_t>(2, 1)), "misaligned");
  EXPECT_EQ(code_of(file.mutable_atomic_as<std::uint32_t>(kPage)), "out_of_range");
  EXPECT_EQ(code_of(file.atomics_as<std::uint64_t>(8, kPage / 8)), "out_of_range");
  EXPECT_EQ(file.atomics_as<std::uint64_t>(kPage, 0).value().size(), 0U);
  EXPECT_EQ(code_of(open(path(), Access::read_only).mutable_atomic_as<std::uint32_t>(0)),
            "wrong_mode");
}

TEST_F(MappedAtomicTest, AssigningAHandleMakesItMeanAnotherWord) {
  MappedFile file = create(kPage);
  Atomic<std::uint32_t> handle = word<std::uint32_t>(file, 0);
  handle = word<std::uint32_t>(file, 4);
  handle.store(1);
  EXPECT_EQ(contents(path()).substr(0, 8), std::string("\0\0\0\0\1\0\0\0", 8));
}

TEST_F(MappedAtomicTest, NoAdditionOfAnyThreadIsLost) {
  MappedFile file = create(kPage);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 10'000; ++n) word<std::uint64_t>(file).fetch_add(1);
      });
    }
  }
  EXPECT_EQ(word<std::uint64_t>(file).load(), 40'000U);
}

TEST_F(MappedAtomicTest, NoAdditionOfAnyProcessIsLost) {
  MappedFile file = create(kPage);
  const auto add = [this] {
    MappedFile mine = open(path());
    for (int n = 0; n < 100'000; ++n) word<std::uint64_t>(mine).fetch_add(1);
    return true;
  };
  {
    const AnotherProcess first(add);
    const AnotherProcess second(add);
    add();
  }
  EXPECT_EQ(word<std::uint64_t>(file).load(), 300'000U);
}

TEST_F(MappedAtomicTest, AReleaseStoreShowsWhatWasStoredBefore) {
  MappedFile file = create(kPage);
  const auto data = file.mutable_view_as<std::uint64_t>(64, 1).value();
  const std::jthread writer([&] {
    data[0] = 42;  // plain: a race, if the word did not order it
    word<std::uint32_t>(file).store(1, std::memory_order_release);
  });
  while (word<std::uint32_t>(file).load(std::memory_order_acquire) == 0) std::this_thread::yield();
  EXPECT_EQ(data[0], 42U);
}

// Waiting.

TEST_F(MappedAtomicTest, AWordThatDiffersIsNotWaitedFor) {
  MappedFile file = create(kPage);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(word<std::uint32_t>(file).wait(1, already_over(), stop.get_token()));
  EXPECT_TRUE(word<std::int32_t>(file).wait(-1));
}

TEST_F(MappedAtomicTest, AWaitEndsAtItsDeadline) {
  MappedFile file = create(kPage);
  const auto deadline = Clock::now() + 20ms;
  EXPECT_FALSE(word<std::uint32_t>(file).wait(0, deadline));
  EXPECT_GE(Clock::now(), deadline);
  EXPECT_FALSE(word<std::uint32_t>(file).wait(0, already_over()));
  EXPECT_FALSE(word<std::uint32_t>(file).wait(0, Clock::time_point::min()));
  const std::stop_source stop;
  EXPECT_FALSE(word<std::uint32_t>(file).wait(0, Clock::now() + 20ms, stop.get_token()));
}

// Each waits for the other's move, some hundred times: one wake that is lost is a game that hangs.
bool play(MappedFile& file, std::uint32_t first, const std::stop_token& stop = {}) {
  const Atomic<std::uint32_t> ball = word<std::uint32_t>(file, 128);
  for (std::uint32_t turn = first; turn < 600; turn += 2) {
    while (ball.load() != turn) {
      if (!woken(ball, turn - 1, stop)) return false;
    }
    ball.store(turn + 1);
    ball.notify_one();
  }
  return true;
}

TEST_F(MappedAtomicTest, ProcessesWakeEachOther) {
  MappedFile file = create(kPage);
  const AnotherProcess other([this] {
    MappedFile elsewhere = open(path());
    return play(elsewhere, 1);
  });
  EXPECT_TRUE(play(file, 0));
}

TEST_F(MappedAtomicTest, ProcessesWakeEachOtherAlsoWhereTheWaitCanBeStopped) {
  MappedFile file = create(kPage);
  const std::stop_source stop;
  const AnotherProcess other([&] {
    MappedFile elsewhere = open(path());
    return play(elsewhere, 1, stop.get_token());
  });
  EXPECT_TRUE(play(file, 0, stop.get_token()));
}

TEST_F(MappedAtomicTest, ThreadsWakeEachOtherThroughMapsAtDifferentAddresses) {
  MappedFile file = create(kPage);
  MappedFile elsewhere = open(path());
  ASSERT_NE(file.bytes(0, 1).value().data(), elsewhere.bytes(0, 1).value().data());
  std::jthread other([&] { EXPECT_TRUE(play(elsewhere, 1)); });
  EXPECT_TRUE(play(file, 0));
}

TEST_F(MappedAtomicTest, AReaderWaitsOnAReadOnlyMap) {
  MappedFile file = create(kPage);
  const AnotherProcess reader([this] {
    const MappedFile read_only = open(path(), Access::read_only);
    return woken(read_word(read_only), 0) && read_word(read_only).load() == 1;
  });
  while (word<std::uint32_t>(file).load() == 0) {
    std::this_thread::sleep_for(20ms);  // mostly it sleeps by now
    word<std::uint32_t>(file).store(1);
    word<std::uint32_t>(file).notify_all();
  }
}

TEST_F(MappedAtomicTest, NotifyAllWakesEveryone) {
  MappedFile file = create(kPage);
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] { EXPECT_TRUE(woken(word<std::int32_t>(file), 0)); });
  }
  std::this_thread::sleep_for(20ms);
  word<std::int32_t>(file).store(-1);
  word<std::int32_t>(file).notify_all();
}

extern "C" void do_nothing(int /*signal*/) {}

TEST_F(MappedAtomicTest, NotifiesWithoutChangeAndSignalsDoNotEndAWait) {
  MappedFile file = create(kPage);
  ::signal(SIGUSR1, &do_nothing);
  std::atomic<bool> stored = false;
  std::jthread waiter([&] {
    EXPECT_TRUE(woken(word<std::uint32_t>(file), 0));
    EXPECT_TRUE(stored);
  });
  for (int i = 0; i < 50; ++i) {
    std::this_thread::sleep_for(1ms);
    word<std::uint32_t>(file).notify_all();
    ::pthread_kill(waiter.native_handle(), SIGUSR1);
  }
  stored = true;
  word<std::uint32_t>(file).store(1);
  word<std::uint32_t>(file).notify_all();
}

TEST_F(MappedAtomicTest, AStopEndsAWait) {
  MappedFile file = create(kPage);
  const auto deadline = much_later();
  std::jthread waiter([&](const std::stop_token& stop) {
    EXPECT_FALSE(word<std::uint32_t>(file).wait(0, deadline, stop));
    EXPECT_FALSE(word<std::uint32_t>(file).wait(0, deadline, stop)) << "nor does it begin one";
  });
  std::this_thread::sleep_for(20ms);  // mostly it sleeps by now
  waiter.request_stop();
  waiter.join();
  EXPECT_LT(Clock::now(), deadline) << "it was the stop";
}

TEST_F(MappedAtomicTest, NoStopIsMissedAsTheWaitBegins) {
  MappedFile file = create(kPage);
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    std::jthread waiter(
        [&] { EXPECT_FALSE(word<std::uint32_t>(file).wait(0, std::nullopt, stop.get_token())); });
    if (i % 2 == 0) std::this_thread::yield();
    stop.request_stop();
  }
}

// As on Linux before 5.16, for this process. False if the system does not let us.
bool take_futex_waitv_away() {
  constexpr unsigned kFutexWaitv = 449;
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, kFutexWaitv},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
         ::syscall(kFutexWaitv, nullptr, 0, 0, nullptr, 0) == -1 && errno == ENOSYS;
}

TEST_F(MappedAtomicTest, OldSystemsStopAndWakeAWaitToo) {
  MappedFile file = create(kPage);
  const std::stop_source stop;
  const AnotherProcess old([this] {
    if (!take_futex_waitv_away()) return false;
    std::stop_source mine;
    MappedFile elsewhere = open(path());
    const auto deadline = Clock::now() + 100ms;
    const bool in_time = !word<std::uint32_t>(elsewhere).wait(0, deadline, mine.get_token()) &&
                         Clock::now() >= deadline;
    const bool woken = play(elsewhere, 1, mine.get_token());
    std::jthread stopper([&] { mine.request_stop(); });
    return in_time && woken &&
           !word<std::uint32_t>(elsewhere).wait(0, std::nullopt, mine.get_token());
  });
  EXPECT_TRUE(play(file, 0, stop.get_token()));
}

TEST_F(MappedAtomicTest, AWordThatWasCutOffRaisesSigbusAsASpanWould) {
  const MappedFile file = create(2 * kPage);
  cut(path(), kPage);
  AnotherProcess waiter([&] { return read_word(file, kPage).wait(0, much_later()); });
  EXPECT_TRUE(WIFSIGNALED(waiter.end())) << "it died";
}

TEST_F(MappedAtomicTest, NotifyingAWordThatWasCutOffDoesNothing) {
  MappedFile file = create(2 * kPage);
  cut(path(), kPage);
  word<std::uint32_t>(file, kPage).notify_all();
}

// The kernel sleeps on no word of private memory that was never written.
TEST_F(MappedAtomicTest, WhereTheKernelCannotSleepTheDeadlineStillHolds) {
  void* const zeros = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Atomic word(static_cast<const std::uint32_t*>(zeros));
  EXPECT_FALSE(word.wait(0, Clock::now() + 30ms));
  EXPECT_FALSE(word.wait(0, already_over()));
  EXPECT_TRUE(word.wait(1, already_over()));
  ::munmap(zeros, kPage);
}

}  // namespace
}  // namespace quire::mapped
