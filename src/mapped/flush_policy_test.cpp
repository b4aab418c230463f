// Flush policies: what counts, when they flush, and where a failure goes.
#include <atomic>
#include <chrono>
#include <thread>

#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

using std::chrono::milliseconds;

class FlushPolicyTest : public SimulatedDiskTest {
 protected:
  MappedFile file_with(FlushPolicy policy, std::uint64_t size = 100) {
    return make(size, {.flush_policy = policy}).value();
  }
  // What a power cut would leave.
  std::string durable() { return read(*cut_power()); }
  void wait_until_nothing_is_pending(const MappedFile& file) {
    while (file.pending() != PendingWrites{}) std::this_thread::sleep_for(milliseconds(1));
  }
  void fail_every(const std::string& operation, int errno_value) {
    disk_.set_hook([=](const os::SimulatedCall& call) {
      return os::SimulatedOutcome{.fail_with = operation == call.operation ? errno_value : 0};
    });
  }
};

TEST_F(FlushPolicyTest, ManualFlushesNothingByItself) {
  MappedFile file = file_with(FlushPolicy::manual());
  ASSERT_TRUE(file.write(0, as_bytes("unsafe")));
  EXPECT_EQ(durable()[0], '\0');
  EXPECT_EQ(file.pending(), PendingWrites{});
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(durable()[0], 'u');
}

TEST_F(FlushPolicyTest, AlwaysReturnsWhenItIsDurable) {
  MappedFile file = file_with(FlushPolicy::always());
  ASSERT_TRUE(file.write(0, as_bytes("safe")));
  EXPECT_EQ(durable().substr(0, 4), "safe");
  ASSERT_TRUE(file.fill(4, 2, std::byte{'f'}));
  ASSERT_TRUE(file.copy_within({0, 2}, 6));
  EXPECT_EQ(durable().substr(0, 8), "safeffsa");
  ASSERT_TRUE(file.append(as_bytes("end")));
  EXPECT_EQ(durable().substr(100), "end");
  const auto store = [](std::span<std::byte> bytes) noexcept { bytes[0] = std::byte{'g'}; };
  ASSERT_TRUE(file.mutable_guarded({0, 1}, store));
  EXPECT_EQ(durable()[0], 'g');
}

TEST_F(FlushPolicyTest, StoresThroughSpansJoinByMarkDirty) {
  MappedFile file = file_with(FlushPolicy::every_bytes(10));
  file.mutable_bytes(0, 6).value()[0] = std::byte{'s'};
  ASSERT_TRUE(file.mark_dirty({0, 6}));
  EXPECT_EQ(file.pending(), (PendingWrites{6, 1}));
  EXPECT_EQ(durable()[0], '\0');
  ASSERT_TRUE(file.mark_dirty({6, 4}));
  EXPECT_EQ(durable()[0], 's');
  EXPECT_EQ(code_of(file.mark_dirty({100, 1})), "out_of_range");
}

TEST_F(FlushPolicyTest, EveryBytesFlushesWhenThereAreEnough) {
  MappedFile file = file_with(FlushPolicy::every_bytes(8));
  ASSERT_TRUE(file.write(0, as_bytes("seven b")));
  EXPECT_EQ(file.pending(), (PendingWrites{7, 1}));
  EXPECT_EQ(durable()[0], '\0');
  ASSERT_TRUE(file.write(7, as_bytes("y")));
  EXPECT_EQ(file.pending(), PendingWrites{});
  EXPECT_EQ(durable().substr(0, 8), "seven by");
}

TEST_F(FlushPolicyTest, EveryWritesCountsCallsAndNotBytes) {
  MappedFile file = file_with(FlushPolicy::every_writes(3));
  ASSERT_TRUE(file.write(0, as_bytes("many bytes, one write")));
  ASSERT_TRUE(file.write(0, as_bytes("2")));
  EXPECT_EQ(file.pending(), (PendingWrites{22, 2}));
  EXPECT_EQ(durable()[0], '\0');
  ASSERT_TRUE(file.write(0, as_bytes("3")));
  EXPECT_EQ(durable()[0], '3');
  EXPECT_EQ(file.pending(), PendingWrites{});
}

TEST_F(FlushPolicyTest, FlushingARangeForgetsNothingThatIsPending) {
  MappedFile file = file_with(FlushPolicy::every_bytes(100));
  ASSERT_TRUE(file.write(0, as_bytes("nine byte")));
  ASSERT_TRUE(file.flush_range({50, 1}));
  EXPECT_EQ(file.pending(), (PendingWrites{9, 1}));
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(file.pending(), PendingWrites{});
  EXPECT_EQ(durable().substr(0, 9), "nine byte");
}

TEST_F(FlushPolicyTest, WhatIsWrittenDuringAFlushStaysPending) {
  MappedFile file = file_with(FlushPolicy::every_bytes(1000));
  MappedFile other = file.share();
  ASSERT_TRUE(file.write(0, as_bytes("before")));
  bool wrote = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "sync" && !std::exchange(wrote, true)) {
      EXPECT_TRUE(other.write(50, as_bytes("meanwhile")));
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(file.pending(), (PendingWrites{9, 1}));
}

TEST_F(FlushPolicyTest, AnIntervalFlushesInTheBackground) {
  MappedFile file = file_with(FlushPolicy::every(milliseconds(5)));
  ASSERT_TRUE(file.write(0, as_bytes("one")));
  EXPECT_EQ(file.pending(), (PendingWrites{3, 1}));
  wait_until_nothing_is_pending(file);
  EXPECT_EQ(durable().substr(0, 3), "one");
  ASSERT_TRUE(file.write(0, as_bytes("two")));
  wait_until_nothing_is_pending(file);
  EXPECT_EQ(durable().substr(0, 3), "two");
}

TEST_F(FlushPolicyTest, AnIntervalHoldsForAnExistingFileToo) {
  put(disk_, kPath, "content");
  MappedFile file = Factory::open(disk_, kPath, Access::read_write,
                                  {.flush_policy = FlushPolicy::every(milliseconds(5))})
                        .value();
  ASSERT_TRUE(file.write(0, as_bytes("C")));
  wait_until_nothing_is_pending(file);
  EXPECT_EQ(durable(), "Content");
}

TEST_F(FlushPolicyTest, ClosingFlushesWhatIsPending) {
  MappedFile file = file_with(FlushPolicy::every(std::chrono::hours(1)));
  ASSERT_TRUE(file.write(0, as_bytes("last")));
  ASSERT_TRUE(file.close());
  EXPECT_EQ(durable().substr(0, 4), "last");
}

TEST_F(FlushPolicyTest, ClosingIsNotHeldUpByTheService) {
  const Held before = held();
  for (int i = 0; i < 100; ++i) {
    MappedFile file = Factory::create_or_replace(
                          disk_, kPath, 100, {.flush_policy = FlushPolicy::every(milliseconds(1))})
                          .value();
    ASSERT_TRUE(file.write(0, as_bytes("x")));
    if (i % 3 == 0) std::this_thread::sleep_for(milliseconds(1));
    const auto descriptor = file.unmap();
    EXPECT_NE(code_of(descriptor), "busy") << "the service's own hold is no user's";
  }
  EXPECT_LE(held().maps, before.maps);
}

TEST_F(FlushPolicyTest, AFailedPolicyFlushIsTheWritesError) {
  MappedFile file = file_with(FlushPolicy::always());
  fail_every("sync", EIO);
  EXPECT_EQ(code_of(file.write(0, as_bytes("in memory"))), "io");
  EXPECT_EQ(text(file, 0, 9), "in memory") << "written all the same";
  EXPECT_EQ(file.last_flush_error()->code(), ErrorCode::io);
  EXPECT_EQ(file.pending(), (PendingWrites{9, 1}));
  EXPECT_EQ(code_of(file.write(0, as_bytes("again"))), "read_only_after_error");
}

TEST_F(FlushPolicyTest, AFailureInTheBackgroundIsToldToTheNextCallOnce) {
  MappedFile file = file_with(FlushPolicy::every(milliseconds(1)));
  fail_every("sync", EIO);
  ASSERT_TRUE(file.write(0, as_bytes("lost")));
  while (!file.last_flush_error()) std::this_thread::sleep_for(milliseconds(1));
  std::string told;
  while (told != "io") {  // until the flush has ended
    told = code_of(file.write(0, as_bytes("next")));
    ASSERT_TRUE(told == "io" || told == "read_only_after_error") << told;
    if (told != "io") std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(code_of(file.write(0, as_bytes("next"))), "read_only_after_error");
  EXPECT_EQ(file.last_flush_error()->code(), ErrorCode::io);
}

TEST_F(FlushPolicyTest, AFailureInTheBackgroundIsToldToCloseAtTheLatest) {
  MappedFile file = file_with(FlushPolicy::every(milliseconds(1)));
  fail_every("sync", EIO);
  ASSERT_TRUE(file.write(0, as_bytes("lost")));
  while (!file.last_flush_error()) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(code_of(file.close()), "io");
}

TEST_F(FlushPolicyTest, ReopeningForgetsTheErrorAndFlushesAgain) {
  MappedFile file = file_with(FlushPolicy::always());
  fail_next("sync", EIO);
  EXPECT_FALSE(file.write(0, as_bytes("lost")));
  ASSERT_TRUE(file.reopen_after_error());
  EXPECT_FALSE(file.last_flush_error());
  ASSERT_TRUE(file.write(0, as_bytes("kept")));
  EXPECT_EQ(durable().substr(0, 4), "kept");
  EXPECT_EQ(file.pending(), PendingWrites{});
}

TEST_F(FlushPolicyTest, ARefusedUnmapLeavesWhatIsScheduled) {
  MappedFile file = file_with(FlushPolicy::every(milliseconds(5)));
  {
    const Pin pin = file.pin(0, 1).value();
    ASSERT_TRUE(file.write(0, as_bytes("kept")));
    EXPECT_EQ(code_of(file.unmap()), "busy");
  }
  wait_until_nothing_is_pending(file);
  EXPECT_EQ(durable().substr(0, 4), "kept");
}

TEST_F(FlushPolicyTest, TheLongestIntervalIsNotOver) {
  MappedFile file = file_with(FlushPolicy::every(milliseconds::max()));
  ASSERT_TRUE(file.write(0, as_bytes("x")));
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(file.pending(), (PendingWrites{1, 1}));
}

TEST_F(FlushPolicyTest, OfTwoFlushesAtOnceNoneIsToldThatTheOthersFailureWasNone) {
  MappedFile file = file_with(FlushPolicy::manual());
  std::atomic<int> syncs = 0;
  std::atomic<bool> second_is_on_its_way = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) != "sync") return os::SimulatedOutcome{};
    // The system tells the first that asks, and nobody else.
    if (++syncs > 1) return os::SimulatedOutcome{};
    while (!second_is_on_its_way) std::this_thread::yield();
    std::this_thread::sleep_for(milliseconds(20));
    return os::SimulatedOutcome{.fail_with = EIO};
  });
  std::jthread first([&] { EXPECT_EQ(code_of(file.flush()), "io"); });
  while (syncs == 0) std::this_thread::yield();
  std::jthread second([&] {
    second_is_on_its_way = true;
    EXPECT_EQ(code_of(file.flush()), "read_only_after_error");
  });
}

TEST_F(FlushPolicyTest, ReadersCountNothing) {
  put(disk_, kPath, "content");
  MappedFile copy =
      Factory::open(disk_, kPath, Access::copy_on_write, {.flush_policy = FlushPolicy::always()})
          .value();
  ASSERT_TRUE(copy.write(0, as_bytes("mine")));
  EXPECT_EQ(copy.pending(), PendingWrites{});
  EXPECT_EQ(copy.flush_policy(), FlushPolicy::always());
}

}  // namespace
}  // namespace quire::mapped
