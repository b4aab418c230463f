// LogReader: finds the valid records of one log file, in order, and judges what follows the last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/file_system.hpp"
#include "vector/format.hpp"
#include "vector/log_record.hpp"

namespace quire::vector {

// Single-thread. Allocates at most about the length of the largest record, which is never more than
// the file has.
class LogReader {
 public:
  [[nodiscard]] static Result<LogReader> open(os::FileSystem& file_system,
                                              const std::string& directory,
                                              const StoreIdentity& identity, std::uint64_t number);
  // The same for a file whose header is known from elsewhere.
  [[nodiscard]] static Result<LogReader> with_header(std::unique_ptr<os::File> file,
                                                     const FileHeader& header);

  const FileHeader& header() const noexcept { return header_; }
  const std::string& path() const noexcept { return file_->path(); }
  // Where the next record would begin, and where the file ends.
  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t size() const noexcept { return size_; }

  // Decodes the record at position() without moving on; false if there is no valid one.
  [[nodiscard]] Result<bool> peek(Record& record);
  // Moves to the next place with a valid record, which may be this one; false if there is none, and
  // position() is then unspecified. Errors: as proves_durable.
  [[nodiscard]] Result<bool> skip_to_valid(Record& record);
  // Goes on at `position`, where a record of this log ended before.
  void seek(std::uint64_t position) noexcept { position_ = position; }
  // Moves past a record that peek returned.
  void advance(const Record& record) noexcept { position_ += record.length; }

  // True if there are only zeros from position() to the end of the file.
  [[nodiscard]] Result<bool> only_zeros_follow();
  // True if a valid record anywhere behind position() says that batch `lsn` was durable.
  // Errors: also corrupt, if the bytes are made so that looking would take forever.
  [[nodiscard]] Result<bool> proves_durable(std::uint64_t lsn);

 private:
  LogReader(std::unique_ptr<os::File> file, FileHeader header, std::uint64_t size)
      : file_(std::move(file)), header_(header), size_(size) {}

  Result<bool> decode_at(std::uint64_t offset, Record& record);
  // Where the next valid record stands, from position() on, that says that batch `durable` was durable.
  Result<std::optional<std::uint64_t>> find_record(std::uint64_t durable, Record& record);
  // `length` bytes from `offset` on, from the window if it has them.
  // REQUIRES: they are inside the file.
  Result<std::span<const std::byte>> bytes_at(std::uint64_t offset, std::uint64_t length);

  std::unique_ptr<os::File> file_;
  FileHeader header_;
  std::uint64_t size_;
  std::uint64_t position_ = kHeaderBytes;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
};

}  // namespace quire::vector
