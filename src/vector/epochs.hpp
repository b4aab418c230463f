// Epochs: frees memory that the index replaced once no view can still be reading it.
//
// Every view holds the epoch that was current when it was made. What is retired belongs to the current
// epoch, and then a new one begins. Each epoch holds the next, so an epoch and its garbage go when every
// view made in it or before it is gone. Making a view takes one short lock; reading takes none.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.hpp"

namespace quire::vector {

class Epoch {
 public:
  Epoch() = default;
  Epoch(const Epoch&) = delete;
  Epoch& operator=(const Epoch&) = delete;
  // A long-lived view may be the last to hold a long chain: it is let go link by link, for plain
  // destruction would recurse as deep as the chain is long.
  ~Epoch() {
    thread_local std::shared_ptr<Epoch>* pending = nullptr;  // where the loop below looks
    if (pending != nullptr) {
      *pending = std::move(next_);
      return;
    }
    std::shared_ptr<Epoch> next = std::move(next_);
    std::shared_ptr<Epoch> after;
    pending = &after;
    while (next) {
      next.reset();  // if it was the last reference, this moves the epoch's own next into `after`
      next = std::move(after);
    }
    pending = nullptr;
  }

 private:
  friend class Epochs;
  std::vector<std::shared_ptr<const void>> garbage_;
  std::shared_ptr<Epoch> next_;
};

// Thread-safe.
class Epochs {
 public:
  std::shared_ptr<const Epoch> current() QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return current_;
  }

  // Takes what no view made from now on can reach.
  void retire(std::shared_ptr<const void> garbage) QUIRE_EXCLUDES(mutex_) {
    auto next = std::make_shared<Epoch>();
    std::shared_ptr<Epoch> ended;  // destroyed after the lock is gone
    const base::MutexLock lock(mutex_);
    current_->garbage_.push_back(std::move(garbage));
    current_->next_ = next;
    ended = std::exchange(current_, std::move(next));
  }

 private:
  base::Mutex mutex_;
  std::shared_ptr<Epoch> current_ QUIRE_GUARDED_BY(mutex_) = std::make_shared<Epoch>();
};

}  // namespace quire::vector
