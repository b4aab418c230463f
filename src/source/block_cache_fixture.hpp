// The story-teller of the block cache's tests: a scripted source behind a small cache, and an executor
// that runs what is fetched ahead when it is told to.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutex.hpp"
#include "quire/block_cache.hpp"
#include "quire/executor.hpp"
#include "source/scripted_source.hpp"

namespace quire::source {

// Runs tasks when told to. Thread-safe.
class ManualExecutor final : public Executor {
 public:
  void submit(Task task) override {
    const base::MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  std::size_t queued() {
    const base::MutexLock lock(mutex_);
    return tasks_.size();
  }
  void run() {
    while (Task task = next()) task();
  }
  void drop() {
    while (next()) continue;
  }

 private:
  Task next() {
    const base::MutexLock lock(mutex_);
    if (tasks_.empty()) return nullptr;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

  base::Mutex mutex_;
  std::deque<Task> tasks_ QUIRE_GUARDED_BY(mutex_);
};

// Blocks of 1 KiB, 100 of them in the cache, an object of 1000 and a bit.
class BlockCacheFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t kBlock = 1024;
  static constexpr std::uint64_t kBlocks = 100;
  static constexpr std::uint64_t kSize = 1000 * kBlock + 100;

  BlockCacheFixture() { attach(16 * kBlock); }

  // A new cache before the same slow source.
  void attach(std::uint64_t max_read_ahead, std::uint64_t capacity = kBlocks * kBlock) {
    cache_ = BlockCache::create({.capacity_bytes = capacity, .block_bytes = kBlock}).value();
    cached_ = cache_->attach(slow_, {.max_read_ahead_bytes = max_read_ahead});
  }
  testing::AssertionResult right(std::uint64_t offset, std::uint64_t length,
                                 const ReadOptions& options = {}) {
    const Result<Bytes> bytes = cached_->read(offset, length, options);
    if (!bytes) return testing::AssertionFailure() << bytes.error().message();
    if (bytes->size() != length) return testing::AssertionFailure() << bytes->size() << " bytes";
    if (!slow_->matches(offset, bytes->span())) return testing::AssertionFailure() << "wrong bytes";
    return testing::AssertionSuccess();
  }
  ErrorCode code_of(const auto& result) {
    return result ? ErrorCode::closed : result.error().code();
  }
  void wait_for_waits(std::uint64_t waits) {
    while (cache_->stats().waits < waits) std::this_thread::yield();
  }

  std::shared_ptr<ScriptedSource> slow_ = std::make_shared<ScriptedSource>(kSize);
  std::shared_ptr<BlockCache> cache_;
  std::shared_ptr<const ByteSource> cached_;
};

}  // namespace quire::source
