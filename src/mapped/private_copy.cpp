#include "mapped/private_copy.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"
#include "os/fault_guard.hpp"
#include "os/memory.hpp"

namespace quire::mapped {

namespace {

// Pages are compared this many bytes at a time.
constexpr std::uint64_t kBlock = std::uint64_t{256} << 10;

// Adds a range behind the others.
void add(std::vector<ByteRange>& ranges, ByteRange range) {
  if (!ranges.empty() && ranges.back().end() == range.offset) {
    ranges.back().length += range.length;
  } else {
    ranges.push_back(range);
  }
}

// The error with the range as this copy counts it, not the file.
Result<void> in_place(ByteRange range, Result<void> result) {
  if (!result) return std::unexpected(std::move(result).error().with_range(range));
  return result;
}

}  // namespace

Result<void> PrivateCopy::check_not_cut(const char* operation) const {
  QUIRE_TRY(const os::FileInfo info, file.info());
  if (info.size >= origin + bytes.size()) return {};
  return std::unexpected(
      Error(ErrorCode::truncated, operation)
          .with_path(file.path())
          .with_range({0, bytes.size()})
          .with_detail("the file was cut to " + std::to_string(info.size) + " bytes"));
}

// The pages that stores made this mapping's own, as far as they are inside.
Result<std::vector<ByteRange>> PrivateCopy::stored_ranges() const {
  // A window may begin inside a page, whose first bytes are not its own.
  const std::uint64_t before = reinterpret_cast<std::uintptr_t>(bytes.data()) % page_size();
  QUIRE_TRY(const auto pages, os::private_pages(bytes.data() - before, before + bytes.size()));
  std::vector<ByteRange> stored;
  for (const ByteRange& page : pages) {
    const std::uint64_t first = std::max(page.offset, before) - before;
    const std::uint64_t last = std::min<std::uint64_t>(page.end() - before, bytes.size());
    if (first < last) stored.push_back({first, last - first});
  }
  return stored;
}

Result<std::vector<ByteRange>> PrivateCopy::changed_ranges() const {
  QUIRE_CHECK(check_not_cut("changed_ranges"));
  QUIRE_TRY(const auto stored, stored_ranges());
  std::vector<ByteRange> changed;
  for (const ByteRange& range : stored) QUIRE_CHECK(add_changed(changed, range));
  return changed;
}

// Adds the pages of `candidate` whose bytes are not the file's.
Result<void> PrivateCopy::add_changed(std::vector<ByteRange>& changed, ByteRange candidate) const {
  const auto in_file = std::make_unique_for_overwrite<std::byte[]>(
      static_cast<std::size_t>(std::min(kBlock, candidate.length)));
  const std::uint64_t unit = page_size();
  std::uint64_t at = candidate.offset;
  while (at < candidate.end()) {
    // Up to the end of a page, counted from where pages begin in memory.
    const std::uint64_t in_page = (reinterpret_cast<std::uintptr_t>(bytes.data()) + at) % unit;
    const std::uint64_t length = std::min(candidate.end() - at, kBlock - in_page);
    QUIRE_CHECK(in_place({at, length}, file.read_exactly(origin + at, {in_file.get(), length})));
    for (std::uint64_t done = 0; done < length;) {
      const std::uint64_t piece =
          std::min(length - done, unit - (done == 0 ? in_page : std::uint64_t{0}));
      const std::byte* const mine = bytes.data() + at + done;
      bool differs = false;
      const auto compare = [&]() noexcept {
        differs = std::memcmp(mine, in_file.get() + done, piece) != 0;
      };
      if (os::guarded(mine, piece, compare) != nullptr) {
        return std::unexpected(fault_error(file, "changed_ranges", {origin + at + done, piece})
                                   .with_range({at + done, piece}));
      }
      if (differs) add(changed, {at + done, piece});
      done += piece;
    }
    at += length;
  }
  return {};
}

// Writes the pages that equal the file's as well: a commit whose sync failed has left them so, and not
// durable.
Result<void> PrivateCopy::commit() const {
  QUIRE_CHECK(check_not_cut("commit"));
  QUIRE_TRY(const auto stored, stored_ranges());
  if (stored.empty()) return {};
  QUIRE_TRY(const auto writable, file.reopen(os::OpenMode::read_write));
  for (const ByteRange& range : stored) {
    QUIRE_CHECK(in_place(range, writable->write_all(origin + range.offset,
                                                    bytes.subspan(range.offset, range.length))));
  }
  QUIRE_CHECK(writable->sync());
  for (const ByteRange& range : stored) QUIRE_CHECK(mapping.forget_stores(range));
  return {};
}

Result<void> PrivateCopy::discard() const { return mapping.forget_stores({0, bytes.size()}); }

}  // namespace quire::mapped
