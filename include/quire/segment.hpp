// Segments: a part of a mapped file, handed on as if it were all there is.
//
// Use one to give a piece of code its own part of a file: a table in a container, a thread's share
// of a matrix. It speaks in offsets of its own and cannot reach what lies before or behind it.
//
//     auto table = quire::MutableSegment::of(file, {header, 4096}).value();
//     table.write(0, row).value();                  // at byte `header` of the file
//     table.write(4090, row);                       // out_of_range: the neighbour is not touched
//     fill_table(*table.sub_segment({64, 1024}));
//     table.flush().value();                        // this part, and no other, is now durable
//
// A segment is a handle of the open file (see `MappedFile::share`): the mapping lives as long as
// one does, also when the MappedFile it came from is gone. It is no pin: the file may be shrunk
// below it. It is then invalid, its calls fail with `out_of_range`, and work again when the file
// has grown back.
//
// Offsets are counted from the segment's first byte. Every range is first checked against the
// segment, and fails with `out_of_range`, then against the file. An error names the range as the
// file sees it. A segment that was moved from fails with `closed`. Those two are not repeated
// below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "quire/byte_range.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_file.hpp"

namespace quire {
inline namespace v0 {

// A part of a file, for reading. Spans and copies differ as those of MappedFile do.
//
// Thread-safe as MappedFile is: but for assignment, moving and destruction. Copies are independent
// handles, and cheap: nothing is mapped anew.
class QUIRE_EXPORT Segment {
 public:
  // The bytes of `range` in the file. Errors: closed, out_of_range (it is not inside the file now).
  [[nodiscard]] static Result<Segment> of(const MappedFile& file, ByteRange range);

  Segment(const Segment& other) : file_(other.file_.share()), range_(other.range_) {}
  Segment& operator=(const Segment& other) {
    if (this != &other) *this = Segment(other);
    return *this;
  }
  Segment(Segment&& other) noexcept = default;
  Segment& operator=(Segment&& other) noexcept = default;
  ~Segment() = default;

  // Of the file.
  const std::string& path() const noexcept QUIRE_LIFETIMEBOUND { return file_.path(); }
  // Where it begins in the file, in bytes.
  std::uint64_t offset() const noexcept { return range_.offset; }
  // Bytes. Stays as it was made, whatever the file does.
  std::uint64_t size() const noexcept { return range_.length; }
  // True if all of it is inside the file now.
  bool is_valid() const noexcept { return file_.is_open() && range_.fits(file_.size()); }

  // All its bytes, or those of a part. Valid until the last handle of the file dies, or the file
  // shrinks below them.
  [[nodiscard]] Result<std::span<const std::byte>> bytes() const QUIRE_LIFETIMEBOUND {
    return bytes(0, size());
  }
  [[nodiscard]] Result<std::span<const std::byte>> bytes(
      std::uint64_t offset, std::uint64_t length) const QUIRE_LIFETIMEBOUND {
    if (!has({offset, length})) [[unlikely]]
      return refuse("bytes", {offset, length});
    return file_.bytes(range_.offset + offset, length);
  }

  // `count` objects of type T at `offset` bytes, in the byte order of the machine.
  // Errors: misaligned (the place in the file, not in the segment, is no multiple of alignof(T)).
  template <Mappable T>
  [[nodiscard]] Result<std::span<const T>> view_as(std::uint64_t offset,
                                                   std::uint64_t count) const QUIRE_LIFETIMEBOUND {
    if (const ByteRange range{offset, bytes_of<T>(count)}; !has(range)) [[unlikely]]
      return refuse("view_as", range);
    return file_.view_as<T>(range_.offset + offset, count);
  }

  // Copies out. On an error a part may have been copied. Errors: those of `MappedFile::read_into`.
  [[nodiscard]] Result<void> read_into(std::uint64_t offset, std::span<std::byte> out) const;

  // A part of this segment, which is independent of it. Errors: none but those of every range.
  [[nodiscard]] Result<Segment> sub_segment(ByteRange range) const;

 private:
  friend class MutableSegment;
  Segment(MappedFile file, ByteRange range) noexcept : file_(std::move(file)), range_(range) {}

  template <class T>
  static constexpr std::uint64_t bytes_of(std::uint64_t count) noexcept {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    return count > kMax / sizeof(T) ? kMax : count * sizeof(T);
  }
  bool has(ByteRange range) const noexcept { return range.fits(range_.length); }
  // The range as the file sees it; saturates.
  ByteRange in_file(ByteRange range) const noexcept;
  std::unexpected<Error> refuse(const char* operation, ByteRange range) const;
  Result<void> check(const char* operation, ByteRange range) const;

  MappedFile file_;
  ByteRange range_;
};

// A part of a file, for reading and writing. Where a Segment is asked for, it will do.
//
// Thread-safe as Segment is. Threads that store into the same bytes must agree between themselves;
// those with segments that do not overlap need not.
class QUIRE_EXPORT MutableSegment : public Segment {
 public:
  // Errors: closed, out_of_range, wrong_mode (the file was opened read-only).
  [[nodiscard]] static Result<MutableSegment> of(MappedFile& file, ByteRange range);

  // Stores reach the file; `flush` makes them durable. Valid as those of `bytes`.
  [[nodiscard]] Result<std::span<std::byte>> mutable_bytes() QUIRE_LIFETIMEBOUND {
    return mutable_bytes(0, size());
  }
  [[nodiscard]] Result<std::span<std::byte>> mutable_bytes(
      std::uint64_t offset, std::uint64_t length) QUIRE_LIFETIMEBOUND {
    if (!has({offset, length})) [[unlikely]]
      return refuse("mutable_bytes", {offset, length});
    return file_.mutable_bytes(range_.offset + offset, length);
  }
  // Errors: misaligned (as `view_as`).
  template <Mappable T>
  [[nodiscard]] Result<std::span<T>> mutable_view_as(std::uint64_t offset,
                                                     std::uint64_t count) QUIRE_LIFETIMEBOUND {
    if (const ByteRange range{offset, bytes_of<T>(count)}; !has(range)) [[unlikely]]
      return refuse("mutable_view_as", range);
    return file_.mutable_view_as<T>(range_.offset + offset, count);
  }

  // Copies in, and one value over a range. What does not fit the segment is refused as a whole.
  // Errors: those of `MappedFile::write` and `MappedFile::fill`.
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::span<const std::byte> in);
  [[nodiscard]] Result<void> fill(std::uint64_t offset, std::uint64_t length, std::byte value);

  // Returns when the segment's bytes are on stable storage. Errors: those of
  // `MappedFile::flush_range`.
  [[nodiscard]] Result<void> flush();

  // A part of this segment, for writing too. Errors: none but those of every range.
  [[nodiscard]] Result<MutableSegment> sub_segment(ByteRange range) const;

 private:
  explicit MutableSegment(Segment segment) noexcept : Segment(std::move(segment)) {}
};

}  // namespace v0
}  // namespace quire
