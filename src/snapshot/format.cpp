#include "snapshot/format.hpp"

#include <cstring>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/zeros.hpp"

namespace quire::snapshot {

using base::checksum;
using base::load_le;
using base::store_le;

namespace {

constexpr std::string_view kHeaderMagic = "QUIRESNP";
constexpr std::string_view kTailMagic = "QUIRETOC";
// Common to header and tail: magic, version, length, then the description; the checksum is at the end.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kLengthAt = 12;
constexpr std::size_t kDescriptionAt = 16;
constexpr std::size_t kDescriptionBytes = 112;
constexpr std::size_t kTailFieldsAt = kDescriptionAt + kDescriptionBytes;
constexpr std::size_t kTailFieldsEnd = 168;

void store_id(std::span<std::byte> bytes, std::size_t offset, const SnapshotId& id) {
  std::memcpy(bytes.data() + offset, id.data(), id.size());
}

SnapshotId load_id(std::span<const std::byte> bytes, std::size_t offset) {
  SnapshotId id;
  std::memcpy(id.data(), bytes.data() + offset, id.size());
  return id;
}

bool has_magic(std::span<const std::byte> bytes, std::string_view magic) noexcept {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// What header and tail begin and end with.
void seal(std::span<std::byte> bytes, std::string_view magic, const Description& description) {
  std::memcpy(bytes.data(), magic.data(), magic.size());
  store_le(bytes, kVersionAt, kFormatVersion);
  store_le(bytes, kLengthAt, static_cast<std::uint32_t>(bytes.size()));
  const auto at = bytes.subspan(kDescriptionAt, kDescriptionBytes);
  store_id(at, 0, description.id);
  store_id(at, 16, description.parent);
  store_id(at, 32, description.store_id);
  store_le(at, 48, description.lsn);
  store_le(at, 56, description.created_ns);
  store_le(at, 64, description.rows);
  store_le(at, 72, description.dimension);
  store_le(at, 76, static_cast<std::uint8_t>(description.element_type));
  store_le(at, 77, static_cast<std::uint8_t>(description.codec));
  store_le(at, 80, description.block_rows);
  store_le(at, 84, kBlocksPerPage);
  store_le(at, 88, kHeaderBytes);
  store_le(bytes, bytes.size() - 8, checksum(bytes.first(bytes.size() - 8)));
}

// Decodes header and tail; every error names the same place.
class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, std::uint64_t offset, const char* part,
          const std::string& name)
      : bytes_(bytes), offset_(offset), part_(part), name_(name) {}

  Error error(ErrorCode code, std::string_view what) const {
    std::string detail = "the ";
    detail += part_;
    detail += what;
    return Error(code, "open")
        .with_path(name_)
        .with_range({offset_, bytes_.size()})
        .with_detail(std::move(detail));
  }
  std::unexpected<Error> corrupt(std::string_view what) const {
    return std::unexpected(error(ErrorCode::corrupt, what));
  }

  // Version, length, checksum; the magic was looked at.
  Result<void> check_frame() const {
    const auto version = load_le<std::uint32_t>(bytes_, kVersionAt);
    if (version > kFormatVersion) {
      return std::unexpected(error(ErrorCode::format_version, " is of format version " +
                                                                  std::to_string(version) +
                                                                  "; this build reads up to " +
                                                                  std::to_string(kFormatVersion)));
    }
    const auto sum = load_le<std::uint64_t>(bytes_, bytes_.size() - 8);
    if (sum != checksum(bytes_.first(bytes_.size() - 8))) return corrupt("'s checksum is wrong");
    if (version != kFormatVersion || load_le<std::uint32_t>(bytes_, kLengthAt) != bytes_.size()) {
      return corrupt(" has a version or length that cannot be");
    }
    return {};
  }

  Result<Description> description() const {
    const auto at = bytes_.subspan(kDescriptionAt, kDescriptionBytes);
    Description result;
    result.id = load_id(at, 0);
    result.parent = load_id(at, 16);
    result.store_id = load_id(at, 32);
    result.lsn = load_le<std::uint64_t>(at, 48);
    result.created_ns = load_le<std::uint64_t>(at, 56);
    result.rows = load_le<std::uint64_t>(at, 64);
    result.dimension = load_le<std::uint32_t>(at, 72);
    const auto type = element_type_from_id(load_le<std::uint8_t>(at, 76));
    result.block_rows = load_le<std::uint32_t>(at, 80);
    if (const auto codec = load_le<std::uint8_t>(at, 77); codec != 0) {
      return std::unexpected(error(ErrorCode::unsupported, " names codec " + std::to_string(codec) +
                                                               ", which this build cannot read"));
    }
    if (!type || result.dimension == 0 || result.dimension > kMaxDimension) {
      return corrupt(" has no possible dimension or element type");
    }
    result.element_type = *type;
    const bool sizes_fit = result.rows <= kMaxRows && result.block_rows >= 1 &&
                           result.block_rows <= kMaxBlockRows &&
                           result.block_rows * result.stride() <= kMaxBlockBytes;
    const bool zeros = base::all_zeros(at.subspan(78, 2)) && base::all_zeros(at.subspan(96, 16));
    if (!sizes_fit || !zeros || load_le<std::uint32_t>(at, 84) != kBlocksPerPage ||
        load_le<std::uint64_t>(at, 88) != kHeaderBytes) {
      return corrupt(" has a field outside its limits");
    }
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t offset_;
  const char* part_;
  const std::string& name_;
};

}  // namespace

bool has_header_magic(std::span<const std::byte> bytes) noexcept {
  return has_magic(bytes, kHeaderMagic);
}

bool has_tail_magic(std::span<const std::byte> bytes) noexcept {
  return has_magic(bytes, kTailMagic);
}

std::uint64_t Description::salt() const noexcept {
  return load_le<std::uint64_t>(std::span<const std::byte>(id), 0);
}

SnapshotInfo Description::info() const {
  SnapshotInfo info{.id = id,
                    .parent = std::nullopt,
                    .store_id = store_id,
                    .lsn = lsn,
                    .created_ns = created_ns,
                    .rows = rows,
                    .dimension = dimension,
                    .element_type = element_type,
                    .codec = codec,
                    .block_rows = block_rows,
                    .blocks = blocks(),
                    .bytes = 0,
                    .format_version = kFormatVersion};
  if (parent != SnapshotId{}) info.parent = parent;
  return info;
}

std::array<std::byte, kHeaderBytes> encode_header(const Description& description) {
  std::array<std::byte, kHeaderBytes> bytes{};
  seal(bytes, kHeaderMagic, description);
  return bytes;
}

Result<Description> decode_header(std::span<const std::byte> bytes, const std::string& name) {
  const Decoder decoder(bytes, 0, "header", name);
  if (!has_magic(bytes, kHeaderMagic)) return decoder.corrupt(" is not a snapshot's");
  if (auto good = decoder.check_frame(); !good) return std::unexpected(std::move(good).error());
  if (!base::all_zeros(bytes.subspan(kTailFieldsAt, bytes.size() - 8 - kTailFieldsAt))) {
    return decoder.corrupt(" holds what this version does not know");
  }
  return decoder.description();
}

std::array<std::byte, kTailBytes> Tail::encode() const {
  std::array<std::byte, kTailBytes> bytes{};
  store_le(std::span(bytes), 128, pages_offset);
  store_le(std::span(bytes), 136, root_offset);
  store_le(std::span(bytes), 144, root_length);
  store_le(std::span(bytes), 152, root_checksum);
  store_le(std::span(bytes), 160, file_size());
  seal(bytes, kTailMagic, description);
  return bytes;
}

Result<Tail> Tail::decode(std::span<const std::byte> bytes, std::uint64_t size,
                          const std::string& name) {
  const Decoder decoder(bytes, size - bytes.size(), "tail", name);
  if (auto good = decoder.check_frame(); !good) return std::unexpected(std::move(good).error());
  auto description = decoder.description();
  if (!description) return std::unexpected(std::move(description).error());

  Tail tail{.description = *description,
            .pages_offset = load_le<std::uint64_t>(bytes, 128),
            .root_offset = load_le<std::uint64_t>(bytes, 136),
            .root_length = load_le<std::uint64_t>(bytes, 144),
            .root_checksum = load_le<std::uint64_t>(bytes, 152)};
  const auto file_size = load_le<std::uint64_t>(bytes, 160);
  if (file_size != size) {
    return std::unexpected(
        decoder.error(file_size > size ? ErrorCode::truncated : ErrorCode::corrupt,
                      " says that there are " + std::to_string(file_size) + " bytes, not " +
                          std::to_string(size)));
  }
  // rows <= 2^40, stride <= 2^18: no overflow. Without a codec the blocks are exactly the rows.
  const std::uint64_t pages_offset = kHeaderBytes + description->rows * description->stride();
  const bool parts_fit = tail.pages_offset == pages_offset && tail.root_offset >= pages_offset &&
                         tail.root_offset <= size - bytes.size() &&
                         tail.root_length == size - bytes.size() - tail.root_offset &&
                         tail.root_length == description->pages() * kRootEntryBytes &&
                         tail.root_length <= kMaxRootBytes;
  if (!parts_fit ||
      !base::all_zeros(bytes.subspan(kTailFieldsEnd, bytes.size() - 8 - kTailFieldsEnd))) {
    return decoder.corrupt(" describes parts that do not fill the file");
  }
  return tail;
}

void RootEntry::encode(std::span<std::byte> bytes) const noexcept {
  store_le(bytes, 0, first_id);
  store_le(bytes, 8, last_id);
  store_le(bytes, 16, page.offset);
  store_le(bytes, 24, page.length);
  store_le(bytes, 32, checksum);
}

RootEntry RootEntry::decode(std::span<const std::byte> bytes) noexcept {
  return {.first_id = load_le<std::uint64_t>(bytes, 0),
          .last_id = load_le<std::uint64_t>(bytes, 8),
          .page = {load_le<std::uint64_t>(bytes, 16), load_le<std::uint64_t>(bytes, 24)},
          .checksum = load_le<std::uint64_t>(bytes, 32)};
}

}  // namespace quire::snapshot
