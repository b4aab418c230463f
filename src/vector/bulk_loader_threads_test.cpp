// Many threads load one store beside a writer and readers.
#include <atomic>
#include <thread>

#include "vector/bulk_load_fixture.hpp"

namespace quire::vector {
namespace {

// A part is kPart ids from a multiple of kPart on, marked by themselves.
class LoadingThreads : public BulkLoadTest {
 protected:
  LoadingThreads() { background_ = true; }

  static constexpr std::uint64_t kThreads = 4;
  static constexpr std::uint64_t kParts = 25;
  static constexpr std::uint64_t kPart = 16;

  static std::uint64_t first_id(std::uint64_t thread, std::uint64_t part) {
    return (thread * kParts + part) * kPart;
  }

  static Claim written_part(BulkLoader& loader, std::uint64_t first) {
    Claim claim{.rows = loader.claim(kPart + first % 3).value(), .appended = {}};
    for (std::uint64_t id = first; id < first + kPart; id += 4) {
      const std::vector<std::uint64_t> ids{id, id + 1, id + 2, id + 3};
      EXPECT_TRUE(succeeded(claim.append(ids, id, kDimension)));
    }
    return claim;
  }

  // Every part of the view is there whole or not at all, with its own bytes.
  static ::testing::AssertionResult holds_whole_parts(const ReadView& view) {
    for (std::uint64_t first = 0; first < kThreads * kParts * kPart; first += kPart) {
      const bool there = view.contains(first);
      for (std::uint64_t id = first; id < first + kPart; ++id) {
        const auto row = view.find<std::uint8_t>(id);
        if (row.has_value() != there) return ::testing::AssertionFailure() << "half of " << first;
        if (row && !std::ranges::equal(*row, vector_of(id, kDimension))) {
          return ::testing::AssertionFailure() << "other bytes under " << id;
        }
      }
    }
    return ::testing::AssertionSuccess();
  }

  // Runs `work` in threads, beside a reader and this thread, which puts, removes and checkpoints.
  template <class Work>
  void load_beside_others(Work work) {
    std::atomic<bool> done{false};
    std::jthread reader([&] {
      while (!done.load()) ASSERT_TRUE(holds_whole_parts(store_->view()));
    });
    {
      std::vector<std::jthread> threads;
      for (std::uint64_t thread = 0; thread < kThreads; ++thread)
        threads.emplace_back(work, thread);
      for (std::uint64_t i = 0; i < 60; ++i) {
        put(1'000'000 + i % 10, i);
        if (i % 7 == 0) {
          ASSERT_TRUE(succeeded(store_->checkpoint()));
        }
      }
    }
    done.store(true);
  }

  void expect_everything() {
    ASSERT_TRUE(holds_whole_parts(store_->view()));
    EXPECT_EQ(store_->view().size(), kThreads * kParts * kPart + 10);
    EXPECT_TRUE(store_->verify()->ok());
  }
};

TEST_F(LoadingThreads, CommitEachPartAsItIsWritten) {
  create(Durability::power_loss, {.checkpoint_log_bytes = 8 << 10});
  {
    BulkLoader loader = load();
    load_beside_others([&](std::uint64_t thread) {
      for (std::uint64_t part = 0; part < kParts; ++part) {
        Claim claim = written_part(loader, first_id(thread, part));
        ASSERT_TRUE(succeeded(loader.commit(std::move(claim.rows))));
      }
    });
  }
  expect_everything();
  lose_power();
  reopen();
  expect_everything();
}

TEST_F(LoadingThreads, WritePartsThatAreCommittedTogether) {
  create(Durability::process_crash);
  {
    BulkLoader loader = load();
    std::vector<std::vector<Claim>> written(kThreads);
    load_beside_others([&](std::uint64_t thread) {
      for (std::uint64_t part = 0; part < kParts; ++part) {
        written[thread].push_back(written_part(loader, first_id(thread, part)));
        ignore_error(loader.claim(5));  // and dropped
      }
    });
    EXPECT_EQ(store_->view().size(), 10U);
    std::vector<Claim> all;
    for (auto& claims : written) std::ranges::move(claims, std::back_inserter(all));
    ASSERT_TRUE(succeeded(commit_all(loader, all)));
  }
  expect_everything();
  reopen();
  expect_everything();
}

}  // namespace
}  // namespace quire::vector
