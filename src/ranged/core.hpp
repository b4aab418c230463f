// Core: what a RangedFile and its ranges share: the mapped file, the allocator of its bytes, and, of a
// resumed file, its coverage.
//
// Invariants:
//   1. Every byte that a FileRange of this core covers was handed out by allocator_ and not given back:
//      so no two cover one byte.
//   2. Every byte that allocator_ may hand out lies inside the file's published size, and is not
//      recorded as written.
//   3. A file that can be written is locked as long as this lives: no other opening has an allocator for
//      its bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "quire/file_range.hpp"
#include "quire/if_exists.hpp"
#include "quire/mapped_file.hpp"
#include "quire/range_allocator.hpp"
#include "quire/ranged_file.hpp"
#include "ranged/coverage_tracker.hpp"

namespace quire::ranged {

// Thread-safe. The contracts are those of RangedFile and FileRange.
class Core : public std::enable_shared_from_this<Core> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Core>> create(os::FileSystem& file_system,
                                                            const std::string& path,
                                                            std::uint64_t size,
                                                            const RangedFileOptions& options,
                                                            IfExists if_exists);
  [[nodiscard]] static Result<std::shared_ptr<Core>> open(os::FileSystem& file_system,
                                                          const std::string& path, Access access,
                                                          const RangedFileOptions& options);
  [[nodiscard]] static Result<std::shared_ptr<Core>> open_or_create(
      os::FileSystem& file_system, const std::string& path, std::uint64_t size,
      const RangedFileOptions& options);

  Core(os::FileSystem& file_system, MappedFile file);

  const MappedFile& file() const noexcept { return file_; }
  std::uint64_t unallocated() const noexcept { return allocator_.remaining(); }
  bool is_resumed() const noexcept { return coverage_ != nullptr; }

  [[nodiscard]] Result<FileRange> allocate(std::uint64_t length, std::uint64_t alignment);
  [[nodiscard]] Result<FileRange> allocate_up_to(std::uint64_t length, std::uint64_t alignment);
  [[nodiscard]] Result<FileRange> allocate_at(ByteRange range);
  // Of a FileRange that ends: bytes that it did not fill.
  void give_back_unfilled(ByteRange range) noexcept;
  // Bytes of which some were filled.
  [[nodiscard]] Result<void> give_back(ByteRange range);

  // Writes into a range that the caller owns.
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::span<const std::byte> data) {
    return file_.write(offset, data);
  }
  // The caller has written, or stored into, it.
  [[nodiscard]] WriteReceipt note_written(ByteRange range);
  std::byte* data() noexcept { return data_; }

  [[nodiscard]] Result<void> grow(std::uint64_t new_size) QUIRE_EXCLUDES(grow_mutex_);

  [[nodiscard]] Result<void> sync(std::span<const WriteReceipt> receipts);
  [[nodiscard]] Result<void> sync_all();
  [[nodiscard]] Result<void> start_writeback(const WriteReceipt& receipt);
  [[nodiscard]] Result<Coverage> coverage();
  // Errors: truncated (bytes are missing), wrong_mode, those of the journal.
  [[nodiscard]] Result<void> check_whole();
  // REQUIRES: is_resumed().
  [[nodiscard]] Result<void> remove_journal() { return coverage_->journal().remove(file_system_); }
  [[nodiscard]] Result<void> reopen_after_error();

  [[nodiscard]] UncheckedRanges unchecked() noexcept;
  [[nodiscard]] Result<void> unchecked_fill(std::byte value) {
    return file_.fill(0, file_.size(), value);
  }
  [[nodiscard]] Result<void> flush_range(ByteRange range);
  [[nodiscard]] Result<void> start_writeback_of_all() {
    return file_.start_writeback({0, file_.size()});
  }

 private:
  static Result<std::shared_ptr<Core>> create_at(os::FileSystem& file_system,
                                                 const std::string& path, const std::string& target,
                                                 std::uint64_t size,
                                                 const RangedFileOptions& options,
                                                 IfExists if_exists);
  static Result<std::shared_ptr<Core>> with_journal(os::FileSystem& file_system, MappedFile file,
                                                    const std::string& journal_path,
                                                    const RangedFileOptions& options);
  static Result<std::shared_ptr<Core>> make(os::FileSystem& file_system, MappedFile file,
                                            const RangedFileOptions& options);
  Result<void> grow_resumed(std::uint64_t new_size) QUIRE_REQUIRES(grow_mutex_);
  Result<void> check_writable(const char* operation) const;
  Result<void> check_receipt(const char* operation, const WriteReceipt& receipt) const;
  Result<void> flush_ranges(std::span<const ByteRange> ranges);
  [[nodiscard]] std::unexpected<Error> named(Error error) const;

  os::FileSystem& file_system_;
  MappedFile file_;
  std::byte* const data_;  // nullptr where it is read-only
  ConcurrentAllocator allocator_;
  std::unique_ptr<CoverageTracker> coverage_;  // of a resumed file
  // What receipts bear: of this opening, since the last failed sync. Relaxed: it stands for itself.
  std::atomic<std::uint64_t> number_;
  base::Mutex grow_mutex_;
};

}  // namespace quire::ranged
