#include "mapped/flush_account.hpp"

namespace quire::mapped {

namespace {

void raise_to(std::atomic<std::uint64_t>& count, std::uint64_t value) noexcept {
  std::uint64_t seen = count.load(std::memory_order_relaxed);
  while (seen < value && !count.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

void FlushAccount::add(std::uint64_t bytes) noexcept {
  bytes_written_.fetch_add(bytes, std::memory_order_release);
  writes_written_.fetch_add(1, std::memory_order_release);
}

bool FlushAccount::is_due() const noexcept {
  switch (policy_.kind()) {
    case FlushPolicy::Kind::always:
      return pending().writes > 0;
    case FlushPolicy::Kind::every_bytes:
      return pending().bytes >= policy_.amount();
    case FlushPolicy::Kind::every_writes:
      return pending().writes >= policy_.amount();
    case FlushPolicy::Kind::manual:
    case FlushPolicy::Kind::every_interval:
      break;
  }
  return false;
}

PendingWrites FlushAccount::pending() const noexcept {
  // The settled counts first: they never pass what was written.
  const PendingWrites settled{bytes_settled_.load(std::memory_order_acquire),
                              writes_settled_.load(std::memory_order_acquire)};
  const PendingWrites all = written();
  return {all.bytes - settled.bytes, all.writes - settled.writes};
}

PendingWrites FlushAccount::written() const noexcept {
  return {bytes_written_.load(std::memory_order_acquire),
          writes_written_.load(std::memory_order_acquire)};
}

void FlushAccount::settle(PendingWrites mark) noexcept {
  raise_to(bytes_settled_, mark.bytes);
  raise_to(writes_settled_, mark.writes);
}

}  // namespace quire::mapped
