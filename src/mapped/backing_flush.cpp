// What of a mapped file is durable: flushes, the policy that asks for them, and what failed.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "mapped/backing.hpp"

namespace quire::mapped {

namespace {

// In ms, a hundred years: the clock cannot count for ever.
constexpr std::uint64_t kLongestInterval = std::uint64_t{100} * 365 * 24 * 3600 * 1000;

}  // namespace

Result<void> Backing::flush() {
  if (sync_failed()) return std::unexpected(refusal("flush", {}));
  const PendingWrites mark = account_.written();
  QUIRE_CHECK(note_sync(file_->sync()));
  account_.settle(mark);
  store_path_.flushed();
  return {};
}

Result<void> Backing::flush_range(ByteRange range) {
  // The kernel does not sync a mapping that cannot be written; the file, it does.
  if (access() == Access::read_only) return flush();
  if (sync_failed()) return std::unexpected(refusal("flush_range", range));
  // What it makes durable may be pending still: a policy then flushes early, and never late.
  QUIRE_CHECK(note_sync(file_->sync_range(mapping_, range)));
  store_path_.flushed();
  return {};
}

Result<void> Backing::start_writeback(ByteRange range) {
  auto started = file_->start_writeback(in_file(range));
  if (started) return started;
  return std::unexpected(named(std::move(started).error().with_range(range)));
}

Result<void> Backing::count_change(ByteRange range) {
  if (!account_.counts()) return {};
  account_.add(range.length);
  if (account_.policy().kind() == FlushPolicy::Kind::every_interval) {
    schedule_flush();
    return {};
  }
  return account_.is_due() ? flush() : Result<void>();
}

void Backing::schedule_flush() {
  if (flush_is_scheduled_.exchange(true, std::memory_order_acq_rel)) return;
  const std::chrono::milliseconds interval(std::min(account_.policy().amount(), kLongestInterval));
  try {
    FlushService::of_process().schedule(shared_from_this(),
                                        std::chrono::steady_clock::now() + interval);
  } catch (...) {
    // The next write tries again.
    flush_is_scheduled_.store(false, std::memory_order_release);
    throw;
  }
}

void Backing::end_background_flushes() noexcept {
  if (account_.policy().kind() != FlushPolicy::Kind::every_interval) return;
  FlushService::of_process().cancel(*this);
  flush_is_scheduled_.exchange(false, std::memory_order_acq_rel);
}

void Backing::resume_background_flushes() {
  if (account_.policy().kind() != FlushPolicy::Kind::every_interval) return;
  if (account_.pending() != PendingWrites{}) schedule_flush();
}

void Backing::flush_because_due() noexcept {
  // What is written from here on asks for the next flush. Exchanged, not stored: so a write that found
  // itself scheduled has its count seen below.
  flush_is_scheduled_.exchange(false, std::memory_order_acq_rel);
  if (account_.pending() == PendingWrites{} || sync_failed()) return;
  if (flush()) return;
  const base::MutexLock lock(mutex_);
  flush_error_is_news_ = true;
}

std::optional<Error> Backing::last_flush_error() const {
  const base::MutexLock lock(mutex_);
  return flush_error_;
}

Error Backing::refusal(const char* operation, ByteRange range) {
  const base::MutexLock lock(mutex_);
  if (flush_error_ && std::exchange(flush_error_is_news_, false)) return *flush_error_;
  Error error(ErrorCode::read_only_after_error, operation);
  if (!range.empty()) error = std::move(error).with_range(range);
  return named(std::move(error).with_detail("a flush failed; what it did not write may be lost"));
}

Result<void> Backing::note_sync(Result<void> result) {
  if (result) return result;
  Error error = named(std::move(result).error());
  {
    const base::MutexLock lock(mutex_);
    flush_error_ = error;
    sync_failed_.store(true, std::memory_order_relaxed);
  }
  return std::unexpected(std::move(error));
}

void Backing::reopen_after_error() {
  file_->forget_sync_failure();
  const base::MutexLock lock(mutex_);
  sync_failed_.store(false, std::memory_order_relaxed);
  flush_error_.reset();
  flush_error_is_news_ = false;
}

}  // namespace quire::mapped
