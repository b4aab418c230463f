// LogWriter: appends records to one log file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "os/file_system.hpp"
#include "vector/format.hpp"
#include "vector/log_record.hpp"

namespace quire::vector {

// One thread at a time.
class LogWriter {
 public:
  // Makes log `number`, whose first record will be of `first_lsn`: header, sync, sync of the directory. It says that
  // every batch up to `durable_lsn` is durable; 0 says nothing. A leftover of that name, from a creation that failed, is removed first. With a spare, the log is made of
  // that and needs no new disk space.
  [[nodiscard]] static Result<LogWriter> create(os::FileSystem& file_system,
                                                const std::string& directory,
                                                const StoreIdentity& identity, std::uint64_t number,
                                                std::uint64_t first_lsn, std::uint64_t durable_lsn,
                                                const std::optional<std::string>& spare = {});
  // Goes on with a log that holds no record and nothing but zeros behind its header. The header becomes durable:
  // whoever made the log may have died before it was.
  [[nodiscard]] static Result<LogWriter> open_empty(os::FileSystem& file_system,
                                                    const std::string& directory,
                                                    const StoreIdentity& identity,
                                                    std::uint64_t number);

  // Appends a record. After an error a part of it may be in the file, and nothing more can be appended:
  // see is_spoiled. Errors: no_space, io.
  [[nodiscard]] Result<void> append(const RecordHead& head, std::span<const Operation> operations,
                                    std::span<const std::span<const std::byte>> rows);
  // Makes what was appended durable.
  [[nodiscard]] Result<void> sync();

  std::uint64_t number() const noexcept { return number_; }
  // Bytes of records.
  std::uint64_t record_bytes() const noexcept { return end_ - kHeaderBytes; }
  // True after a failed append: the next record belongs into a new log.
  bool is_spoiled() const noexcept { return spoiled_; }
  // Ends the log: nothing more is to be appended.
  void spoil() noexcept { spoiled_ = true; }
  bool has_unsynced_records() const noexcept { return unsynced_; }

 private:
  LogWriter(std::unique_ptr<os::File> file, std::uint64_t number, std::uint64_t salt,
            std::uint64_t zeroed_until)
      : file_(std::move(file)), number_(number), salt_(salt), zeroed_until_(zeroed_until) {}

  static Result<LogWriter> make_of(os::FileSystem& file_system, const std::string& directory,
                                   const std::string& spare, const std::string& path,
                                   const FileHeader& header);
  void write_zeros_ahead();

  std::unique_ptr<os::File> file_;
  std::uint64_t number_;
  std::uint64_t salt_;
  std::uint64_t end_ = kHeaderBytes;  // where the next record goes
  std::uint64_t zeroed_until_;        // end of the file
  bool spoiled_ = false;
  bool unsynced_ = false;
};

}  // namespace quire::vector
