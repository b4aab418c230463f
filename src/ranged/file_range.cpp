#include "quire/file_range.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "quire/alignment.hpp"
#include "ranged/core.hpp"
#include "ranged/interval_set.hpp"

namespace quire {
inline namespace v0 {

FileRange::FileRange(std::shared_ptr<ranged::Core> core, ByteRange range) noexcept
    : core_(std::move(core)), range_(range) {}

FileRange::FileRange(FileRange&& other) noexcept
    : core_(std::move(other.core_)),
      range_(std::exchange(other.range_, {})),
      prefix_(std::exchange(other.prefix_, 0)),
      others_(std::move(other.others_)) {}

FileRange& FileRange::operator=(FileRange&& other) noexcept {
  if (this != &other) {
    give_back();
    core_ = std::move(other.core_);
    range_ = std::exchange(other.range_, {});
    prefix_ = std::exchange(other.prefix_, 0);
    others_ = std::move(other.others_);
  }
  return *this;
}

FileRange::~FileRange() { give_back(); }

void FileRange::give_back() noexcept {
  if (!core_) return;
  if (!others_) {
    if (prefix_ < size()) {
      core_->give_back_unfilled({range_.offset + prefix_, size() - prefix_});
    }
    return;
  }
  try {
    for (const ByteRange gap : missing()) {
      core_->give_back_unfilled({range_.offset + gap.offset, gap.length});
    }
  } catch (const std::bad_alloc&) {
    return;  // without memory the rest stays nobody's
  }
}

Result<void> FileRange::check_position(const char* operation, ByteRange part) const {
  if (!core_) {
    return std::unexpected(
        Error(ErrorCode::closed, operation).with_detail("the range was moved from"));
  }
  if (part.fits(size())) return {};
  return std::unexpected(Error(ErrorCode::out_of_range, operation)
                             .with_path(core_->file().path())
                             .with_range(range_)
                             .with_detail(std::to_string(part.length) + " bytes at position " +
                                          std::to_string(part.offset) + " of a range of " +
                                          std::to_string(size())));
}

Result<WriteReceipt> FileRange::write(std::span<const std::byte> data, std::uint64_t position) {
  const ByteRange part{position, data.size()};
  QUIRE_CHECK(check_position("write", part));
  QUIRE_CHECK(core_->write(range_.offset + position, data));
  return note_written(part);
}

Result<WriteReceipt> FileRange::append(std::span<const std::byte> data) {
  return write(data, prefix_);
}

Result<WriteReceipt> FileRange::mark_written(ByteRange part) {
  QUIRE_CHECK(check_position("mark_written", part));
  return note_written(part);
}

// In the range first: what is not filled, for want of memory, is given back, and must not be taken for
// written then.
WriteReceipt FileRange::note_written(ByteRange part) {
  note_filled(part);
  return core_->note_written({range_.offset + part.offset, part.length});
}

void FileRange::note_filled(ByteRange part) {
  if (part.empty()) return;
  if (part.offset > prefix_) {
    if (!others_) others_ = std::make_unique<ranged::IntervalSet>();
    others_->add(part);
    return;
  }
  prefix_ = std::max(prefix_, part.end());
  if (!others_) return;
  prefix_ = others_->take_prefix(prefix_);
  if (others_->empty()) others_.reset();
}

std::span<std::byte> FileRange::mutable_bytes() noexcept {
  if (!core_) return {};
  return {core_->data() + range_.offset, static_cast<std::size_t>(size())};
}

std::span<const std::byte> FileRange::bytes() const noexcept {
  if (!core_) return {};
  return {core_->data() + range_.offset, static_cast<std::size_t>(size())};
}

std::uint64_t FileRange::filled() const noexcept {
  return prefix_ + (others_ ? others_->total() : 0);
}

std::vector<ByteRange> FileRange::missing() const {
  const ByteRange rest{prefix_, size() - prefix_};
  if (others_) return others_->missing(rest);
  return rest.empty() ? std::vector<ByteRange>() : std::vector<ByteRange>{rest};
}

std::expected<RangeParts, FileRange> FileRange::split_at(std::uint64_t position) && {
  if (!core_ || position > size()) return std::unexpected(std::move(*this));
  return split_before(position);
}

std::expected<RangeParts, FileRange> FileRange::split_at_align_up(std::uint64_t position,
                                                                  std::uint64_t alignment) && {
  if (!core_ || position > size() || !is_alignment(alignment)) {
    return std::unexpected(std::move(*this));
  }
  const auto place = align_up(range_.offset + position, alignment);
  return split_before(place && *place < range_.end() ? *place - range_.offset : size());
}

std::expected<RangeParts, FileRange> FileRange::split_at_align_down(std::uint64_t position,
                                                                    std::uint64_t alignment) && {
  if (!core_ || position > size() || !is_alignment(alignment)) {
    return std::unexpected(std::move(*this));
  }
  const std::uint64_t place = align_down(range_.offset + position, alignment).value_or(0);
  return split_before(place > range_.offset ? place - range_.offset : 0);
}

// What may throw comes before the parts own anything.
RangeParts FileRange::split_before(std::uint64_t position) {
  RangeParts parts;
  if (position == 0) {
    parts.high = std::move(*this);
    return parts;
  }
  if (position == size()) {
    parts.low = std::move(*this);
    return parts;
  }
  FileRange low(nullptr, {range_.offset, position});
  FileRange high(nullptr, {range_.offset + position, size() - position});
  low.note_filled_of(*this);
  high.note_filled_of(*this);
  low.core_ = core_;
  high.core_ = core_;
  forget();
  parts.low = std::move(low);
  parts.high = std::move(high);
  return parts;
}

Result<void> FileRange::join(FileRange&& neighbour) {
  QUIRE_CHECK(check_position("join", {}));
  QUIRE_CHECK(neighbour.check_position("join", {}));
  const auto refuse = [&](ErrorCode code, const char* sentence) {
    return std::unexpected(Error(code, "join")
                               .with_path(core_->file().path())
                               .with_range(neighbour.range_)
                               .with_detail(sentence));
  };
  if (core_ != neighbour.core_) {
    return refuse(ErrorCode::mismatch, "the ranges are of two files, or of two openings of one");
  }
  const bool is_neighbour =
      range_.end() == neighbour.range_.offset || neighbour.range_.end() == range_.offset;
  if (!is_neighbour) {
    return refuse(ErrorCode::invalid_argument,
                  "it does not lie right before or right behind this range");
  }
  FileRange whole(nullptr,
                  {std::min(range_.offset, neighbour.range_.offset), size() + neighbour.size()});
  whole.note_filled_of(*this);
  whole.note_filled_of(neighbour);
  whole.core_ = core_;
  neighbour.forget();
  forget();
  *this = std::move(whole);
  return {};
}

// Takes over what of `other`, of the same file, is filled and lies in this range.
void FileRange::note_filled_of(const FileRange& other) {
  const auto take = [&](ByteRange part) {
    const ByteRange common = range_.intersect({other.range_.offset + part.offset, part.length});
    if (!common.empty()) note_filled({common.offset - range_.offset, common.length});
  };
  take({0, other.prefix_});
  if (!other.others_) return;
  for (const ByteRange part : other.others_->ranges()) take(part);
}

// Others own the bytes now.
void FileRange::forget() noexcept {
  core_.reset();
  range_ = {};
  prefix_ = 0;
  others_.reset();
}

Result<void> FileRange::free() && {
  QUIRE_CHECK(check_position("free", {}));
  const std::shared_ptr<ranged::Core> core = core_;
  const ByteRange range = range_;
  forget();
  return core->give_back(range);
}

}  // namespace v0
}  // namespace quire
