// MappedFile: a file as a stretch of memory.
//
// Use it to read or change a file in place, without copying it through a buffer, and to let a file
// grow while others read it.
//
//     auto file = quire::MappedFile::open_or_create("counters.bin", 4096);
//     if (!file) return report(file.error());
//     auto counters = file->mutable_view_as<std::uint64_t>(0, 512);   // a span into the file
//     (*counters)[7] += 1;
//     if (auto done = file->flush(); !done) return report(done.error());   // now it is durable
//
// The address never moves. Opening reserves address space for growth; growing adds bytes behind the
// old ones. A span or pointer taken before stays valid.
//
// There are two ways to touch the bytes:
//   - Spans (`bytes`, `mutable_bytes`, `view_as`, a pin's span) cost a bounds check. They are plain
//     memory: if another process cuts the file short, or the device fails, or a hole meets a full
//     disk, touching them raises SIGBUS.
//   - Copies (`read`, `read_into`, `write`, `fill`, `copy_within`, `append`) and `guarded` meet the
//     same as an error: `truncated`, `no_space` or `io`. A cut is noticed by whole pages: behind the
//     new end, in the page it is in, one reads zeros, and writes are lost; `refresh` tells.
//
// Beside it: parts of a file that end where they say (quire/segment.hpp), passes in chunks
// (quire/chunks.hpp), a std::istream (quire/mapped_stream.hpp), being told of changes
// (quire/file_watch.hpp, quire/change_counter.hpp), asynchronous forms (quire/mapped_file_async.hpp),
// whole files at once (quire/file_operations.hpp).
//
// A range is valid if `offset <= size()` and `length <= size() - offset`, everywhere: also where
// the length is zero. Every function that takes a range checks it, and fails with `out_of_range`;
// on a file that was closed or moved from, with `closed`. Those two are not repeated below.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "quire/access_hint.hpp"
#include "quire/byte_range.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/flush_policy.hpp"
#include "quire/mapped_atomic.hpp"
#include "quire/mapped_file_options.hpp"
#include "quire/mapped_memory.hpp"

namespace quire {

namespace mapped {
class Backing;
struct Factory;
}  // namespace mapped

inline namespace v0 {

// What a view of `T` in a file needs: its bytes are its value.
template <class T>
concept Mappable = std::is_object_v<T> && std::is_trivially_copyable_v<T> && !std::is_const_v<T> &&
                   !std::is_volatile_v<T> && alignof(T) <= 4096;

// What may run under the fault guard: a fault leaves it by a jump, so that nothing is thrown and
// the result needs no destructor.
template <class F, class Bytes>
concept Guardable = std::is_nothrow_invocable_v<F&, Bytes> &&
                    (std::is_void_v<std::invoke_result_t<F&, Bytes>> ||
                     (std::is_trivially_copyable_v<std::invoke_result_t<F&, Bytes>> &&
                      std::is_default_constructible_v<std::invoke_result_t<F&, Bytes>>));

// A part of a mapped file that stays: it keeps the mapping alive past the MappedFile, and while it
// lives no shrink of that MappedFile can cut its range.
//
// Move-only; thread-compatible. May be destroyed on any thread.
class QUIRE_EXPORT Pin {
 public:
  Pin() noexcept = default;
  Pin(Pin&& other) noexcept;
  Pin& operator=(Pin&& other) noexcept;
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin();

  // Valid as long as this pin lives. Empty for a pin that was moved from.
  std::span<const std::byte> span() const noexcept QUIRE_LIFETIMEBOUND { return span_; }

  // The pinned range as Bytes: the pin lives as long as they and their slices do.
  Bytes into_bytes() &&;

 private:
  friend class MappedFile;
  Pin(std::shared_ptr<mapped::Backing> backing, std::span<const std::byte> span) noexcept;
  void release() noexcept;

  std::shared_ptr<mapped::Backing> backing_;
  std::span<const std::byte> span_;
};

// Thread-safe, but for moving, `close`, `unmap` and destruction, which must not run while others call.
// Reading and writing take no lock, but for writes of 64 KiB and more, which share one that only
// `shrink` takes for itself; grow, shrink, append, trim, refresh and pin take turns. Threads that
// store into the same bytes at once must agree between themselves, as with any memory.
//
// Move-only. The destructor releases and neither flushes nor reports.
class QUIRE_EXPORT MappedFile {
 public:
  // Each opens for reading and writing and may fail with
  //   invalid_argument (empty path, a directory or special file, a reservation smaller than the
  //   file), not_found (no such directory), permission, no_space, io, capacity (too large for this
  //   file system or for the address space; too many open files).
  // A new file is made beside under another name, sized, allocated and synced, then renamed, and
  // its directory is synced: after a power cut it is there as a whole or not at all. On an error
  // nothing is left behind and an old file is untouched, but for
  //   outcome_unknown: the new file is in place, but its directory could not be synced.

  // A new file of `size` zero bytes; zero is a good size. Errors also: exists.
  [[nodiscard]] static Result<MappedFile> create(const std::string& path, std::uint64_t size,
                                                 const MappedFileOptions& options = {});
  // The same, taking the place of a file that may be there. Follows a symbolic link and keeps the
  // old file's permissions. Who has the old file open keeps the old file.
  [[nodiscard]] static Result<MappedFile> create_or_replace(const std::string& path,
                                                            std::uint64_t size,
                                                            const MappedFileOptions& options = {});
  // Opens the file as it is, or creates it with `size`. If another process creates it at the same
  // moment, opens that one. Errors also: busy (created and removed by others again and again).
  [[nodiscard]] static Result<MappedFile> open_or_create(const std::string& path,
                                                         std::uint64_t size,
                                                         const MappedFileOptions& options = {});

  // Opens an existing file; an empty one too. Errors: not_found, permission, capacity, io,
  //   busy (the lock asked for is another's),
  //   wrong_mode (an exclusive lock, or prefaulting for writing, of a file opened for reading),
  //   invalid_argument (as above; a flush policy of no bytes, writes or time),
  //   no_space, truncated (prefaulting met what `write` may meet).
  // But for the first, those of the lock and the prefault are errors of the functions above too.
  [[nodiscard]] static Result<MappedFile> open(const std::string& path, Access access,
                                               const MappedFileOptions& options = {});
  // Opens a part of a file, which then is all that this object sees: byte 0 is the window's first. Any
  // offset will do. Its size is fixed: `refresh` lowers it where the file was cut, and no further
  // than to its length raises it again. Errors also: out_of_range (the window is not in the file).
  [[nodiscard]] static Result<MappedFile> open_window(const std::string& path, Access access,
                                                      ByteRange window,
                                                      const MappedFileOptions& options = {});
  // Opens the file of a descriptor once more; the caller keeps the descriptor. Nobody else then
  // consumes the errors of this object's flushes. Errors: those of `open`, and
  //   invalid_argument (no descriptor of a regular file),
  //   permission (it was not opened for `access`, or may not be any more), unsupported (no /proc).
  [[nodiscard]] static Result<MappedFile> from_descriptor(int descriptor, Access access,
                                                          const MappedFileOptions& options = {});
  // `size` zero bytes of memory without a file, which processes share by passing `descriptor()` on.
  // Pages are taken when they are first touched. Nothing of it is ever durable: `flush` is
  // `unsupported`. Errors: capacity, no_space, and
  //   invalid_argument (a flush policy).
  [[nodiscard]] static Result<MappedFile> anonymous(std::uint64_t size,
                                                    const MappedFileOptions& options = {});

  // A closed file.
  MappedFile() noexcept = default;
  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() = default;

  // Another handle of this open file: the same mapping, size, policy and counts. The mapping ends, and
  // the descriptor closes, with the last handle, segment, stream or pin. A closed file gives a closed
  // one.
  [[nodiscard]] MappedFile share() const;

  // Flushes a file that was opened for writing, ends its background flushes, gives back what `append`
  // allocated ahead, and releases it, also if that fails. Spans end here, pins do not. What
  // copy_on_write has not committed is gone. Errors: those of `flush`.
  [[nodiscard]] Result<void> close();

  // Releases the mapping without flushing, and returns the open file's descriptor, for the caller to
  // close. Errors, this object being as before: busy (pins, segments, streams or other handles
  // live), capacity (too many descriptors).
  [[nodiscard]] Result<int> unmap();

  bool is_open() const noexcept { return base_ != nullptr; }
  // As it was given; empty when closed.
  const std::string& path() const noexcept QUIRE_LIFETIMEBOUND;
  // Bytes. Follows what this object does, and other processes only at `refresh`.
  std::uint64_t size() const noexcept {
    return size_ == nullptr ? 0 : size_->load(std::memory_order_acquire);
  }
  // How large the file can become under this object, in bytes.
  std::uint64_t reserved() const noexcept;
  Access access() const noexcept { return access_; }
  FlushPolicy flush_policy() const noexcept;
  // The open file's descriptor, borrowed; -1 when closed. For calls that Quire does not make, and for
  // passing it to another process.
  int descriptor() const noexcept;
  // One line for logs: path, access, size, reservation.
  std::string description() const;
  // True if no store into the file can fail for lack of space: the space of all its bytes was
  // allocated, on a file system that does not take it back.
  bool allocation_guaranteed() const noexcept;

  // The bytes [offset, offset + length). Valid until the file object dies, or shrinks below them.
  [[nodiscard]] Result<std::span<const std::byte>> bytes(
      std::uint64_t offset, std::uint64_t length) const QUIRE_LIFETIMEBOUND {
    if (!is_inside({offset, length})) [[unlikely]]
      return refuse("bytes", {offset, length});
    return std::span<const std::byte>(base_ + offset, length);
  }
  // The same for writing. Stores reach the file; `flush` makes them durable, a flush policy counts them
  // by `mark_dirty`. Errors: wrong_mode.
  [[nodiscard]] Result<std::span<std::byte>> mutable_bytes(
      std::uint64_t offset, std::uint64_t length) QUIRE_LIFETIMEBOUND {
    if (!can_store() || !is_inside({offset, length})) [[unlikely]] {
      return refuse_change("mutable_bytes", {offset, length});
    }
    return std::span<std::byte>(base_ + offset, length);
  }

  // `count` objects of type T at `offset` bytes, in the byte order of the machine.
  // Errors: misaligned (`offset`, in the file, is no multiple of alignof(T)).
  template <Mappable T>
  [[nodiscard]] Result<std::span<const T>> view_as(std::uint64_t offset,
                                                   std::uint64_t count) const QUIRE_LIFETIMEBOUND {
    const ByteRange range{offset, bytes_of<T>(count)};
    if (!is_inside(range)) [[unlikely]]
      return refuse("view_as", range);
    if (!is_aligned<T>(offset)) [[unlikely]]
      return misaligned("view_as", range, alignof(T));
    return std::span<const T>(reinterpret_cast<const T*>(base_ + offset), count);
  }
  // Errors: wrong_mode, misaligned.
  template <Mappable T>
  [[nodiscard]] Result<std::span<T>> mutable_view_as(std::uint64_t offset,
                                                     std::uint64_t count) QUIRE_LIFETIMEBOUND {
    const ByteRange range{offset, bytes_of<T>(count)};
    if (!can_store() || !is_inside(range)) [[unlikely]] {
      return refuse_change("mutable_view_as", range);
    }
    if (!is_aligned<T>(offset)) [[unlikely]] {
      return misaligned("mutable_view_as", range, alignof(T));
    }
    return std::span<T>(reinterpret_cast<T*>(base_ + offset), count);
  }

  // One integer of 32 or 64 bits that threads and processes share, and `count` of them. They live as
  // long as a span would. Waiting and waking: quire/mapped_atomic.hpp. Errors: misaligned.
  template <MappableAtomic T>
  [[nodiscard]] Result<Atomic<const T>> atomic_as(std::uint64_t offset) const QUIRE_LIFETIMEBOUND {
    const auto words = view_as<T>(offset, 1);
    if (!words) [[unlikely]]
      return std::unexpected(words.error());
    return Atomic<const T>(words->data());
  }
  template <MappableAtomic T>
  [[nodiscard]] Result<AtomicArray<const T>> atomics_as(
      std::uint64_t offset, std::uint64_t count) const QUIRE_LIFETIMEBOUND {
    const auto words = view_as<T>(offset, count);
    if (!words) [[unlikely]]
      return std::unexpected(words.error());
    return AtomicArray<const T>(words->data(), words->size());
  }
  // The same for changing. Errors: wrong_mode, misaligned.
  template <MappableAtomic T>
  [[nodiscard]] Result<Atomic<T>> mutable_atomic_as(std::uint64_t offset) QUIRE_LIFETIMEBOUND {
    const auto words = mutable_view_as<T>(offset, 1);
    if (!words) [[unlikely]]
      return std::unexpected(words.error());
    return Atomic<T>(words->data());
  }
  template <MappableAtomic T>
  [[nodiscard]] Result<AtomicArray<T>> mutable_atomics_as(std::uint64_t offset,
                                                          std::uint64_t count) QUIRE_LIFETIMEBOUND {
    const auto words = mutable_view_as<T>(offset, count);
    if (!words) [[unlikely]]
      return std::unexpected(words.error());
    return AtomicArray<T>(words->data(), words->size());
  }

  // An owner of the range; see Pin.
  [[nodiscard]] Result<Pin> pin(std::uint64_t offset, std::uint64_t length) const;

  // Copies out: into memory of the caller's, or into memory of its own. On an error a part may have been
  // copied. Errors: truncated (the file was cut by someone else), io.
  [[nodiscard]] Result<void> read_into(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<Bytes> read(std::uint64_t offset, std::uint64_t length) const;

  // Copies in, one value over a range, and a range to another place of the file, where the two may
  // overlap. On an error a part may have been written. Errors: wrong_mode, truncated,
  // no_space (a hole met a full disk), io, read_only_after_error (see `reopen_after_error`), and, with
  // a flush policy, those of `flush`.
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::span<const std::byte> in);
  [[nodiscard]] Result<void> fill(std::uint64_t offset, std::uint64_t length, std::byte value);
  [[nodiscard]] Result<void> copy_within(ByteRange from, std::uint64_t to);

  // Tells the flush policy that the range was stored into through spans, as if `write` had done it.
  // Errors: wrong_mode, and those of the policy's flush.
  [[nodiscard]] Result<void> mark_dirty(ByteRange range);
  // What the policy counted and no flush has made durable; nothing under the manual policy.
  PendingWrites pending() const noexcept;

  // Calls `f` with the bytes of the range, and returns what it returns. If a page cannot be had,
  // `f` is left where it is by a jump. REQUIRES of `f`: noexcept, and until it returns it holds no
  // lock and has only trivially destructible locals. What it wrote to variables outside is then
  // unspecified. Errors: truncated, no_space, io.
  template <Guardable<std::span<const std::byte>> F>
  [[nodiscard]] auto guarded(ByteRange range, F&& f) const
      -> Result<std::invoke_result_t<F&, std::span<const std::byte>>> {
    if (!is_inside(range)) [[unlikely]]
      return refuse("guarded", range);
    return call_guarded(range, f, std::span<const std::byte>(base_ + range.offset, range.length));
  }
  // The same for writing. Errors also: wrong_mode, those of the policy's flush.
  template <Guardable<std::span<std::byte>> F>
  [[nodiscard]] auto mutable_guarded(ByteRange range, F&& f)
      -> Result<std::invoke_result_t<F&, std::span<std::byte>>> {
    if (!can_store() || !is_inside(range)) [[unlikely]] {
      return refuse_change("mutable_guarded", range);
    }
    auto result = call_guarded(range, f, std::span<std::byte>(base_ + range.offset, range.length));
    if (!result) return result;
    if (auto counted = count_change(range); !counted) {
      return std::unexpected(std::move(counted).error());
    }
    return result;
  }

  // Lengthens the file to `new_size` bytes, the new ones zeros. Space is allocated before the new
  // size can be seen; with `sparse` it is a hole. Readers go on meanwhile. Nothing moves. Errors,
  // the file being as before: wrong_mode, invalid_argument (smaller than it is), capacity (over
  // `reserved()`), no_space, truncated or changed (another process changed the size: refresh
  // first), read_only_after_error, io. In a window and in copy_on_write, whose size is
  // fixed, all that changes the size is wrong_mode.
  [[nodiscard]] Result<void> grow(std::uint64_t new_size);
  // Cuts the file. Spans beyond become invalid, pins do not allow it.
  // Errors: busy (a pin reaches beyond `new_size`), and those of `grow` but for capacity and
  // no_space.
  [[nodiscard]] Result<void> shrink(std::uint64_t new_size);
  // Adds bytes at the end and returns their offset. Several threads may; one after the other. The file
  // has at every moment the bytes that were appended and no more, also after a power cut, which may
  // take the end of what was not flushed. Disk space is allocated ahead, in steps that grow with the
  // file. Errors, the file being as before: those of `grow`; and those of the policy's flush, when the
  // bytes are appended all the same.
  [[nodiscard]] Result<std::uint64_t> append(std::span<const std::byte> in);
  // Gives back what `append` allocated ahead; `close` does so too. Errors: io, wrong_mode.
  [[nodiscard]] Result<void> trim();
  // Gives the disk space of a range back; it reads as zeros, through spans and pins too. The size
  // stays. Stores into it need space again: allocation_guaranteed() becomes false.
  // Errors: wrong_mode, unsupported (this file system cannot), read_only_after_error, io.
  [[nodiscard]] Result<void> punch_hole(ByteRange range);
  // Takes over the size that other processes gave the file, and returns it. If they cut it, spans
  // and pins beyond are lost. Errors: capacity (it grew past `reserved()`; size() stays), io.
  [[nodiscard]] Result<std::uint64_t> refresh();

  // Returns when all data and the size are on stable storage, whoever wrote them and in whatever
  // way; in a file opened read-only too. Errors: io, no_space, read_only_after_error, the error of a
  // flush in the background that nobody has been told of,
  //   wrong_mode (copy_on_write: `commit` writes to the file), unsupported (anonymous memory).
  [[nodiscard]] Result<void> flush();
  // The same for the bytes of a range, with as much of the size as they need. Ranges need no
  // alignment.
  [[nodiscard]] Result<void> flush_range(ByteRange range);
  // Starts writing a range out and does not wait. Promises nothing about a power cut; a later flush
  // has less to do. Errors: io.
  [[nodiscard]] Result<void> start_writeback(ByteRange range);

  // The error of the last flush that failed, asked for or by policy, until `reopen_after_error`.
  std::optional<Error> last_flush_error() const;

  // Of copy_on_write. None of them may run while another thread stores.
  //
  // The ranges, of whole pages but for the end, that were stored into and differ from the file.
  // Errors: wrong_mode, truncated, io, unsupported (no /proc).
  [[nodiscard]] Result<std::vector<ByteRange>> changed_ranges() const;
  // Writes all pages stored into to the file and returns when they are durable; they then follow the
  // file again. In a page that others changed meanwhile, this object's bytes win. A power cut or an error
  // may leave a part of the ranges written; after an error nothing private is lost, and `commit` may be
  // called again. Errors: those above, permission (the file cannot be opened for writing), no_space,
  // read_only_after_error.
  [[nodiscard]] Result<void> commit();
  // Forgets all stores: the bytes are the file's again. Errors: wrong_mode.
  [[nodiscard]] Result<void> discard();

  // Says how a range will be read. Advice: never changes what is read or what is kept, whatever was
  // stored there and not flushed. will_need starts reading ahead.
  [[nodiscard]] Result<void> advise(ByteRange range, AccessHint access) const;
  // Says how the memory of a range is to be kept; see MemoryAdvice.
  // Errors: unsupported (this system or file system cannot), capacity (too many maps).
  [[nodiscard]] Result<void> advise(ByteRange range, MemoryAdvice advice) const;
  // Puts the pages of a range into the page table, so that touching them costs no fault. Errors:
  // wrong_mode (for writing, of a file opened read-only), truncated, no_space, io, capacity (memory).
  [[nodiscard]] Result<void> prefault(ByteRange range, Prefault how) const;
  // Keeps the pages that hold a range in memory until they are unlocked or the file is closed. Locks
  // do not nest, and a page is unlocked for all ranges in it. On an error nothing of the range is
  // locked, not even what was before. Errors: permission,
  // capacity (the process may not lock that much), truncated, io.
  [[nodiscard]] Result<void> lock_in_memory(ByteRange range) const;
  [[nodiscard]] Result<void> unlock_in_memory(ByteRange range) const;
  // What of a range is in memory, and what waits to be written. Errors: io.
  [[nodiscard]] Result<Residency> residency(ByteRange range) const;
  // How much of the mapping huge pages hold. Reads /proc: not for hot paths. Errors: unsupported.
  [[nodiscard]] Result<HugePageReport> huge_page_report() const;

  // After a flush has failed, every later flush of this file in the process fails with
  // read_only_after_error, through any object, and so do `write`, `fill`, `grow` and `shrink` of
  // the object that saw it. This ends that state for the file and this object.
  //
  // What the failed flush should have written MAY BE LOST: the system takes those pages for clean
  // and will not write them again, although they still read as new. Write again all that changed
  // since the last good flush, then flush.
  [[nodiscard]] Result<void> reopen_after_error();

 private:
  friend struct mapped::Factory;
  explicit MappedFile(std::shared_ptr<mapped::Backing> backing) noexcept;

  bool can_store() const noexcept { return access_ != Access::read_only; }
  template <class T>
  bool is_aligned(std::uint64_t offset) const noexcept {
    return (reinterpret_cast<std::uintptr_t>(base_) + offset) % alignof(T) == 0;
  }
  bool is_inside(ByteRange range) const noexcept {
    return base_ != nullptr && range.fits(size_->load(std::memory_order_acquire));
  }
  template <class T>
  static constexpr std::uint64_t bytes_of(std::uint64_t count) noexcept {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    return count > kMax / sizeof(T) ? kMax : count * sizeof(T);
  }
  std::unexpected<Error> refuse(const char* operation, ByteRange range) const;
  std::unexpected<Error> refuse_change(const char* operation, ByteRange range) const;
  std::unexpected<Error> misaligned(const char* operation, ByteRange range,
                                    std::size_t alignment) const;
  Result<void> check_change(const char* operation, ByteRange range) const;
  Result<void> check_file_change(const char* operation) const;
  Result<void> check_flush(const char* operation) const;
  Result<void> check_private(const char* operation) const;
  Result<void> count_change(ByteRange range);
  std::unexpected<Error> not_for(const char* operation, const char* why) const;
  template <class T>
  Result<T> with_range(Result<T> result, ByteRange range) const;
  Result<void> check_open(const char* operation) const;
  Result<void> run_guarded(ByteRange range, void (*call)(void*) noexcept, void* argument) const;

  template <class F, class Span>
  auto call_guarded(ByteRange range, F& f, Span span) const
      -> Result<std::invoke_result_t<F&, Span>> {
    using R = std::invoke_result_t<F&, Span>;
    if constexpr (std::is_void_v<R>) {
      auto run = [&]() noexcept { f(span); };
      return run_guarded(range, &invoke<decltype(run)>, &run);
    } else {
      R result{};
      auto run = [&]() noexcept { result = f(span); };
      auto done = run_guarded(range, &invoke<decltype(run)>, &run);
      if (!done) return std::unexpected(std::move(done).error());
      return result;
    }
  }
  template <class Run>
  static void invoke(void* run) noexcept {
    (*static_cast<Run*>(run))();
  }

  // The first three repeat what is in the backing, where an inline function can reach it.
  std::byte* base_ = nullptr;
  const std::atomic<std::uint64_t>* size_ = nullptr;
  Access access_ = Access::read_only;
  std::shared_ptr<mapped::Backing> backing_;
};

}  // namespace v0
}  // namespace quire
