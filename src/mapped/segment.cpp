#include "quire/segment.hpp"

#include "base/try.hpp"

namespace quire {
inline namespace v0 {

Result<Segment> Segment::of(const MappedFile& file, ByteRange range) {
  // The span is of no use here; what it takes to get one is.
  QUIRE_CHECK(file.bytes(range.offset, range.length));
  return Segment(file.share(), range);
}

Result<void> Segment::read_into(std::uint64_t offset, std::span<std::byte> out) const {
  QUIRE_CHECK(check("read", {offset, out.size()}));
  return file_.read_into(range_.offset + offset, out);
}

Result<Segment> Segment::sub_segment(ByteRange range) const {
  QUIRE_CHECK(check("sub_segment", range));
  return of(file_, in_file(range));
}

ByteRange Segment::in_file(ByteRange range) const noexcept {
  return {ByteRange{range_.offset, range.offset}.end(), range.length};
}

std::unexpected<Error> Segment::refuse(const char* operation, ByteRange range) const {
  if (!file_.is_open()) return std::unexpected(Error(ErrorCode::closed, operation));
  return std::unexpected(Error(ErrorCode::out_of_range, operation)
                             .with_path(path())
                             .with_range(in_file(range))
                             .with_detail("the segment is the range [" +
                                          std::to_string(range_.offset) + ", " +
                                          std::to_string(range_.end()) + ")"));
}

Result<void> Segment::check(const char* operation, ByteRange range) const {
  if (has(range)) return {};
  return refuse(operation, range);
}

Result<MutableSegment> MutableSegment::of(MappedFile& file, ByteRange range) {
  QUIRE_CHECK(file.mutable_bytes(range.offset, range.length));
  return MutableSegment(Segment(file.share(), range));
}

Result<void> MutableSegment::write(std::uint64_t offset, std::span<const std::byte> in) {
  QUIRE_CHECK(check("write", {offset, in.size()}));
  return file_.write(range_.offset + offset, in);
}

Result<void> MutableSegment::fill(std::uint64_t offset, std::uint64_t length, std::byte value) {
  QUIRE_CHECK(check("fill", {offset, length}));
  return file_.fill(range_.offset + offset, length, value);
}

Result<void> MutableSegment::flush() { return file_.flush_range(range_); }

Result<MutableSegment> MutableSegment::sub_segment(ByteRange range) const {
  QUIRE_TRY(Segment part, Segment::sub_segment(range));
  return MutableSegment(std::move(part));
}

}  // namespace v0
}  // namespace quire
