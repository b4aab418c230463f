#include "vector/format.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/random.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

using base::checksum;
using base::load_le;
using base::store_le;

constexpr std::string_view kManifestMagic = "QUIREMAN";

constexpr std::string_view magic_of(FileRole role) {
  switch (role) {
    case FileRole::rows:
      return "QUIREROW";
    case FileRole::slots:
      return "QUIRESLT";
    case FileRole::log:
      break;
  }
  return "QUIRELOG";
}

std::unexpected<Error> damaged(const std::string& path, ByteRange range, std::string what) {
  return std::unexpected(Error(ErrorCode::corrupt, "open")
                             .with_path(path)
                             .with_range(range)
                             .with_detail(std::move(what)));
}

void store_text(std::span<std::byte> bytes, std::size_t offset, std::string_view text) {
  std::memcpy(bytes.data() + offset, text.data(), text.size());
}

// Magic, version, length and checksum of a fixed block whose last 8 bytes are its checksum.
Result<void> check_block(std::span<const std::byte> bytes, std::uint64_t length,
                         std::string_view magic, const std::string& path) {
  if (bytes.size() < length) {
    return std::unexpected(
        Error(ErrorCode::truncated, "open")
            .with_path(path)
            .with_range({0, length})
            .with_detail("the file has only " + std::to_string(bytes.size()) + " bytes"));
  }
  if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) {
    return damaged(path, {0, 8}, "the magic is not \"" + std::string(magic) + "\"");
  }
  const bool intact = load_le<std::uint64_t>(bytes, length - 8) ==
                      checksum(bytes.first(static_cast<std::size_t>(length - 8)));
  const auto version = load_le<std::uint32_t>(bytes, 8);
  if (version > kFormatVersion) {
    // A newer version may keep its checksum elsewhere, so a wrong one here proves nothing.
    return std::unexpected(
        Error(ErrorCode::format_version, "open")
            .with_path(path)
            .with_detail("the file has format version " + std::to_string(version) +
                         "; this build reads up to version " + std::to_string(kFormatVersion)));
  }
  if (!intact || version != kFormatVersion || load_le<std::uint32_t>(bytes, 12) != length) {
    return damaged(path, {0, length}, "the header's checksum is wrong");
  }
  return {};
}

void encode_identity(std::span<std::byte> bytes, const StoreIdentity& identity,
                     std::size_t dimension_at) {
  std::memcpy(bytes.data() + 16, identity.id.data(), identity.id.size());
  store_le<std::uint32_t>(bytes, dimension_at, identity.dimension);
  bytes[dimension_at + 4] = static_cast<std::byte>(identity.element_type);
}

Result<StoreIdentity> decode_identity(std::span<const std::byte> bytes, std::size_t dimension_at,
                                      const std::string& path) {
  StoreIdentity identity;
  std::memcpy(identity.id.data(), bytes.data() + 16, identity.id.size());
  identity.dimension = load_le<std::uint32_t>(bytes, dimension_at);
  const auto type = element_type_from_id(static_cast<std::uint8_t>(bytes[dimension_at + 4]));
  if (!type || identity.dimension == 0 || identity.dimension > kMaxDimension) {
    return damaged(path, {dimension_at, 5}, "the dimension or element type is not a valid one");
  }
  identity.element_type = *type;
  return identity;
}

// The number between the two in `name`; false if there is none.
bool number_between(std::string_view name, std::string_view first, std::string_view last,
                    std::uint64_t& number) {
  if (!name.starts_with(first) || !name.ends_with(last)) return false;
  if (name.size() <= first.size() + last.size()) return false;
  const auto digits = name.substr(first.size(), name.size() - first.size() - last.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

std::array<std::byte, kManifestBytes> Manifest::encode() const {
  std::array<std::byte, kManifestBytes> block{};
  const std::span<std::byte> bytes(block);
  store_text(bytes, 0, kManifestMagic);
  store_le<std::uint32_t>(bytes, 8, kFormatVersion);
  store_le<std::uint32_t>(bytes, 12, kManifestBytes);
  encode_identity(bytes, identity, 32);
  bytes[37] = static_cast<std::byte>(durability);
  store_le(bytes, 40, generation);
  store_le(bytes, 48, checkpoint_lsn);
  store_le(bytes, 56, slot_count);
  store_le(bytes, 64, row_limit);
  store_le(bytes, 72, first_log);
  store_le(bytes, 80, live);
  store_le(bytes, 88, history_lsn);
  store_le(bytes, 248, checksum(bytes.first(248)));
  return block;
}

Result<Manifest> Manifest::decode(std::span<const std::byte> bytes, const std::string& path) {
  QUIRE_CHECK(check_block(bytes, kManifestBytes, kManifestMagic, path));
  Manifest manifest;
  QUIRE_TRY(manifest.identity, decode_identity(bytes, 32, path));
  manifest.durability = static_cast<Durability>(bytes[37]);
  manifest.generation = load_le<std::uint64_t>(bytes, 40);
  manifest.checkpoint_lsn = load_le<std::uint64_t>(bytes, 48);
  manifest.slot_count = load_le<std::uint64_t>(bytes, 56);
  manifest.row_limit = load_le<std::uint64_t>(bytes, 64);
  manifest.first_log = load_le<std::uint64_t>(bytes, 72);
  manifest.live = load_le<std::uint64_t>(bytes, 80);
  manifest.history_lsn = load_le<std::uint64_t>(bytes, 88);
  const bool known_durability = manifest.durability >= Durability::power_loss &&
                                manifest.durability <= Durability::checkpoint_only;
  // 2^56 keeps every product of a count and a size, and every next number, far below 2^64.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 56;
  const bool sane = manifest.row_limit <= kMaxRows && manifest.slot_count < kMaxVersions &&
                    manifest.live <= manifest.slot_count && manifest.generation <= kMost &&
                    manifest.checkpoint_lsn <= kMost && manifest.first_log <= kMost &&
                    manifest.history_lsn <= manifest.checkpoint_lsn;
  if (!known_durability || !sane) return damaged(path, {37, 59}, "a field has an impossible value");
  return manifest;
}

std::array<std::byte, kHeaderBytes> FileHeader::encode() const {
  std::array<std::byte, kHeaderBytes> block{};
  const std::span<std::byte> bytes(block);
  store_text(bytes, 0, magic_of(role));
  store_le<std::uint32_t>(bytes, 8, kFormatVersion);
  store_le<std::uint32_t>(bytes, 12, kHeaderBytes);
  encode_identity(bytes, identity, 40);
  store_le(bytes, 32, number);
  store_le(bytes, 48, salt);
  store_le(bytes, 56, first_lsn);
  store_le(bytes, 80, durable_lsn);
  if (role == FileRole::rows) store_le<std::uint64_t>(bytes, 64, identity.stride());
  if (role == FileRole::slots) store_le<std::uint64_t>(bytes, 64, kSlotEntryBytes);
  store_le(bytes, kHeaderBytes - 8, checksum(bytes.first(kHeaderBytes - 8)));
  return block;
}

Result<FileHeader> FileHeader::decode(std::span<const std::byte> bytes, FileRole role,
                                      const std::string& path) {
  QUIRE_CHECK(check_block(bytes, kHeaderBytes, magic_of(role), path));
  FileHeader header;
  header.role = role;
  QUIRE_TRY(header.identity, decode_identity(bytes, 40, path));
  header.number = load_le<std::uint64_t>(bytes, 32);
  header.salt = load_le<std::uint64_t>(bytes, 48);
  header.first_lsn = load_le<std::uint64_t>(bytes, 56);
  header.durable_lsn = load_le<std::uint64_t>(bytes, 80);
  if (load_le<std::uint64_t>(bytes, 72) != 0) {
    return std::unexpected(
        Error(ErrorCode::format_version, "open")
            .with_path(path)
            .with_range({72, 8})
            .with_detail("it has a user field per row, which this version does not know"));
  }
  return header;
}

Result<std::unique_ptr<os::File>> FileHeader::create_file(os::FileSystem& file_system,
                                                          const std::string& path) const {
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::create_new));
  QUIRE_CHECK(file->write_all(0, encode()));
  QUIRE_CHECK(file->sync());
  return file;
}

Result<FileHeader> FileHeader::read(os::File& file, FileRole role, const StoreIdentity& identity,
                                    std::uint64_t number) {
  std::array<std::byte, kHeaderBytes> block{};
  QUIRE_CHECK(file.read_exactly(0, block));
  QUIRE_TRY(const FileHeader header, decode(block, role, file.path()));
  if (header.identity != identity || header.number != number) {
    return damaged(file.path(), {0, kHeaderBytes},
                   "the file belongs to another store or has been renamed");
  }
  return header;
}

void SlotEntry::encode(std::span<std::byte> bytes, std::uint64_t seed) const noexcept {
  store_le<std::uint32_t>(bytes, 0, static_cast<std::uint8_t>(kind));
  store_le<std::uint32_t>(bytes, 4, 0);
  store_le(bytes, 8, id);
  store_le(bytes, 16, row);
  store_le(bytes, 24, lsn);
  store_le(bytes, 32, row_checksum);
  store_le(bytes, 40, checksum(bytes.first(40), seed));
}

bool SlotEntry::decode(std::span<const std::byte> bytes, std::uint64_t seed,
                       SlotEntry& entry) noexcept {
  if (load_le<std::uint64_t>(bytes, 40) != checksum(bytes.first(40), seed)) return false;
  entry.id = load_le<std::uint64_t>(bytes, 8);
  entry.row = load_le<std::uint64_t>(bytes, 16);
  entry.lsn = load_le<std::uint64_t>(bytes, 24);
  entry.row_checksum = load_le<std::uint64_t>(bytes, 32);
  return decode_kind(bytes, 0, entry.kind);
}

bool decode_kind(std::span<const std::byte> bytes, std::size_t offset,
                 OperationKind& kind) noexcept {
  const auto number = load_le<std::uint32_t>(bytes, offset);
  kind = static_cast<OperationKind>(number);
  return number == 1 || number == 2;
}

StoreId random_store_id() {
  StoreId id{};
  store_le(id, 0, base::random_u64());
  store_le(id, 8, base::random_u64());
  return id;
}

std::string rows_name(std::uint64_t generation) {
  return "gen-" + std::to_string(generation) + ".rows";
}
std::string slots_name(std::uint64_t generation) {
  return "gen-" + std::to_string(generation) + ".slots";
}
std::string log_name(std::uint64_t number) { return "log-" + std::to_string(number) + ".wal"; }

bool is_unfinished_repair(const std::string& name) {
  std::uint64_t number = 0;
  return number_between(name, "repair-", ".unfinished", number);
}

std::string spare_name(std::uint64_t number) { return "spare-" + std::to_string(number) + ".tmp"; }

bool parse_log_name(const std::string& name, std::uint64_t& number) {
  // Compared as a whole: "log-01.wal" is none.
  return number_between(name, "log-", ".wal", number) && name == log_name(number);
}

bool parse_generation_name(const std::string& name, std::uint64_t& generation) {
  return (number_between(name, "gen-", ".rows", generation) && name == rows_name(generation)) ||
         (number_between(name, "gen-", ".slots", generation) && name == slots_name(generation));
}

}  // namespace quire::vector
