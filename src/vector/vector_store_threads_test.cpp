// Many threads on one store: readers beside writers, each seeing whole vectors of one moment.
#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

// Every vector under id i that was ever put is `kDimension` times the same byte; a batch puts one byte
// under all ids, so a view in which two differ was torn.
class Threads : public StoreTest {
 protected:
  Threads() { background_ = true; }

  static constexpr std::uint64_t kIds = 64;

  void put_everywhere(std::uint8_t value) {
    std::vector<std::uint64_t> ids;
    for (std::uint64_t id = 0; id < kIds; ++id) ids.push_back(id * 1'000'003);
    const std::vector<std::uint8_t> rows(kIds * kDimension, value);
    ASSERT_TRUE(succeeded(store_->put_batch(ids, rows)));
  }

  // The one byte that a view holds; -1 if it holds several.
  static int value_of(const ReadView& view) {
    int value = -2;
    for (std::uint64_t id = 0; id < kIds; ++id) {
      const auto row = view.find<std::uint8_t>(id * 1'000'003);
      if (!row) return -1;
      for (const std::uint8_t element : *row) {
        if (value == -2) value = element;
        if (value != element) return -1;
      }
    }
    return value;
  }
};

TEST_F(Threads, ReadersSeeWholeBatchesWhileOneWrites) {
  create(Durability::process_crash, {.checkpoint_log_bytes = 64 << 10});
  put_everywhere(0);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> views{0};
  const auto read = [&] {
    int last = 0;
    while (!done.load()) {
      const ReadView view = store_->view();
      const int value = value_of(view);
      ASSERT_NE(value, -1) << "a torn view";
      ASSERT_EQ(value_of(view), value) << "a view that changes";
      ASSERT_GE(value, last);
      last = value;
      views.fetch_add(1);
    }
  };
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) readers.emplace_back(read);
    // Growing through many splits of the index and chunks of the version table.
    for (int round = 1; round < 120; ++round) {
      put_everywhere(static_cast<std::uint8_t>(round));
      ASSERT_TRUE(
          put_many((std::uint64_t{1} << 40) + static_cast<std::uint64_t>(round) * 1000, 200));
    }
    done.store(true);
  }
  EXPECT_GT(views.load(), 0U);
  EXPECT_EQ(store_->view().size(), kIds + 119 * 200);
}

TEST_F(Threads, CloseEndsBetweenBatchesAndLosesNone) {
  for (int round = 0; round < 20; ++round) {
    store_.reset();
    disk_ = std::make_unique<os::SimulatedFileSystem>();
    create(Durability::checkpoint_only);
    std::atomic<std::uint64_t> last{0};
    {
      std::jthread writer([&] {
        for (std::uint64_t id = 1;; ++id) {
          const auto put = store_->put(id, vector_of(id, kDimension));
          if (!put) {
            ASSERT_TRUE(failed_with(ErrorCode::closed, put));
            return;
          }
          last.store(id);
        }
      });
      while (last.load() < 50) std::this_thread::yield();
      ASSERT_TRUE(succeeded(store_->close()));
    }
    reopen();
    ASSERT_EQ(store_->view().size(), last.load());
  }
}

TEST_F(Threads, WritersTakeTurnsAndLoseNothing) {
  create(Durability::process_crash);
  const auto write = [&](std::uint64_t writer) {
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::uint64_t id = writer * 1000 + i;
      ASSERT_TRUE(succeeded(store_->put(id, vector_of(id, kDimension))));
      if (i % 3 == 0) {
        ASSERT_TRUE(*store_->remove(id));
      }
      if (i % 50 == 0) {
        ASSERT_TRUE(succeeded(store_->checkpoint()));
      }
    }
  };
  {
    std::vector<std::jthread> writers;
    for (std::uint64_t writer = 0; writer < 4; ++writer) writers.emplace_back(write, writer);
  }
  EXPECT_EQ(store_->view().size(), 4U * 133);
  reopen();
  EXPECT_EQ(store_->view().size(), 4U * 133);
  EXPECT_EQ(*store_->get<std::uint8_t>(3001), vector_of(3001, kDimension));
}

TEST_F(Threads, GetNearestVerifyAndInfoRunBesideAWriter) {
  create(Durability::process_crash, {.checkpoint_log_bytes = 16 << 10});
  ASSERT_TRUE(put_many(0, 500));
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  {
    std::jthread reader([&] {
      for (; !done.load(); rounds.fetch_add(1)) {
        ASSERT_EQ(*store_->get<std::uint8_t>(77), vector_of(77, kDimension));
        const auto found = store_->view().nearest(vector_of(77, kDimension), 1);
        ASSERT_EQ((*found)[0][0].id, 77U);
        ASSERT_TRUE(store_->verify()->ok());
        ASSERT_TRUE(succeeded(store_->info()));
      }
    });
    for (std::uint64_t i = 0; i < 100 || (rounds.load() < 20 && !HasFailure()); ++i) {
      ASSERT_TRUE(put_many(1000 + i * 10, 10));
    }
    done.store(true);
  }
}

TEST_F(Threads, AReaderBesideAWriterOpensAtAnyMoment) {
  create(Durability::process_crash, {.checkpoint_log_bytes = 4 << 10});
  put_everywhere(1);
  std::atomic<bool> done{false};
  std::atomic<int> opened{0};
  {
    std::jthread reader([&] {
      while (!done.load()) {
        const auto store = open(StoreMode::read_only);
        ASSERT_TRUE(succeeded(store));
        ASSERT_NE(value_of(store->view()), -1);
        opened.fetch_add(1);
      }
    });
    for (int round = 2; round < 150 || (opened.load() < 50 && !HasFailure()); ++round) {
      put_everywhere(static_cast<std::uint8_t>(round));
      // A checkpoint with almost every batch, without a breath, is no writer's way for long.
      if (round >= 150) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    done.store(true);
  }
}

// A checkpoint syncs the rows before it keeps writers waiting, and again what came meanwhile: that is in no log any more
// when it is done.
TEST_F(Threads, WhatIsWrittenWhileACheckpointSyncsIsKept) {
  background_ = false;
  create();
  put(1, 1);
  std::atomic<bool> has_begun{false};
  std::atomic<bool> writes{false};
  std::atomic<bool> is_looking{false};
  const auto is_synced = [&] {  // the row of id 1
    const auto disk = disk_->open(file("gen-1.rows"), os::OpenMode::read_direct, 0);
    std::vector<std::uint8_t> row(kDimension);
    const auto bytes = std::as_writable_bytes(std::span(row));
    return disk && (*disk)->read_exactly(kHeaderBytes, bytes) && row == model_[1];
  };
  std::jthread writer;
  disk_->set_hook([&](const os::SimulatedCall& call) {
    if (is_looking || call.path != file("gen-1.rows")) return os::SimulatedOutcome{};
    const std::string operation = call.operation;
    if (operation == "sync" && !has_begun.exchange(true)) {
      EXPECT_FALSE(is_synced());
      writer =
          std::jthread([&] { EXPECT_TRUE(succeeded(store_->put(2, vector_of(2, kDimension)))); });
      writes.wait(false);
    }
    if (operation == "write" && has_begun && !writes.exchange(true)) {
      writes.notify_all();
      is_looking = true;
      while (!is_synced()) std::this_thread::yield();
      is_looking = false;
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  disk_->set_hook({});
  ASSERT_TRUE(writer.joinable());
  writer.join();
  model_[2] = vector_of(2, kDimension);
  EXPECT_EQ(store_->info()->checkpoint_lsn, 2U);
  lose_power();
  reopen();
  EXPECT_EQ(contents_of(*store_), model_);
  EXPECT_TRUE(store_->verify()->ok());
}

}  // namespace
}  // namespace quire::vector
