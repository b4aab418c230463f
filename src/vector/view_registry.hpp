// ViewRegistry: which moments of a store living views show, so that nothing of them is given back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.hpp"

namespace quire::vector {

// Thread-safe. Views are added in the order of their LSNs, so the first that is left is the oldest.
class ViewRegistry {
 public:
  // A view's place. Thread-compatible; leaves the registry by itself.
  class Place {
   public:
    Place() = default;
    ~Place() {
      if (registry_) registry_->remove(*this);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend class ViewRegistry;
    std::shared_ptr<ViewRegistry> registry_;
    std::uint64_t lsn_ = 0;
    Place* before_ = nullptr;
    Place* after_ = nullptr;
  };

  // REQUIRES: `lsn` is not below any that was added before, and `place` is in no registry.
  static void add(const std::shared_ptr<ViewRegistry>& registry, Place& place, std::uint64_t lsn) {
    const base::MutexLock lock(registry->mutex_);
    place.lsn_ = lsn;
    place.before_ = registry->newest_;
    (place.before_ != nullptr ? place.before_->after_ : registry->oldest_) = &place;
    registry->newest_ = &place;
    ++registry->count_;
    place.registry_ = registry;
  }

  std::uint64_t count() const QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return count_;
  }
  // The LSN of the oldest view; nothing if there is none.
  std::optional<std::uint64_t> oldest() const QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    if (oldest_ == nullptr) return std::nullopt;
    return oldest_->lsn_;
  }

 private:
  void remove(Place& place) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    (place.before_ != nullptr ? place.before_->after_ : oldest_) = place.after_;
    (place.after_ != nullptr ? place.after_->before_ : newest_) = place.before_;
    --count_;
  }

  mutable base::Mutex mutex_;
  Place* oldest_ QUIRE_GUARDED_BY(mutex_) = nullptr;
  Place* newest_ QUIRE_GUARDED_BY(mutex_) = nullptr;
  std::uint64_t count_ QUIRE_GUARDED_BY(mutex_) = 0;
};

}  // namespace quire::vector
