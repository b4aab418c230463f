#include "quire/change_counter.hpp"

#include <utility>

#include "base/try.hpp"

namespace quire {
inline namespace v0 {

ChangeObserver::ChangeObserver(MappedFile file, Pin pin, std::uint64_t offset,
                               Atomic<const std::uint32_t> word) noexcept
    : file_(std::move(file)), pin_(std::move(pin)), offset_(offset), word_(word) {}

Result<ChangeObserver> ChangeObserver::at(const MappedFile& file, std::uint64_t offset) {
  QUIRE_TRY(const auto word, file.atomic_as<std::uint32_t>(offset));
  const ByteRange range{offset, sizeof(std::uint32_t)};
  if (file.access() == Access::copy_on_write) {
    return std::unexpected(
        Error(ErrorCode::wrong_mode, "count_changes").with_path(file.path()).with_range(range));
  }
  QUIRE_TRY(Pin pin, file.pin(range.offset, range.length));
  return ChangeObserver(file.share(), std::move(pin), offset, word);
}

Result<std::uint32_t> ChangeObserver::wait_for_change(
    std::uint32_t seen, std::optional<std::chrono::steady_clock::time_point> deadline,
    const std::stop_token& stop) const {
  if (word_.wait(seen, deadline, stop)) {
    // It never comes back to `seen` short of 2^32 announcements, so this read is as good as the one
    // that ended the wait, or newer.
    return value();
  }
  const ErrorCode why = stop.stop_requested() ? ErrorCode::cancelled : ErrorCode::timeout;
  return std::unexpected(Error(why, "wait_for_change")
                             .with_path(file_.path())
                             .with_range({offset_, sizeof(std::uint32_t)}));
}

ChangeCounter::ChangeCounter(ChangeObserver observer, Atomic<std::uint32_t> word) noexcept
    : observer_(std::move(observer)), word_(word) {}

Result<ChangeCounter> ChangeCounter::at(MappedFile& file, std::uint64_t offset) {
  QUIRE_TRY(const auto word, file.mutable_atomic_as<std::uint32_t>(offset));
  QUIRE_TRY(ChangeObserver observer, ChangeObserver::at(file, offset));
  return ChangeCounter(std::move(observer), word);
}

std::uint32_t ChangeCounter::announce() noexcept {
  // Release is enough: it orders the data before the count, which is all that is promised.
  const std::uint32_t before = word_.fetch_add(1, std::memory_order_release);
  word_.notify_all();
  return before + 1;
}

}  // namespace v0
}  // namespace quire
