// What a change counter promises, by the numbers in its header.
#include "quire/change_counter.hpp"

#include <limits>
#include <thread>

#include "mapped/another_process_fixture.hpp"
#include "mapped/mapped_file_fixture.hpp"

namespace quire::mapped {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

Clock::time_point much_later() { return Clock::now() + 30s; }

class ChangeCounterTest : public MappedFileTest {
 protected:
  static constexpr std::uint64_t kWord = 8;

  static ChangeCounter counter(MappedFile& file) { return ChangeCounter::at(file, kWord).value(); }
  static ChangeObserver observer(const MappedFile& file) {
    return ChangeObserver::at(file, kWord).value();
  }
};

TEST_F(ChangeCounterTest, CountsInTheWordOfTheFile) {
  MappedFile file = create(kPage);
  ChangeCounter changes = counter(file);
  EXPECT_EQ(changes.value(), 0U);
  EXPECT_EQ(changes.announce(), 1U);
  EXPECT_EQ(changes.announce(), 2U);
  EXPECT_EQ(observer(open(path(), Access::read_only)).value(), 2U);
  EXPECT_EQ(contents(path()).substr(kWord, 4), std::string("\2\0\0\0", 4));
}

TEST_F(ChangeCounterTest, AReadOnlyFileOnlyObserves) {
  ignore_error(create(kPage).flush());
  MappedFile file = open(path(), Access::read_only);
  EXPECT_EQ(code_of(ChangeCounter::at(file, kWord)), "wrong_mode");
  EXPECT_EQ(code_of(ChangeObserver::at(file, kWord)), "ok");
}

TEST_F(ChangeCounterTest, APrivateCopyNeitherTellsNorIsTold) {
  ignore_error(create(kPage).flush());
  MappedFile file = open(path(), Access::copy_on_write);
  EXPECT_EQ(code_of(ChangeCounter::at(file, kWord)), "wrong_mode");
  EXPECT_EQ(code_of(ChangeObserver::at(file, kWord)), "wrong_mode");
}

TEST_F(ChangeCounterTest, ItsWordIsAlignedAndInsideTheFile) {
  MappedFile file = create(kPage);
  EXPECT_EQ(code_of(ChangeCounter::at(file, 2)), "misaligned");
  EXPECT_EQ(code_of(ChangeObserver::at(file, 2)), "misaligned");
  EXPECT_EQ(code_of(ChangeCounter::at(file, kPage)), "out_of_range");
  EXPECT_EQ(code_of(ChangeObserver::at(file, kPage - 4)), "ok");
  EXPECT_EQ(code_of(ChangeObserver::at(MappedFile(), 0)), "closed");
}

TEST_F(ChangeCounterTest, OneProcessIsToldByAnother) {
  ignore_error(create(kPage).flush());
  AnotherProcess reader([this] {
    const MappedFile file = open(path(), Access::read_only);
    const ChangeObserver changes = observer(file);
    const auto data = file.view_as<std::uint32_t>(64, 1000).value();
    for (std::uint32_t seen = 0; seen < 1000;) {
      const auto next = changes.wait_for_change(seen, much_later());
      if (!next || *next <= seen) return false;
      seen = *next;
      if (data[seen - 1] != seen) return false;  // promise 1
    }
    return true;
  });
  MappedFile file = open(path());
  ChangeCounter changes = counter(file);
  const auto data = file.mutable_view_as<std::uint32_t>(64, 1000).value();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    data[i] = i + 1;
    changes.announce();
    if (i % 10 == 0) std::this_thread::sleep_for(100us);
  }
  EXPECT_EQ(reader.end(), 0);
}

TEST_F(ChangeCounterTest, SeesWhatWasStoredBeforeTheAnnouncement) {
  MappedFile file = create(kPage);
  const auto data = file.mutable_view_as<std::uint64_t>(64, 1).value();
  const ChangeObserver changes = observer(file);
  const std::jthread writer([&] {
    data[0] = 42;  // plain: a race, if the counter did not order it
    counter(file).announce();
  });
  EXPECT_TRUE(changes.wait_for_change(0, much_later()));
  EXPECT_EQ(data[0], 42U);
}

TEST_F(ChangeCounterTest, AChangeBeforeTheWaitIsNotMissed) {
  MappedFile file = create(kPage);
  ChangeCounter changes = counter(file);
  const std::uint32_t seen = changes.value();
  changes.announce();
  changes.announce();
  EXPECT_EQ(changes.wait_for_change(seen, Clock::now() - 1s).value(), 2U) << "at once";
}

TEST_F(ChangeCounterTest, WritersOfTwoProcessesAreAllCounted) {
  MappedFile file = create(kPage);
  const auto announce = [this] {
    MappedFile mine = open(path());
    ChangeCounter changes = counter(mine);
    for (int i = 0; i < 5000; ++i) changes.announce();
    return true;
  };
  {
    const AnotherProcess other(announce);
    announce();
  }
  EXPECT_EQ(observer(file).value(), 10'000U);
}

TEST_F(ChangeCounterTest, WrapsAround) {
  MappedFile file = create(kPage);
  file.mutable_atomic_as<std::uint32_t>(kWord).value().store(
      std::numeric_limits<std::uint32_t>::max());
  ChangeCounter changes = counter(file);
  const std::uint32_t seen = changes.value();
  EXPECT_EQ(changes.announce(), 0U);
  EXPECT_EQ(changes.wait_for_change(seen, much_later()).value(), 0U);
}

TEST_F(ChangeCounterTest, AWaitEndsAtItsDeadline) {
  MappedFile file = create(kPage);
  const auto waited = counter(file).wait_for_change(0, Clock::now() + 20ms);
  ASSERT_EQ(code_of(waited), "timeout");
  EXPECT_EQ(waited.error().path(), path());
  EXPECT_EQ(waited.error().range(), (ByteRange{kWord, 4}));
}

TEST_F(ChangeCounterTest, AWaitEndsAtAStop) {
  MappedFile file = create(kPage);
  const ChangeObserver changes = observer(file);
  std::jthread waiter([&](const std::stop_token& stop) {
    EXPECT_EQ(code_of(changes.wait_for_change(0, std::nullopt, stop)), "cancelled");
  });
  std::this_thread::sleep_for(20ms);
  waiter.request_stop();
}

TEST_F(ChangeCounterTest, OutlivesTheFileObject) {
  auto file = std::make_unique<MappedFile>(create(kPage));
  ChangeCounter changes = counter(*file);
  file.reset();
  EXPECT_EQ(changes.announce(), 1U);
  EXPECT_EQ(code_of(changes.wait_for_change(0)), "ok");
  EXPECT_EQ(contents(path()).substr(kWord, 4), std::string("\1\0\0\0", 4));
}

TEST_F(ChangeCounterTest, NoShrinkCutsItsWordOff) {
  MappedFile file = create(2 * kPage);
  {
    const auto changes = ChangeObserver::at(file, kPage).value();
    EXPECT_EQ(code_of(file.shrink(kPage)), "busy");
    EXPECT_EQ(code_of(file.shrink(kPage + 4)), "ok");
  }
  EXPECT_EQ(code_of(file.shrink(kPage)), "ok");
}

}  // namespace
}  // namespace quire::mapped
