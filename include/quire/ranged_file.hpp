// RangedFile: a file that many threads write at once, each in ranges of its own.
//
// Use it where the parts of a file come in any order from many sides: downloads in pieces, parallel
// exports, tables that workers fill. Nobody locks, and nobody can write what is another's: see
// quire/file_range.hpp.
//
//     auto file = quire::RangedFile::create("result.bin", 1 << 30);
//     if (!file) return fail(file.error());
//     std::vector<std::jthread> workers;
//     for (int i = 0; i < 8; ++i) {
//       auto part = file->allocate(1 << 27);                       // an eighth for each
//       if (!part) return fail(part.error());
//       workers.emplace_back([mine = *std::move(part)]() mutable { compute(mine); });
//     }
//     workers.clear();                                             // waits for them
//     if (auto done = file->close(); !done) return fail(done.error());   // all is durable
//
// With `resume`, a journal beside the file (`<path>.quire-coverage`, docs/formats/coverage-journal.md)
// says which bytes are surely written, also after a crash or a power cut:
//
//     auto file = quire::RangedFile::open_or_create("image.iso", size, {.resume = true});
//     const auto coverage = file->coverage();
//     for (quire::ByteRange missing : coverage->missing) {
//       auto part = file->allocate_at(missing);
//       ... write it, and sync the receipts now and then ...
//     }
//     file->finish();                                              // complete: the journal goes
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/file_range.hpp"
#include "quire/mapped_file_options.hpp"
#include "quire/unchecked_ranges.hpp"

namespace quire {

namespace ranged {
struct RangedAccess;
}

inline namespace v0 {

// What an opening does with the bytes that a file has.
enum class ExistingBytes : std::uint8_t {
  keep,       // they are nobody's: what the file grows by is handed out
  overwrite,  // they are handed out
};

inline constexpr std::size_t kMaxContentVersion = 1024;

// The same for every way of opening; see each.
struct RangedFileOptions {
  // Bytes of address space: how far the file can grow while it is open. As in MappedFileOptions.
  std::optional<std::uint64_t> reserve = std::nullopt;
  // Creates and grows by holes instead of allocating disk space.
  bool sparse = false;
  // Of a new file, before the umask.
  std::uint32_t permissions = 0666;
  // Of an existing file that is opened for writing without `resume`.
  ExistingBytes existing = ExistingBytes::keep;
  // Keeps a journal of what is surely written, and goes on where it ended.
  bool resume = false;
  // With `resume`: of what the bytes come from, an ETag for instance; at most kMaxContentVersion bytes. Kept
  // in the journal; who resumes must give the same.
  std::string content_version = {};
};

// What of a file is surely written: synced, and noted in the journal. All else is missing: what ranges
// that live have not written or not synced, what alignment skipped, and what a failed sync may have lost.
// Right after opening all that is missing can be allocated; later, what nobody has.
struct Coverage {
  // Both ascending, none empty, no two of one list touch. Together they are the whole file.
  std::vector<ByteRange> written;
  std::vector<ByteRange> missing;
  std::uint64_t written_bytes = 0;
  bool is_whole() const noexcept { return missing.empty(); }
};

// Thread-safe, but for moving, `close`, `finish`, `reopen_after_error` and destruction, which must not run
// while others call or use ranges of it.
// Move-only. The destructor releases and neither syncs nor reports; ranges that live keep the file open
// and can still be written.
//
// A range [offset, offset + length) is valid if `offset <= size()` and `length <= size() - offset`. What
// takes one fails with `out_of_range` otherwise; on a file that was closed or moved from everything
// fails with `closed`. Those two are not repeated below.
class QUIRE_EXPORT RangedFile {
 public:
  // A new file of `size` zero bytes, all of which can be allocated. It appears as a whole or not at all.
  // A second opening for writing, of any process, is `busy` as long as this one is open.
  // Errors: those of MappedFile::create; with `resume` also busy (another is creating it), exists (a file
  // that is no journal has the journal's name). On a file system without locks, unsupported or io, here and
  // at every opening for writing.
  [[nodiscard]] static Result<RangedFile> create(const std::string& path, std::uint64_t size,
                                                 const RangedFileOptions& options = {});
  // The same, taking the place of a file that may be there, and that nobody opens for writing meanwhile. Its
  // journal is of no use from then on; with `resume` it may be gone also if this fails. Errors also:
  // busy (that file is open for writing, and may be read).
  [[nodiscard]] static Result<RangedFile> create_or_replace(const std::string& path,
                                                            std::uint64_t size,
                                                            const RangedFileOptions& options = {});
  // Opens an existing file. For writing, what can be allocated is
  //   - with `resume`, everything that the journal does not list as written,
  //   - otherwise what `existing` says.
  // For reading it takes no lock, and works beside a writer; with `resume` it knows the coverage of this
  // moment, some of which a crash may make missing again, and takes any content_version if it gives
  // none. Errors: those of MappedFile::open, and
  //   busy (open for writing elsewhere),
  //   wrong_mode (copy_on_write; for writing, without `resume`, a file that has a journal),
  //   invalid_argument (`resume` with ExistingBytes::overwrite; a content_version too long).
  // With `resume` also:
  //   wrong_mode (there is no journal: the file is finished, or nobody knows what is written),
  //   changed (the journal is of another file, another size, or another content_version),
  //   corrupt, truncated, format_version, io (of the journal).
  [[nodiscard]] static Result<RangedFile> open(const std::string& path, Access access,
                                               const RangedFileOptions& options = {});
  // Opens for writing what is there, or creates it with `size`. Errors: those of both, and
  //   mismatch (with `resume`: the file has another size).
  [[nodiscard]] static Result<RangedFile> open_or_create(const std::string& path,
                                                         std::uint64_t size,
                                                         const RangedFileOptions& options = {});

  // A closed file.
  RangedFile() noexcept = default;
  RangedFile(RangedFile&&) noexcept = default;
  RangedFile& operator=(RangedFile&&) noexcept = default;
  RangedFile(const RangedFile&) = delete;
  RangedFile& operator=(const RangedFile&) = delete;
  ~RangedFile() = default;

  // Makes everything durable, as sync_all, and releases the file, also if that fails.
  // Errors: busy (ranges live, and nothing was done), those of sync_all.
  [[nodiscard]] Result<void> close();
  // Of a file that is resumed: the same, and removes the journal, when all bytes are written.
  // Errors, the file being open and as before: busy, wrong_mode (not resumed), truncated (bytes are
  // missing; names the first), those of sync_all; and, the file being closed, those of removing.
  [[nodiscard]] Result<void> finish();

  bool is_open() const noexcept { return core_ != nullptr; }
  // As it was given; empty when closed.
  const std::string& path() const noexcept QUIRE_LIFETIMEBOUND;
  // Bytes.
  std::uint64_t size() const noexcept;
  std::uint64_t reserved() const noexcept;
  Access access() const noexcept;

  // A range of exactly `length` bytes that begins at a multiple of `alignment`, a power of two: 1 is none,
  // 64 a cache line, 4096 a block, page_size() a page. Lock-free as long as the end of the file has
  // room; then what was given back is tried. What is skipped for alignment is nobody's until the file
  // is opened again.
  // Errors, nothing being changed: invalid_argument (length 0; alignment), capacity (so much in a row is
  // not left; the error tells what is), wrong_mode (opened for reading).
  [[nodiscard]] Result<FileRange> allocate(std::uint64_t length, std::uint64_t alignment = 1);
  // The same of `length` bytes or what is left, at least one.
  [[nodiscard]] Result<FileRange> allocate_up_to(std::uint64_t length, std::uint64_t alignment = 1);
  // This very range. Errors: invalid_argument (empty), busy (not all of it can be allocated), wrong_mode.
  [[nodiscard]] Result<FileRange> allocate_at(ByteRange range);
  // How many bytes can be allocated; they may lie in many places.
  std::uint64_t unallocated() const noexcept;

  // Lengthens the file; nothing moves, and ranges stay what they are. The new bytes can be allocated.
  // Errors: those of MappedFile::grow; with `resume` those of sync_all too.
  [[nodiscard]] Result<void> grow(std::uint64_t new_size);

  // Returns when the bytes of a receipt are durable; with `resume`, when the journal says so too, and
  // durably. Errors: mismatch (a receipt of another file, of another opening, or from before
  // reopen_after_error), io, no_space, read_only_after_error (see reopen_after_error), wrong_mode.
  [[nodiscard]] Result<void> sync(const WriteReceipt& receipt);
  // The same for many at once, which costs little more than one.
  [[nodiscard]] Result<void> sync(std::span<const WriteReceipt> receipts);
  // The same for all that was written, in whatever way; with `resume` the journal knows what went through
  // ranges.
  [[nodiscard]] Result<void> sync_all();
  // Starts writing the bytes of a receipt out and does not wait. Promises nothing about a power cut; a
  // later sync has less to do. Errors: mismatch, io.
  [[nodiscard]] Result<void> start_writeback(const WriteReceipt& receipt);

  // What is surely written. Errors: wrong_mode (the file is not resumed), and those of the journal.
  [[nodiscard]] Result<Coverage> coverage() const;

  // Reading; anything of the file, whoever is writing it. `bytes` is plain memory, as
  // MappedFile::bytes; the other two meet a bad page as an error: truncated, io.
  [[nodiscard]] Result<std::span<const std::byte>> bytes(ByteRange range) const QUIRE_LIFETIMEBOUND;
  [[nodiscard]] Result<void> read_into(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<Bytes> read(ByteRange range) const;

  // The file without owners, for those who keep the rules themselves. Valid as long as this object or a
  // range of the file lives; of a closed file it has no bytes.
  UncheckedRanges unchecked() const noexcept QUIRE_LIFETIMEBOUND;

  // After a sync has failed every later one of this file fails with read_only_after_error. This ends
  // that state; without a failure it does nothing. What the failed sync should have written MAY BE LOST:
  // write again, through the ranges, what was written since the last good sync. Receipts from before are
  // of no use, and the journal takes nothing for written that it did not list. Errors: no_space, io,
  // read_only_after_error (memory ran out at a bad moment: only opening the file anew helps).
  [[nodiscard]] Result<void> reopen_after_error();

 private:
  friend struct ranged::RangedAccess;
  explicit RangedFile(std::shared_ptr<ranged::Core> core) noexcept : core_(std::move(core)) {}

  Result<void> check_open(const char* operation) const;
  Result<void> check_no_ranges(const char* operation) const;

  std::shared_ptr<ranged::Core> core_;
};

}  // namespace v0
}  // namespace quire
