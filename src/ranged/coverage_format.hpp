// The header and the records of a coverage journal. Byte-exact: docs/formats/coverage-journal.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::ranged {

inline constexpr std::uint64_t kJournalHeaderBytes = 4096;
inline constexpr std::uint64_t kJournalRecordBytes = 32;

// What a journal is of.
struct JournalSubject {
  os::FileId file;
  std::uint64_t size = 0;  // of the file
  std::string content_version;
};

struct JournalHeader {
  std::uint64_t inode = 0;
  std::uint64_t birth = 0;
  std::uint64_t size = 0;  // of the file, when the journal was begun
  std::uint64_t salt = 0;
  std::string content_version;

  bool is_of(const os::FileId& file) const noexcept {
    return inode == file.inode && birth == file.birth;
  }
};

// What a record says, with a and b as the format has them.
struct JournalRecord {
  enum class Kind : std::uint8_t { written = 1, given_back = 2, grows = 3 };
  Kind kind = Kind::written;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t durable = 0;  // records that were durable when this one was written
};

using JournalHeaderBytes = std::array<std::byte, kJournalHeaderBytes>;
using JournalRecordBytes = std::array<std::byte, kJournalRecordBytes>;

[[nodiscard]] JournalHeaderBytes encode_header(const JournalSubject& subject, std::uint64_t salt);
// Errors: truncated, corrupt, format_version, io; they name the path of `journal`.
[[nodiscard]] Result<JournalHeader> read_header(os::File& journal);
// True if the file could be a journal, or the beginning of one: it is empty, or has the magic or zeros.
[[nodiscard]] Result<bool> may_be_journal(os::File& file);

[[nodiscard]] JournalRecordBytes encode_record(const JournalRecord& record, std::uint64_t number,
                                               std::uint64_t salt);
// Nothing if the checksum is wrong. What the record says may still make no sense.
[[nodiscard]] std::optional<JournalRecord> decode_record(std::span<const std::byte> bytes,
                                                         std::uint64_t number, std::uint64_t salt);

}  // namespace quire::ranged
