// Concurrent histories of put, remove, find and compact, against a model.
//
// Each thread notes for each of its calls when it began and ended, and what it returned. LSNs order the writes: a put or
// remove that changed something is a batch with a number of its own, and a view has one, too. So a history is linearizable
// if there is an order that agrees with the times in which every call returns what it returned; here it can be
// checked directly, one id at a time: (1) a find returns the value of a write that began before the find ended, and that
// no other write of the same id surely followed which ended before the find began; (2) finds of one
// thread, and finds that do not overlap, never go back to an older value; (3) conditional writes succeed exactly if
// what they expect is the value before them in that order. Every id has one writer at a time (its thread's turn under a
// lock of the test), so that the order of the writes to it is known.
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

#include "base/mutex.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

using Clock = std::chrono::steady_clock;

// A write to one id: `mark` 0 is a remove.
struct Write {
  std::uint64_t mark = 0;
  Clock::time_point begun;
  Clock::time_point ended;
};

struct Find {
  std::uint64_t id = 0;
  std::uint64_t mark = 0;  // 0: not found
  Clock::time_point begun;
  Clock::time_point ended;
};

class Linearizability : public StoreTest {
 protected:
  static constexpr std::uint64_t kIds = 16;
  static constexpr std::uint64_t kWriters = 3;
  static constexpr std::uint64_t kReaders = 2;
  static constexpr std::uint64_t kSteps = 400;

  struct Id {
    base::Mutex turn;
    std::vector<Write> writes;  // in order; guarded by turn while threads run
  };

  // The mark that a row tells; every element follows from it.
  static std::uint64_t mark_of(std::span<const std::uint8_t> row) {
    std::uint64_t mark = 0;
    for (std::size_t i = 0; i < 8; ++i) mark |= std::uint64_t{row[i]} << (8 * i);
    for (std::size_t i = 8; i < row.size(); ++i) {
      EXPECT_EQ(row[i], static_cast<std::uint8_t>(mark * (i + 1))) << "a torn row";
    }
    return mark;
  }

  static std::vector<std::uint8_t> row_of(std::uint64_t mark) {
    std::vector<std::uint8_t> row(kDimension);
    for (std::size_t i = 0; i < 8; ++i) row[i] = static_cast<std::uint8_t>(mark >> (8 * i));
    for (std::size_t i = 8; i < row.size(); ++i) row[i] = static_cast<std::uint8_t>(mark * (i + 1));
    return row;
  }

  void write_some(std::uint64_t thread) {
    os::Random random(thread * 7919 + 1);
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      const std::uint64_t id = random() % kIds;
      Id& one = ids_[id];
      const base::MutexLock turn(one.turn);
      const std::uint64_t before = one.writes.empty() ? 0 : one.writes.back().mark;
      Write write{.mark = next_mark_.fetch_add(1), .begun = Clock::now(), .ended = {}};
      bool changed = true;
      switch (random() % 4) {
        case 0: {
          const auto removed = store_->remove(id);
          ASSERT_TRUE(succeeded(removed));
          ASSERT_EQ(*removed, before != 0);
          changed = *removed;
          write.mark = 0;
          break;
        }
        case 1: {
          const auto put = store_->put_if_absent(id, row_of(write.mark));
          ASSERT_TRUE(succeeded(put));
          ASSERT_EQ(*put, before == 0);
          changed = *put;
          break;
        }
        default:
          ASSERT_TRUE(succeeded(store_->put(id, row_of(write.mark))));
      }
      write.ended = Clock::now();
      if (changed) one.writes.push_back(write);
    }
  }

  void find_some(std::uint64_t thread, std::vector<Find>& finds) {
    os::Random random(thread * 104729 + 5);
    for (std::uint64_t step = 0; !done_.load() || step < kSteps; ++step) {
      Find find{.id = random() % kIds, .mark = 0, .begun = Clock::now(), .ended = {}};
      if (random() % 2 == 0) {
        const ReadView view = store_->view();  // the row lives as long as it
        const auto row = view.find<std::uint8_t>(find.id);
        if (row) find.mark = mark_of(*row);
      } else {
        const auto row = store_->get<std::uint8_t>(find.id);
        if (row) find.mark = mark_of(*row);
        ASSERT_TRUE(row || row.error().code() == ErrorCode::not_found);
      }
      find.ended = Clock::now();
      if (finds.size() < 200'000) finds.push_back(find);
    }
  }

  // The places of the writes, 1 for the first, that the find may have seen: after 0 of them the id was absent.
  static std::pair<std::size_t, std::size_t> possible(const std::vector<Write>& writes,
                                                      const Find& find) {
    std::size_t least = 0;
    std::size_t most = 0;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      if (writes[i].ended < find.begun) least = i + 1;
      if (writes[i].begun < find.ended) most = i + 1;
    }
    return {least, most};
  }

  // Greedy: each find, by the time of its begin, takes the earliest place that is possible and no older than what a find
  // that had ended before it was sure to have seen.
  void check(std::vector<Find> finds) {
    std::ranges::sort(finds, {}, &Find::ended);
    for (std::uint64_t id = 0; id < kIds; ++id) {
      const std::vector<Write>& writes = ids_[id].writes;
      std::vector<std::pair<Clock::time_point, std::size_t>>
          seen;  // ends of finds, and places; both ascend
      for (const Find& find : finds) {
        if (find.id != id) continue;
        auto [least, most] = possible(writes, find);
        const auto later = std::ranges::lower_bound(seen, find.begun, {},
                                                    [](const auto& one) { return one.first; });
        if (later != seen.begin()) least = std::max(least, std::prev(later)->second);
        std::size_t place = least;
        const auto mark_at = [&](std::size_t at) { return at == 0 ? 0 : writes[at - 1].mark; };
        while (place <= most && mark_at(place) != find.mark) ++place;
        ASSERT_LE(place, most) << "id " << id << " showed mark " << find.mark
                               << ", which no order of the calls explains";
        seen.emplace_back(find.ended, std::max(place, seen.empty() ? 0 : seen.back().second));
      }
    }
  }

  void run(Durability durability) {
    background_ = true;
    create(durability, {.checkpoint_log_bytes = 16 << 10});
    std::vector<std::vector<Find>> finds(kReaders);
    {
      std::vector<std::jthread> readers;
      for (std::uint64_t i = 0; i < kReaders; ++i) {
        readers.emplace_back([this, i, &finds] { find_some(i, finds[i]); });
      }
      {
        std::vector<std::jthread> writers;
        for (std::uint64_t i = 0; i < kWriters; ++i) {
          writers.emplace_back([this, i] { write_some(i); });
        }
        writers.emplace_back([this] {
          for (int i = 0; i < 30; ++i) {
            ASSERT_TRUE(succeeded(store_->compact()));
            ASSERT_TRUE(succeeded(store_->checkpoint()));
          }
        });
      }
      done_.store(true);
    }
    std::vector<Find> all;
    for (const auto& some : finds) all.insert(all.end(), some.begin(), some.end());
    check(std::move(all));
    // What is there at the end is there after opening again.
    reopen();
    for (std::uint64_t id = 0; id < kIds; ++id) {
      const auto row = store_->get<std::uint8_t>(id);
      const auto& writes = ids_[id].writes;
      ASSERT_EQ(row ? mark_of(*row) : 0, writes.empty() ? 0 : writes.back().mark);
    }
  }

  std::array<Id, kIds> ids_;
  std::atomic<std::uint64_t> next_mark_{1};
  std::atomic<bool> done_{false};
};

TEST_F(Linearizability, OfPutRemoveFindAndCompact) { run(Durability::power_loss); }
TEST_F(Linearizability, OfTheSameWithoutSyncs) { run(Durability::process_crash); }

class GroupCommit : public StoreTest {
 protected:
  GroupCommit() { background_ = true; }
};

TEST_F(GroupCommit, WritersShareSyncsAndEachIsDurableWhenItReturns) {
  create();
  std::atomic<std::uint64_t> syncs{0};
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (std::string_view(call.operation) == "sync" && call.path.ends_with(".wal")) {
      syncs.fetch_add(1);
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // as a disk takes
    }
    return os::SimulatedOutcome{};
  });
  constexpr std::uint64_t kWriters = 8;
  constexpr std::uint64_t kEach = 100;
  {
    std::vector<std::jthread> writers;
    for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([this, writer] {
        for (std::uint64_t i = 0; i < kEach; ++i) {
          const std::uint64_t id = writer * kEach + i;
          ASSERT_TRUE(succeeded(store_->put(id, vector_of(id, kDimension))));
          ASSERT_TRUE(store_->view().contains(id)) << "a writer sees what it wrote";
        }
      });
    }
  }
  disk_->set_hook({});
  EXPECT_LT(syncs.load(), kWriters * kEach * 3 / 4);
  EXPECT_EQ(store_->view().lsn(), kWriters * kEach) << "each is a batch of its own";
  lose_power();
  reopen();
  EXPECT_EQ(store_->view().size(), kWriters * kEach);
  EXPECT_TRUE(store_->verify()->ok());
}

TEST_F(GroupCommit, AFailedSyncIsToldToEveryWriterOfTheGroup) {
  constexpr std::uint64_t kWriters = 4;
  constexpr std::uint64_t kGood = 5;  // puts of the first writer before the disk fails
  create();
  for (std::uint64_t round = 0; round < 20; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::atomic<bool> fail{false};
    disk_->set_hook([&](const os::SimulatedCall& call) {
      const bool is_sync =
          std::string_view(call.operation) == "sync" && call.path.ends_with(".wal");
      if (is_sync)
        std::this_thread::sleep_for(std::chrono::microseconds(200));  // so that groups form
      return os::SimulatedOutcome{.fail_with = is_sync && fail.load() ? EIO : 0};
    });
    std::atomic<std::uint64_t> unknown{0};
    std::atomic<std::uint64_t> refused{0};
    std::array<std::uint64_t, kWriters> last{};  // marks that were acknowledged
    for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
      last[writer] = (round * kWriters + writer) * 1'000'000;
      put(writer, last[writer]);
    }
    {
      std::vector<std::jthread> writers;
      for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] {
          for (std::uint64_t i = 0;; ++i) {
            if (writer == 0 && i == kGood) fail.store(true);
            const auto put = store_->put(writer, vector_of(last[writer] + 1, kDimension));
            if (put) {
              ++last[writer];
              continue;
            }
            const ErrorCode code = put.error().code();
            unknown.fetch_add(code == ErrorCode::outcome_unknown ? 1 : 0);
            refused.fetch_add(code == ErrorCode::read_only_after_error ? 1 : 0);
            return;
          }
        });
      }
    }
    EXPECT_GE(unknown.load(), 1U);
    EXPECT_EQ(unknown.load() + refused.load(), kWriters);
    // A writer that was told of no failure takes its last put for durable; it must be.
    lose_power();
    reopen();
    if (HasFatalFailure()) return;
    EXPECT_TRUE(store_->verify()->ok());
    for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
      const auto found = store_->get<std::uint8_t>(writer);
      ASSERT_TRUE(succeeded(found));
      EXPECT_TRUE(*found == vector_of(last[writer], kDimension) ||
                  *found == vector_of(last[writer] + 1, kDimension))
          << "writer " << writer << " lost an acknowledged put";
    }
  }
}

}  // namespace
}  // namespace quire::vector
