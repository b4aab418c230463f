// UncheckedRanges: a RangedFile's bytes without owners.
//
// For those who keep themselves to the rule that no two threads write the same bytes, and want the
// fastest writes there are: a bounds check and a copy. It knows nothing of ranges, and what it writes is in
// no coverage. Bounds are checked, as everywhere.
//
//     auto raw = file.unchecked();
//     if (auto done = raw.write_all_at(slot * 64, record); !done) return done;
//
// Stores are plain: where a page cannot be had (a cut file, a full disk under a hole) they raise
// SIGBUS. Writes through a FileRange meet that as an error.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {

namespace ranged {
class Core;
}

inline namespace v0 {

// A value that borrows its file: give each thread its own. Thread-safe as far as no two threads touch the same bytes while one of
// them writes. What writes fails with wrong_mode on a file opened for reading.
class QUIRE_EXPORT UncheckedRanges {
 public:
  std::uint64_t size() const noexcept { return size_->load(std::memory_order_acquire); }
  // The first byte, in memory; all size() bytes follow it. For writing, nullptr on a file that was opened
  // for reading.
  const std::byte* data() const noexcept { return base_; }
  std::byte* mutable_data() const noexcept { return writable_size_ == size_ ? base_ : nullptr; }

  // Writes as much of `in` as lies before the end of the file, and returns how much that is.
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset,
                                             std::span<const std::byte> in) const {
    const auto fitting = in.first(available(offset, in.size()));
    if (auto done = write_all_at(std::min(offset, size()), fitting); !done) {
      return std::unexpected(std::move(done).error());
    }
    return fitting.size();
  }
  // Writes all of `in`. Errors: out_of_range (nothing was written), wrong_mode; of large writes, which
  // go through the system where that is faster, also no_space, truncated, io, read_only_after_error.
  [[nodiscard]] Result<void> write_all_at(std::uint64_t offset,
                                          std::span<const std::byte> in) const {
    const std::uint64_t writable = writable_size_->load(std::memory_order_acquire);
    if (in.size() >= kLarge || !ByteRange{offset, in.size()}.fits(writable)) [[unlikely]] {
      return write_otherwise(offset, in);
    }
    if (!in.empty()) std::memcpy(base_ + offset, in.data(), in.size());
    return {};
  }

  // Reads as much as lies before the end of the file, and returns how much that is.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
    const std::size_t length = available(offset, out.size());
    if (length > 0) std::memcpy(out.data(), base_ + offset, length);
    return length;
  }
  // The same into memory of its own, as much as there is.
  [[nodiscard]] std::vector<std::byte> read_slice(std::uint64_t offset, std::uint64_t length) const;

  // One value for every byte of the file, or zeros. Errors: as write_all_at.
  [[nodiscard]] Result<void> fill(std::byte value) const;
  [[nodiscard]] Result<void> zero() const { return fill(std::byte{0}); }

  // Return when the bytes of a range, or all, are durable. Errors: out_of_range, wrong_mode, io, no_space,
  // read_only_after_error.
  [[nodiscard]] Result<void> flush_range(ByteRange range) const;
  [[nodiscard]] Result<void> sync_all() const;
  // Starts writing all out and does not wait. Errors: io.
  [[nodiscard]] Result<void> start_writeback() const;

 private:
  friend class ranged::Core;
  friend class RangedFile;
  UncheckedRanges() noexcept = default;

  // From here on the system may be faster than a copy.
  static constexpr std::size_t kLarge = std::size_t{64} << 10;

  std::size_t available(std::uint64_t offset, std::size_t wanted) const noexcept {
    const std::uint64_t all = size();
    return static_cast<std::size_t>(std::min<std::uint64_t>(wanted, all - std::min(all, offset)));
  }
  Result<void> write_otherwise(std::uint64_t offset, std::span<const std::byte> in) const;

  static inline const std::atomic<std::uint64_t> kNoBytes = 0;

  ranged::Core* core_ = nullptr;
  std::byte* base_ = nullptr;
  const std::atomic<std::uint64_t>* size_ = &kNoBytes;
  // The same, or of a file that was opened for reading kNoBytes: one look tells both.
  const std::atomic<std::uint64_t>* writable_size_ = &kNoBytes;
};

}  // namespace v0
}  // namespace quire
