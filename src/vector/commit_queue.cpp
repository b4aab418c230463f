#include "vector/commit_queue.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace quire::vector {

namespace {

// Writers that were just acknowledged need about so long to come back with their next batch; a sync takes longer.
constexpr std::chrono::microseconds kLongestWait{60};

}  // namespace

void CommitQueue::run(const std::shared_ptr<Queued>& one) {
  {
    const base::MutexLock lock(mutex_);
    queue_.push_back(one);
    waiting_.store(queue_.size(), std::memory_order_relaxed);
    if (!has_leader_) {
      has_leader_ = true;
      one->state_.store(Queued::leads, std::memory_order_relaxed);  // nobody else looks yet
    }
  }
  one->state_.wait(Queued::waits, std::memory_order_acquire);
  if (one->state_.load(std::memory_order_acquire) == Queued::leads) lead(one);
}

// A writer alone waits for nobody. Relaxed: the count is a guess, the queue itself is taken under the lock.
void CommitQueue::wait_for_others() const {
  if (expected_ <= 1 || waiting_.load(std::memory_order_relaxed) >= expected_) return;
  const auto until = std::chrono::steady_clock::now() + kLongestWait;
  while (waiting_.load(std::memory_order_relaxed) < expected_ &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
}

void CommitQueue::lead(const std::shared_ptr<Queued>& one) {
  wait_for_others();
  std::vector<std::shared_ptr<Queued>> group;
  {
    const base::MutexLock lock(mutex_);
    group.swap(queue_);
    waiting_.store(0, std::memory_order_relaxed);
  }
  commit_(group);
  std::shared_ptr<Queued> next;
  {
    const base::MutexLock lock(mutex_);
    expected_ = group.size() + queue_.size();
    has_leader_ = !queue_.empty();
    if (has_leader_) next = queue_.front();
  }
  // First, so that the next commit is under way while the others are woken.
  if (next) {
    next->state_.store(Queued::leads, std::memory_order_release);
    next->state_.notify_one();
  }
  for (const std::shared_ptr<Queued>& other : group) {
    other->state_.store(Queued::done, std::memory_order_release);
    if (other != one) other->state_.notify_one();
  }
}

}  // namespace quire::vector
