// RowFile: gen-N.rows, written by calls and read through a map.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "vector/format.hpp"

namespace quire::vector {

// The rows as memory. Immutable but for `patch`; shared by the views that show it.
class RowMap {
 public:
  // Keeps `file` open, and so the lock on it.
  RowMap(os::Mapping mapping, std::uint64_t stride, std::shared_ptr<const os::File> file)
      : mapping_(std::move(mapping)), stride_(stride), file_(std::move(file)) {}

  // Row `row`, which must be below the limit that the map was made for.
  const std::byte* row(std::uint64_t row) const noexcept {
    return mapping_.data() + kHeaderBytes + row * stride_;
  }
  std::uint64_t stride() const noexcept { return stride_; }
  // True if rows below `limit` lie inside the map.
  bool covers(std::uint64_t limit) const noexcept {
    return limit <= (mapping_.size() - kHeaderBytes) / stride_;
  }
  // Copies out of row `row`. Errors: truncated or io, if the page cannot be read.
  [[nodiscard]] Result<void> read(std::uint64_t row, std::span<std::byte> out) const;
  // Stores into a private copy of the row. REQUIRES: the map is private_copy, nobody reads yet.
  [[nodiscard]] Result<void> patch(std::uint64_t row, std::span<const std::byte> bytes);
  // Puts the pages of rows into memory. Errors: truncated (a page cannot be had), capacity.
  [[nodiscard]] Result<void> prefault(ByteRange rows) const;
  // Asks for the pages of rows to be taken out of memory. Errors: unsupported, capacity.
  [[nodiscard]] Result<void> evict(ByteRange rows) const;
  // The error for a page of `row` that faulted.
  [[nodiscard]] Error fault(const char* operation, std::uint64_t row) const;
  // The error for a row that is not what was put under `id`.
  [[nodiscard]] Error damage(const char* operation, std::uint64_t row, std::uint64_t id) const;

 private:
  os::Mapping mapping_;
  std::uint64_t stride_;
  std::shared_ptr<const os::File> file_;
};

// One thread at a time calls what is not const. Beside it any number may call what is const, and views
// read rows; nobody reads or writes a row that another one writes.
class RowFile {
 public:
  // Makes the file with its header and syncs it (not the directory).
  [[nodiscard]] static Result<std::unique_ptr<RowFile>> create(os::FileSystem& file_system,
                                                               const std::string& directory,
                                                               const StoreIdentity& identity,
                                                               std::uint64_t generation);
  // Opens and checks that the header fits and rows below `row_limit` are there.
  [[nodiscard]] static Result<std::unique_ptr<RowFile>> open(os::FileSystem& file_system,
                                                             const std::string& directory,
                                                             const Manifest& manifest,
                                                             os::OpenMode mode);
  // Opens for reading, whatever the header says and wherever the file ends: for who compares each row with its checksum.
  [[nodiscard]] static Result<std::unique_ptr<RowFile>> open_unchecked(os::FileSystem& file_system,
                                                                       const std::string& directory,
                                                                       const Manifest& manifest);

  const std::string& path() const noexcept { return file_->path(); }
  std::uint64_t stride() const noexcept { return stride_; }

  // True if rows below `row_limit` have disk space.
  bool has_space_for(std::uint64_t row_limit) const noexcept {
    return offset_of(row_limit) <= size_;
  }
  // Takes disk space for rows below `row_limit` and more, if there is some.
  void grow(std::uint64_t row_limit) { allocate_ahead(offset_of(row_limit)); }
  // Writes dense rows from `first_row` on, allocating ahead. Errors: no_space, io.
  [[nodiscard]] Result<void> write(std::uint64_t first_row, std::span<const std::byte> rows);
  // Makes the file long enough for rows below `row_limit`, with disk space where the file system can.
  // Errors, nothing being changed: no_space, capacity (too large for this file system), io.
  [[nodiscard]] Result<void> reserve(std::uint64_t row_limit);
  // Writes dense rows that were reserved. Errors: no_space, io.
  [[nodiscard]] Result<void> write_granted(std::uint64_t first_row,
                                           std::span<const std::byte> rows) const {
    return file_->write_all(offset_of(first_row), rows);
  }
  // Starts writing rows out and does not wait, so that a later sync has less to do.
  void start_writeback(ByteRange rows) const {
    ignore_error(file_->start_writeback({offset_of(rows.offset), rows.length * stride_}));
  }
  // Reads dense rows. Errors: truncated, io.
  [[nodiscard]] Result<void> read(std::uint64_t first_row, std::span<std::byte> out) const;
  [[nodiscard]] Result<void> sync() { return file_->sync(); }
  // True if a sync of the file failed in this process; allows syncing again.
  [[nodiscard]] bool sync_has_failed() const { return file_->sync_has_failed(); }
  void forget_sync_failure() { file_->forget_sync_failure(); }
  // Keeps who would give back dead rows in place from it, as long as the file is open. Errors: busy, unsupported.
  [[nodiscard]] Result<void> try_lock_shared() { return file_->try_lock(os::LockKind::shared); }
  // Holds while rows are given back in place: nobody else has a lock on the file. Errors: busy, unsupported.
  [[nodiscard]] Result<void> try_lock_exclusive() {
    return file_->try_lock(os::LockKind::exclusive);
  }
  void unlock() { ignore_error(file_->unlock()); }
  // True if no view of another opening shows the file.
  bool has_no_other_user() {
    const bool alone = try_lock_exclusive().has_value();
    if (alone) unlock();
    return alone;
  }
  // Rows below it have disk space.
  std::uint64_t rows_with_space() const noexcept { return (size_ - kHeaderBytes) / stride_; }
  // Gives the disk space of a range of the file back; it reads as zeros. Errors: unsupported, io.
  [[nodiscard]] Result<void> punch(ByteRange range) { return file_->punch_hole(range); }
  // Gives back what was allocated ahead beyond `row_limit` rows.
  [[nodiscard]] Result<void> trim(std::uint64_t row_limit);

  // A map of at least `row_limit` rows, with room to grow: the last one as long as it reaches.
  [[nodiscard]] Result<std::shared_ptr<const RowMap>> map(std::uint64_t row_limit);
  // A private map whose rows can be patched.
  [[nodiscard]] Result<std::shared_ptr<RowMap>> map_private(std::uint64_t row_limit);

 private:
  RowFile(std::unique_ptr<os::File> file, std::uint64_t stride, std::uint64_t size)
      : file_(std::move(file)), stride_(stride), size_(size) {}

  std::uint64_t offset_of(std::uint64_t row) const noexcept { return kHeaderBytes + row * stride_; }
  void allocate_ahead(std::uint64_t end);

  std::shared_ptr<os::File> file_;
  std::uint64_t stride_;
  std::uint64_t size_;  // of the file, allocated space included
  std::shared_ptr<const RowMap> map_;
};

}  // namespace quire::vector
