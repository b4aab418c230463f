// CommitQueue: group commit. Writers that come while a commit is under way are committed together by one of
// them, with one sync.
//
// Invariants:
//   1. At most one submission leads at a time. It takes all that wait, itself among them and in the order in
//      which they came, commits them without holding `mutex_`, and hands the lead on.
//   2. A submission belongs to its own thread until it is queued, then to whoever leads, and from `done` on to its
//      own thread again; `state` passes it on with release and acquire.
//   3. Whoever notifies shares the submission, so that its memory outlives the notification.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.hpp"

namespace quire::vector {

// What waits in a CommitQueue.
class Queued {
 public:
  Queued() = default;
  virtual ~Queued() = default;
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;

 private:
  friend class CommitQueue;
  enum State : std::uint8_t { waits, leads, done };
  std::atomic<std::uint32_t> state_{waits};
};

// Thread-safe.
class CommitQueue {
 public:
  using Group = std::span<const std::shared_ptr<Queued>>;

  // `commit` must not throw; it runs on one thread at a time.
  explicit CommitQueue(std::function<void(Group)> commit) : commit_(std::move(commit)) {}

  // Returns when `one` has been committed, on this thread or another.
  void run(const std::shared_ptr<Queued>& one) QUIRE_EXCLUDES(mutex_);

 private:
  void lead(const std::shared_ptr<Queued>& one) QUIRE_EXCLUDES(mutex_);
  void wait_for_others() const;

  const std::function<void(Group)> commit_;
  base::Mutex mutex_;
  std::vector<std::shared_ptr<Queued>> queue_ QUIRE_GUARDED_BY(mutex_);
  bool has_leader_ QUIRE_GUARDED_BY(mutex_) = false;
  std::atomic<std::size_t> waiting_{0};  // the queue's length, for a glance without the lock
  // How many the last group and those behind it were: as many are likely to come again. Only the leader's.
  std::size_t expected_ = 1;
};

}  // namespace quire::vector
