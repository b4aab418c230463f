#include "ranged/coverage_format.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/try.hpp"
#include "base/zeros.hpp"
#include "quire/ranged_file.hpp"

namespace quire::ranged {

namespace {

using base::load_le;
using base::store_le;

constexpr std::string_view kMagic = "QUIRECOV";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kChecksumOffset = kJournalHeaderBytes - 8;
constexpr std::size_t kContentVersionOffset = 50;
static_assert(kContentVersionOffset + kMaxContentVersion <= kChecksumOffset);
// A record's first number: what was durable below, its kind in the last byte.
constexpr unsigned kKindShift = 56;
constexpr std::uint64_t kDurableMask = (std::uint64_t{1} << kKindShift) - 1;

std::unexpected<Error> refuse(ErrorCode code, const os::File& journal, ByteRange range,
                              std::string detail) {
  return std::unexpected(Error(code, "resume")
                             .with_path(journal.path())
                             .with_range(range)
                             .with_detail(std::move(detail)));
}

bool has_magic(std::span<const std::byte> bytes) {
  return std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

}  // namespace

JournalHeaderBytes encode_header(const JournalSubject& subject, std::uint64_t salt) {
  JournalHeaderBytes header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  store_le(header, 8, kVersion);
  store_le(header, 12, static_cast<std::uint32_t>(kJournalHeaderBytes));
  store_le(header, 16, subject.file.inode);
  store_le(header, 24, subject.file.birth);
  store_le(header, 32, subject.size);
  store_le(header, 40, salt);
  store_le(header, 48, static_cast<std::uint16_t>(subject.content_version.size()));
  std::ranges::copy(std::as_bytes(std::span(subject.content_version)),
                    header.begin() + kContentVersionOffset);
  store_le(header, kChecksumOffset, base::checksum(std::span(header).first(kChecksumOffset)));
  return header;
}

Result<JournalHeader> read_header(os::File& journal) {
  JournalHeaderBytes bytes{};
  QUIRE_CHECK(journal.read_exactly(0, bytes));
  if (!has_magic(bytes)) {
    return refuse(ErrorCode::corrupt, journal, {0, kMagic.size()}, "this is no coverage journal");
  }
  if (const auto version = load_le<std::uint32_t>(bytes, 8); version > kVersion) {
    return refuse(ErrorCode::format_version, journal, {8, 4},
                  "the journal has version " + std::to_string(version) + "; this knows 1");
  }
  const auto length = load_le<std::uint16_t>(bytes, 48);
  const bool is_right = load_le<std::uint64_t>(bytes, kChecksumOffset) ==
                        base::checksum(std::span(bytes).first(kChecksumOffset));
  if (!is_right || length > kMaxContentVersion) {
    return refuse(ErrorCode::corrupt, journal, {0, kJournalHeaderBytes},
                  "the header of the journal is damaged");
  }
  const auto* const version = reinterpret_cast<const char*>(bytes.data()) + kContentVersionOffset;
  return JournalHeader{.inode = load_le<std::uint64_t>(bytes, 16),
                       .birth = load_le<std::uint64_t>(bytes, 24),
                       .size = load_le<std::uint64_t>(bytes, 32),
                       .salt = load_le<std::uint64_t>(bytes, 40),
                       .content_version = std::string(version, length)};
}

Result<bool> may_be_journal(os::File& file) {
  std::array<std::byte, kMagic.size()> start{};
  QUIRE_TRY(const os::FileInfo info, file.info());
  const auto length = std::min<std::uint64_t>(info.size, start.size());
  QUIRE_CHECK(file.read_exactly(0, std::span(start).first(static_cast<std::size_t>(length))));
  return has_magic(start) || base::all_zeros(start);
}

JournalRecordBytes encode_record(const JournalRecord& record, std::uint64_t number,
                                 std::uint64_t salt) {
  JournalRecordBytes bytes{};
  const std::uint64_t kind = std::to_underlying(record.kind);
  store_le(bytes, 0, kind << kKindShift | std::min(record.durable, kDurableMask));
  store_le(bytes, 8, record.a);
  store_le(bytes, 16, record.b);
  store_le(bytes, 24, base::checksum(std::span(bytes).first(24), salt + number));
  return bytes;
}

std::optional<JournalRecord> decode_record(std::span<const std::byte> bytes, std::uint64_t number,
                                           std::uint64_t salt) {
  if (load_le<std::uint64_t>(bytes, 24) != base::checksum(bytes.first(24), salt + number)) {
    return std::nullopt;
  }
  const auto first = load_le<std::uint64_t>(bytes, 0);
  return JournalRecord{.kind = static_cast<JournalRecord::Kind>(first >> kKindShift),
                       .a = load_le<std::uint64_t>(bytes, 8),
                       .b = load_le<std::uint64_t>(bytes, 16),
                       .durable = first & kDurableMask};
}

}  // namespace quire::ranged
