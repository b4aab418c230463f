// The records of a log: how batches travel to stable storage. Byte-exact:
// docs/formats/vector-store.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vector/format.hpp"

namespace quire::vector {

inline constexpr std::uint64_t kRecordHeadBytes = 56;
inline constexpr std::uint64_t kOperationBytes = 32;
inline constexpr std::uint64_t kEndMarkBytes = 8;
// Operations of one record; a batch of more is cut into parts.
inline constexpr std::size_t kMaxOperationsPerRecord = (std::size_t{16} << 20) / kOperationBytes;

enum class RecordKind : std::uint8_t {
  inline_rows = 1,   // the record carries the rows
  rows_in_file = 2,  // the rows were in the rows file before the record was written
};

struct Operation {
  OperationKind kind = OperationKind::put;
  std::uint64_t id = 0;
  std::uint64_t row = 0;           // 0 for a remove
  std::uint64_t row_checksum = 0;  // 0 for a remove
};

// What a batch's operation is in the list of puts and removes.
[[nodiscard]] inline SlotEntry entry_of(const Operation& operation, std::uint64_t lsn) noexcept {
  return {.kind = operation.kind,
          .id = operation.id,
          .row = operation.row,
          .lsn = lsn,
          .row_checksum = operation.row_checksum};
}

struct RecordHead {
  std::uint64_t lsn = 0;
  std::uint64_t durable_lsn = 0;
  std::uint64_t generation = 0;
  RecordKind kind = RecordKind::inline_rows;
  std::uint32_t part = 0;
  bool last_part = true;
};

struct Record {
  RecordHead head;
  std::vector<Operation> operations;
  std::vector<std::byte> rows;  // of the puts, in order; empty unless inline_rows
  std::uint64_t length = 0;     // in the file
};

// The record's bytes for its place in a log. `rows` are the rows of the puts, in order, in pieces.
[[nodiscard]] std::vector<std::byte> encode_record(const RecordHead& head,
                                                   std::span<const Operation> operations,
                                                   std::span<const std::span<const std::byte>> rows,
                                                   std::uint64_t seed);

// What the first 16 bytes claim the length to be; 0 if that cannot be, with `available` bytes in the
// file from the record's start on.
[[nodiscard]] std::uint64_t claimed_length(std::span<const std::byte> head,
                                           std::uint64_t available) noexcept;

// Decodes exactly one record; false if it is not valid.
[[nodiscard]] bool decode_record(std::span<const std::byte> bytes, std::uint64_t seed,
                                 std::uint64_t stride, Record& record);

}  // namespace quire::vector
