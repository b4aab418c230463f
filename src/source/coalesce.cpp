#include "source/coalesce.hpp"

#include <algorithm>
#include <numeric>

namespace quire::source {

std::vector<MergedRead> coalesce(std::span<const ByteRange> ranges,
                                 const CoalesceOptions& options) {
  std::vector<std::size_t> order(ranges.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return ranges[i].offset; });
  std::vector<MergedRead> reads;
  for (const std::size_t index : order) {
    const ByteRange& next = ranges[index];
    if (!reads.empty()) {
      ByteRange& last = reads.back().range;
      const std::uint64_t end = std::max(last.end(), next.end());
      const bool is_near = next.offset <= last.end() || next.offset - last.end() <= options.max_gap;
      const bool is_inside = next.end() <= last.end();
      if (is_inside || (is_near && end - last.offset <= options.max_length)) {
        last.length = end - last.offset;
        reads.back().members.push_back(index);
        continue;
      }
    }
    reads.push_back({next, {index}});
  }
  return reads;
}

}  // namespace quire::source
