#include "vector/log_record.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"

namespace quire::vector {

namespace {

using base::load_le;
using base::store_le;

constexpr std::uint32_t kLastPart = 0x8000'0000U;
// "QUIREEND" read as a little-endian integer.
constexpr std::uint64_t kEndMark = 0x444e'4545'5249'5551ULL;

constexpr std::uint64_t round_up_8(std::uint64_t value) noexcept { return (value + 7) / 8 * 8; }

constexpr std::uint64_t record_length(std::uint64_t operations, std::uint64_t row_bytes) noexcept {
  return round_up_8(kRecordHeadBytes + operations * kOperationBytes + row_bytes) + kEndMarkBytes;
}

}  // namespace

std::vector<std::byte> encode_record(const RecordHead& head, std::span<const Operation> operations,
                                     std::span<const std::span<const std::byte>> rows,
                                     std::uint64_t seed) {
  std::uint64_t row_bytes = 0;
  for (const auto& piece : rows) row_bytes += piece.size();
  const std::uint64_t length = record_length(operations.size(), row_bytes);
  std::vector<std::byte> record(static_cast<std::size_t>(length));
  const std::span<std::byte> bytes(record);

  store_le(bytes, 8, length);
  store_le(bytes, 16, head.lsn);
  store_le(bytes, 24, head.durable_lsn);
  store_le(bytes, 32, head.generation);
  store_le<std::uint32_t>(bytes, 40, static_cast<std::uint8_t>(head.kind));
  store_le(bytes, 44, head.part | (head.last_part ? kLastPart : 0U));
  store_le<std::uint64_t>(bytes, 48, operations.size());
  std::size_t at = kRecordHeadBytes;
  for (const Operation& operation : operations) {
    store_le<std::uint32_t>(bytes, at, static_cast<std::uint8_t>(operation.kind));
    store_le(bytes, at + 8, operation.id);
    store_le(bytes, at + 16, operation.row);
    store_le(bytes, at + 24, operation.row_checksum);
    at += kOperationBytes;
  }
  for (const auto& piece : rows) {
    if (piece.empty()) continue;  // of a remove
    std::memcpy(record.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  store_le(bytes, record.size() - kEndMarkBytes, kEndMark);
  store_le(bytes, 0, base::checksum(bytes.subspan(8), seed));
  return record;
}

std::uint64_t claimed_length(std::span<const std::byte> head, std::uint64_t available) noexcept {
  const auto length = load_le<std::uint64_t>(head, 8);
  const bool possible = length >= record_length(0, 0) && length <= available && length % 8 == 0;
  return possible ? length : 0;
}

bool decode_record(std::span<const std::byte> bytes, std::uint64_t seed, std::uint64_t stride,
                   Record& record) {
  if (bytes.size() < record_length(0, 0)) return false;
  if (load_le<std::uint64_t>(bytes, 8) != bytes.size()) return false;
  if (load_le<std::uint64_t>(bytes, bytes.size() - kEndMarkBytes) != kEndMark) return false;
  if (load_le<std::uint64_t>(bytes, 0) != base::checksum(bytes.subspan(8), seed)) return false;

  record.length = bytes.size();
  record.head.lsn = load_le<std::uint64_t>(bytes, 16);
  record.head.durable_lsn = load_le<std::uint64_t>(bytes, 24);
  record.head.generation = load_le<std::uint64_t>(bytes, 32);
  const auto kind = load_le<std::uint32_t>(bytes, 40);
  if (kind != 1 && kind != 2) return false;
  record.head.kind = static_cast<RecordKind>(kind);
  const auto part = load_le<std::uint32_t>(bytes, 44);
  record.head.part = part & ~kLastPart;
  record.head.last_part = (part & kLastPart) != 0;
  const auto count = load_le<std::uint64_t>(bytes, 48);
  if (count > (bytes.size() - kRecordHeadBytes) / kOperationBytes) return false;

  record.operations.clear();
  record.operations.reserve(static_cast<std::size_t>(count));
  std::uint64_t puts = 0;
  for (std::size_t i = 0, at = kRecordHeadBytes; i < count; ++i, at += kOperationBytes) {
    Operation operation;
    if (!decode_kind(bytes, at, operation.kind)) return false;
    operation.id = load_le<std::uint64_t>(bytes, at + 8);
    operation.row = load_le<std::uint64_t>(bytes, at + 16);
    operation.row_checksum = load_le<std::uint64_t>(bytes, at + 24);
    const bool is_put = operation.kind == OperationKind::put;
    if (is_put && operation.row >= kMaxRows) return false;
    puts += is_put ? 1 : 0;
    record.operations.push_back(operation);
  }
  const std::uint64_t row_bytes = record.head.kind == RecordKind::inline_rows ? puts * stride : 0;
  if (row_bytes > bytes.size() || record_length(count, row_bytes) != bytes.size()) return false;
  const auto rows = bytes.subspan(kRecordHeadBytes + count * kOperationBytes,
                                  static_cast<std::size_t>(row_bytes));
  record.rows.assign(rows.begin(), rows.end());
  return true;
}

}  // namespace quire::vector
