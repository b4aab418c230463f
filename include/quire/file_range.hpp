// FileRange: bytes of a file that one owner alone may write. WriteReceipt: which bytes were written.
//
// A range comes from the file it is of (RangedFile::allocate, quire/ranged_file.hpp), from splitting
// another or from joining two. It can be moved and not copied, so there is never a second range over
// the same bytes: threads that each write their own need no lock.
//
//     void download(quire::FileRange part) {                     // moved in: nobody else has it
//       while (part.filled_prefix() < part.size()) {
//         const auto receipt = part.append(next_bytes());
//         if (!receipt) return report(receipt.error());
//       }
//     }                                                          // what was not filled goes back
//
// A range knows what of it has been filled. When it is destroyed, the rest goes back to the file, to
// be handed out again.
//
// Code that goes on using a range it has given away does not do so quietly: Clang's -Wconsumed and
// clang-tidy's bugprone-use-after-move find it where they can see it, and in every build each
// function fails with `closed`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

// Clang's consumed annotations: https://clang.llvm.org/docs/AttributeReference.html#consumed-annotation-checking
#if defined(__clang__)
#define QUIRE_CONSUMABLE [[clang::consumable(unconsumed)]]
#define QUIRE_CALLABLE_UNCONSUMED [[clang::callable_when("unconsumed", "unknown")]]
#define QUIRE_CONSUMES [[clang::set_typestate(consumed)]]
#else
#define QUIRE_CONSUMABLE
#define QUIRE_CALLABLE_UNCONSUMED
#define QUIRE_CONSUMES
#endif

namespace quire {

namespace ranged {
class Core;
class IntervalSet;
}  // namespace ranged

inline namespace v0 {

// The bytes that one write put into a file: exactly those, of exactly that opened file. What a
// `sync` or `start_writeback` takes. Made by writing only. A value; cheap to copy.
class QUIRE_EXPORT WriteReceipt {
 public:
  // In the file. Empty if nothing was written.
  ByteRange range() const noexcept { return range_; }

  // User-provided, so that no bytes can be cast into a receipt.
  WriteReceipt(const WriteReceipt& other) noexcept : file_(other.file_), range_(other.range_) {}
  WriteReceipt& operator=(const WriteReceipt& other) noexcept {
    file_ = other.file_;
    range_ = other.range_;
    return *this;
  }
  ~WriteReceipt() = default;

  friend bool operator==(const WriteReceipt&, const WriteReceipt&) noexcept = default;

 private:
  friend class ranged::Core;
  WriteReceipt(std::uint64_t file, ByteRange range) noexcept : file_(file), range_(range) {}

  std::uint64_t file_;  // a number for this opening of the file, never used again in the process
  ByteRange range_;
};

struct RangeParts;

// Thread-compatible: one thread at a time may use a range; it may be moved to another. Different ranges
// are for different threads. Move-only; a moved-from one is empty and `closed`.
//
// Holds the file open. Positions are bytes from the range's own start.
class QUIRE_CONSUMABLE QUIRE_EXPORT FileRange {
 public:
  FileRange(FileRange&& other) noexcept;
  FileRange& operator=(FileRange&& other) noexcept;
  FileRange(const FileRange&) = delete;
  FileRange& operator=(const FileRange&) = delete;
  // Gives back what is not filled.
  ~FileRange();

  // Where it is in the file.
  ByteRange range() const noexcept { return range_; }
  std::uint64_t size() const noexcept { return range_.length; }

  // Writes `data` at `position`. All of it must fit in the range.
  // Errors: out_of_range (it does not; nothing was written), closed, no_space, truncated (someone cut
  // the file), io, read_only_after_error; after the last four a part may be written, and nothing more
  // counts as filled than before.
  QUIRE_CALLABLE_UNCONSUMED [[nodiscard]] Result<WriteReceipt> write(
      std::span<const std::byte> data, std::uint64_t position = 0);
  // The same behind what is filled from the start on.
  QUIRE_CALLABLE_UNCONSUMED [[nodiscard]] Result<WriteReceipt> append(
      std::span<const std::byte> data);

  // The bytes as memory, for those who produce them in place: a decoder, a recv. Stores into it may raise
  // SIGBUS, as with MappedFile::mutable_bytes. Valid as long as a range of these bytes lives. Empty if
  // this one was moved from.
  QUIRE_CALLABLE_UNCONSUMED std::span<std::byte> mutable_bytes() noexcept;
  QUIRE_CALLABLE_UNCONSUMED std::span<const std::byte> bytes() const noexcept;
  // Says that `part` of this range, counted from its start, was stored into through mutable_bytes, since
  // the last reopen_after_error if there was one.
  // Errors: out_of_range, closed.
  QUIRE_CALLABLE_UNCONSUMED [[nodiscard]] Result<WriteReceipt> mark_written(ByteRange part);

  // How many bytes are filled, and how many from the start on without a gap.
  std::uint64_t filled() const noexcept;
  std::uint64_t filled_prefix() const noexcept { return prefix_; }
  bool is_filled() const noexcept { return filled() == size(); }
  // What is not filled, ascending, in positions of this range.
  QUIRE_CALLABLE_UNCONSUMED std::vector<ByteRange> missing() const;

  // Each of these splits consumes the range and returns its parts. A part that would be empty is not
  // there. If `position` is behind the end, the range itself is returned as the unexpected value.
  //
  // At `position` exactly:
  QUIRE_CALLABLE_UNCONSUMED QUIRE_CONSUMES [[nodiscard]] std::expected<RangeParts, FileRange>
  split_at(std::uint64_t position) &&;
  // At the first offset of the file that is a multiple of `alignment` and not before `position`; if
  // that is behind the end, everything is the low part.
  // REQUIRES, also below: is_alignment(alignment); otherwise the range is returned.
  QUIRE_CALLABLE_UNCONSUMED QUIRE_CONSUMES [[nodiscard]] std::expected<RangeParts, FileRange>
  split_at_align_up(std::uint64_t position, std::uint64_t alignment) &&;
  // At the last such offset not behind `position`; if that is before the start, everything is the high
  // part.
  QUIRE_CALLABLE_UNCONSUMED QUIRE_CONSUMES [[nodiscard]] std::expected<RangeParts, FileRange>
  split_at_align_down(std::uint64_t position, std::uint64_t alignment) &&;

  // Takes in a range that lies right before or right behind this one, with what of it is filled.
  // Errors, after which both are as before: invalid_argument (no neighbour), mismatch (of another file,
  // or of another opening of this one), closed.
  QUIRE_CALLABLE_UNCONSUMED [[nodiscard]] Result<void> join(FileRange&& neighbour);

  // Gives all of it back, filled or not: its bytes are no longer of any use. Errors: closed; and of a
  // file that is resumed, those of its journal: no_space, io, read_only_after_error. The bytes are then
  // nobody's until the file is opened again.
  QUIRE_CALLABLE_UNCONSUMED QUIRE_CONSUMES [[nodiscard]] Result<void> free() &&;

 private:
  friend class ranged::Core;
  FileRange(std::shared_ptr<ranged::Core> core, ByteRange range) noexcept;

  Result<void> check_position(const char* operation, ByteRange part) const;
  WriteReceipt note_written(ByteRange part);
  void note_filled(ByteRange part);
  void note_filled_of(const FileRange& other);
  RangeParts split_before(std::uint64_t position);
  void give_back() noexcept;
  void forget() noexcept;

  std::shared_ptr<ranged::Core> core_;
  ByteRange range_;
  // Filled are [0, prefix_), and what others_ has, which begins behind it. Positions of the range.
  std::uint64_t prefix_ = 0;
  std::unique_ptr<ranged::IntervalSet> others_;
};

// What a split made. At least one is there.
struct RangeParts {
  std::optional<FileRange> low;
  std::optional<FileRange> high;
};

}  // namespace v0
}  // namespace quire
