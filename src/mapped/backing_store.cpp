// How bytes get into a mapped file.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "os/fault_guard.hpp"

namespace quire::mapped {

namespace {

// Fills are made of copies of a block from this length on.
constexpr std::uint64_t kFillBlock = std::uint64_t{1} << 20;

}  // namespace

Result<void> Backing::store(ByteRange range, const std::byte* from) {
  // Copy-on-write keeps its bytes to itself.
  if (range.length >= StorePath::kByCall && access() == Access::read_write &&
      store_path_.takes_call(range)) {
    return write_by_call(range, from);
  }
  if (os::guarded_copy_to(base() + range.offset, from, range.length) == nullptr) return {};
  return std::unexpected(fault("write", range));
}

Result<void> Backing::write_by_call(ByteRange range, const std::byte* from) {
  const std::shared_lock no_shrink_cuts(cut_mutex_);
  // A shrink may have come before.
  const std::uint64_t size = size_.load(std::memory_order_acquire);
  QUIRE_TRY(const os::FileInfo info, name_error(file_->info()));
  if (!range.fits(size) || info.size < in_file(range).end()) {
    return std::unexpected(
        named(Error(ErrorCode::truncated, "write")
                  .with_range(range)
                  .with_detail("the file was cut to " + std::to_string(info.size) + " bytes")));
  }
  auto written = file_->write_all(in_file(range).offset, {from, range.length});
  if (written) return {};
  return std::unexpected(named(std::move(written).error().with_range(range)));
}

Result<void> Backing::fill(ByteRange range, std::byte value) {
  if (range.length < kFillBlock) {
    std::byte* const to = base() + range.offset;
    const auto set = [=]() noexcept { std::memset(to, std::to_integer<int>(value), range.length); };
    if (os::guarded(to, range.length, set) == nullptr) return {};
    return std::unexpected(fault("fill", range));
  }
  const std::vector<std::byte> block(kFillBlock, value);
  for (std::uint64_t done = 0; done < range.length;) {
    // The last block ends with the range and may overlap the one before.
    const std::uint64_t at = std::min(done, range.length - kFillBlock);
    QUIRE_CHECK(store({range.offset + at, kFillBlock}, block.data()));
    done = at + kFillBlock;
  }
  return {};
}

}  // namespace quire::mapped
