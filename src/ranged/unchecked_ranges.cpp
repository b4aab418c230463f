#include "quire/unchecked_ranges.hpp"

#include <algorithm>

#include "base/try.hpp"
#include "ranged/core.hpp"

namespace quire {
inline namespace v0 {

namespace {

Result<void> check_open(const ranged::Core* core, const char* operation) {
  if (core != nullptr) return {};
  return std::unexpected(Error(ErrorCode::closed, operation));
}

}  // namespace

Result<void> UncheckedRanges::write_otherwise(std::uint64_t offset,
                                              std::span<const std::byte> in) const {
  QUIRE_CHECK(check_open(core_, "write"));
  return core_->write(offset, in);
}

std::vector<std::byte> UncheckedRanges::read_slice(std::uint64_t offset,
                                                   std::uint64_t length) const {
  const std::uint64_t all = size();
  const std::uint64_t left = all - std::min(all, offset);
  std::vector<std::byte> slice(static_cast<std::size_t>(std::min(length, left)));
  slice.resize(read_at(offset, slice));
  return slice;
}

Result<void> UncheckedRanges::fill(std::byte value) const {
  QUIRE_CHECK(check_open(core_, "fill"));
  return core_->unchecked_fill(value);
}

Result<void> UncheckedRanges::flush_range(ByteRange range) const {
  QUIRE_CHECK(check_open(core_, "flush_range"));
  return core_->flush_range(range);
}

Result<void> UncheckedRanges::sync_all() const {
  QUIRE_CHECK(check_open(core_, "sync_all"));
  return core_->sync_all();
}

Result<void> UncheckedRanges::start_writeback() const {
  QUIRE_CHECK(check_open(core_, "start_writeback"));
  return core_->start_writeback_of_all();
}

}  // namespace v0
}  // namespace quire
