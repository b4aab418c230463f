#include "mapped/store_path.hpp"

#include <algorithm>

#include "os/memory.hpp"
#include "quire/error.hpp"
#include "quire/mapped_memory.hpp"

namespace quire::mapped {

namespace {

// So much is written front to back before anything is made ready: what was made ready is dirty, and
// the next flush writes it.
constexpr std::uint64_t kRunBeforehand = std::uint64_t{1} << 20;

// A thread's last writes, if they were one behind the other.
struct Run {
  const StorePath* path = nullptr;
  std::uint64_t flushes = 0;
  std::uint64_t length = 0;
  std::uint64_t next = 0;   // where the run goes on
  std::uint64_t ready = 0;  // up to here pages are ready
};

// Initial-exec: found without a call.
[[gnu::tls_model("initial-exec")]] constinit thread_local Run run;

}  // namespace

bool StorePath::takes_call(ByteRange range) noexcept {
  const std::uint64_t first = range.offset / kByCall;
  const std::uint64_t last = (range.end() - 1) / kByCall;
  if (last - first >= kRemembered) return true;
  const std::uint64_t flushes = flushes_.load(std::memory_order_relaxed) & 0xffffU;
  bool is_new = false;
  for (std::uint64_t piece = first; piece <= last; ++piece) {
    std::atomic<std::uint64_t>& met = met_[piece % kRemembered];
    const std::uint64_t mark = ((piece + 1) << 16U) | flushes;
    if (met.load(std::memory_order_relaxed) == mark) continue;
    met.store(mark, std::memory_order_relaxed);
    is_new = true;
  }
  return is_new;
}

void StorePath::run_ahead(std::byte* base, std::uint64_t size, ByteRange range) noexcept {
  if (range.offset != run.next || run.path != this) {
    run = {this, flushes_.load(std::memory_order_relaxed), 0, range.offset, 0};
  }
  run.next = range.end();
  run.length += range.length;
  if (run.next <= run.ready || run.length < kRunBeforehand) return;
  const std::uint64_t flushes = flushes_.load(std::memory_order_relaxed);
  if (flushes != run.flushes) {
    run = {this, flushes, 0, range.end(), 0};
    return;
  }
  const std::uint64_t first = (range.end() + kStretch - 1) / kStretch * kStretch;
  run.ready = first;
  if (first + kStretch > size) return;
  run.ready = first + kStretch;
  ignore_error(os::advise(base + first, kStretch, MemoryAdvice::huge_page));
  ignore_error(os::populate(base + first, kStretch, Prefault::write));
}

}  // namespace quire::mapped
