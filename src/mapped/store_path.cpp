#include "mapped/store_path.hpp"

namespace quire::mapped {

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

}  // namespace quire::mapped
