#include "source/s3_fifo.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace quire::source {

S3Fifo::S3Fifo(std::uint64_t capacity_bytes)
    : capacity_(capacity_bytes), small_capacity_(capacity_bytes / 10) {}

std::uint64_t S3Fifo::bytes_held() const noexcept {
  return queues_[kSmall].cost + queues_[kMain].cost + queues_[kAhead].cost;
}

bool S3Fifo::holds(const BytesKey& key) const {
  const auto found = index_.find(key);
  return found != index_.end() && found->second->queue != kGhost;
}

const Bytes* S3Fifo::find(const BytesKey& key, Use use) {
  const auto found = index_.find(key);
  if (found == index_.end() || found->second->queue == kGhost) return nullptr;
  const Entries::iterator entry = found->second;
  if (entry->queue == kAhead) {
    move(entry, entry->begins);  // invariant 6
  } else if (use == Use::counts && entry->uses < kMostUses) {
    ++entry->uses;
  }
  return &entry->bytes;
}

void S3Fifo::insert(const BytesKey& key, Bytes bytes, bool ahead, std::vector<Bytes>& freed) {
  const std::uint64_t cost = std::max<std::uint64_t>(bytes.size(), kLeastCost);
  if (cost > capacity_) return;
  Queue begins = kSmall;
  if (const auto ghost = index_.find(key); ghost != index_.end()) {
    erase(ghost->second);
    begins = kMain;  // invariant 4
  }
  Entries one;
  one.push_back({.key = key, .bytes = std::move(bytes), .cost = cost, .begins = begins});
  while (bytes_held() > capacity_ - cost) evict(freed);
  index_.emplace(key, one.begin());
  inserted_ += cost;
  one.front().came = inserted_;
  Fifo& queue = queues_[one.front().queue = ahead ? kAhead : begins];
  queue.cost += cost;
  queue.entries.splice(queue.entries.begin(), one);
}

S3Fifo::Entries S3Fifo::forget(std::uint64_t owner) noexcept {
  Entries dropped;
  for (Fifo& queue : queues_) {
    for (auto entry = queue.entries.begin(); entry != queue.entries.end();) {
      const auto here = entry++;
      if (here->key.owner != owner) continue;
      queue.cost -= here->cost;
      index_.erase(here->key);
      dropped.splice(dropped.begin(), queue.entries, here);
    }
  }
  return dropped;
}

void S3Fifo::move(Entries::iterator entry, Queue to) {
  Fifo& from = queues_[entry->queue];
  from.cost -= entry->cost;
  queues_[to].cost += entry->cost;
  queues_[to].entries.splice(queues_[to].entries.begin(), from.entries, entry);
  entry->queue = to;
}

void S3Fifo::erase(Entries::iterator entry) {
  Fifo& queue = queues_[entry->queue];
  queue.cost -= entry->cost;
  index_.erase(entry->key);
  queue.entries.erase(entry);
}

// The queue whose oldest entry is to go; there is one, because something is held.
S3Fifo::Queue S3Fifo::choose_victim() {
  const Fifo& small = queues_[kSmall];
  const Fifo& main = queues_[kMain];
  if (!queues_[kAhead].entries.empty() && inserted_ - oldest(kAhead)->came > capacity_ / 2) {
    return kAhead;
  }
  while (!small.entries.empty() && (small.cost > small_capacity_ || main.entries.empty())) {
    const Entries::iterator entry = oldest(kSmall);
    if (entry->uses < kPromote) return kSmall;
    entry->uses = 0;
    move(entry, kMain);
  }
  while (!main.entries.empty()) {
    const Entries::iterator entry = oldest(kMain);
    if (entry->uses == 0) return kMain;
    --entry->uses;
    move(entry, kMain);
  }
  return kAhead;
}

void S3Fifo::evict(std::vector<Bytes>& freed) {
  const Queue victims = choose_victim();
  const Entries::iterator entry = oldest(victims);
  freed.push_back(std::move(entry->bytes));
  ++evictions_;
  if (victims != kSmall) {
    erase(entry);
    return;
  }
  move(entry, kGhost);
  while (queues_[kGhost].cost > capacity_ - small_capacity_) erase(oldest(kGhost));
}

}  // namespace quire::source
