#include "vector/mend.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"

namespace quire::vector {

namespace {

using base::checksum;
using base::load_le;

// Changes one byte of `bytes` so that `fits()`; false, and nothing changed, if no such change does.
template <class Fits>
bool mend_one_byte(std::span<std::byte> bytes, const Fits& fits) {
  for (std::byte& byte : bytes) {
    const std::byte was = byte;
    for (unsigned mask = 1; mask < 256; ++mask) {
      byte = was ^ static_cast<std::byte>(mask);
      if (fits()) return true;
    }
    byte = was;
  }
  return false;
}

}  // namespace

std::optional<Manifest> mend_manifest(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() != kManifestBytes) return std::nullopt;
  std::array<std::byte, kManifestBytes> block{};
  std::ranges::copy(bytes, block.begin());
  const std::span<const std::byte> all(block);
  const auto fits = [&] {
    return load_le<std::uint64_t>(all, kManifestBytes - 8) ==
           checksum(all.first(kManifestBytes - 8));
  };
  if (!mend_one_byte(block, fits)) return std::nullopt;
  auto manifest = Manifest::decode(block, path);
  if (!manifest) return std::nullopt;
  return *manifest;
}

bool mend_entry(std::span<const std::byte> bytes, std::uint64_t seed, SlotEntry& entry) {
  std::array<std::byte, kSlotEntryBytes> block{};
  std::ranges::copy(bytes, block.begin());
  return mend_one_byte(block, [&] { return SlotEntry::decode(block, seed, entry); });
}

MendedHeader mend_header(std::span<const std::byte> block, FileHeader known) {
  constexpr std::size_t kSaltAt = 48;
  constexpr std::size_t kFirstLsnAt = 56;
  const bool is_log = known.role == FileRole::log;
  known.salt = load_le<std::uint64_t>(block, kSaltAt);
  known.first_lsn = is_log ? load_le<std::uint64_t>(block, kFirstLsnAt) : 0;
  const auto said = load_le<std::uint64_t>(block, kHeaderBytes - 8);

  // As it must have been, if salt and first LSN are right.
  std::array<std::byte, kHeaderBytes> wanted = known.encode();
  const std::span<std::byte> bytes(wanted);
  const auto fits = [&] { return checksum(bytes.first(kHeaderBytes - 8)) == said; };
  if (fits()) return {.header = known, .is_proven = true};
  if (!mend_one_byte(bytes.subspan(kSaltAt, is_log ? 16 : 8), fits)) {
    return {.header = known, .is_proven = false};
  }
  known.salt = load_le<std::uint64_t>(bytes, kSaltAt);
  known.first_lsn = is_log ? load_le<std::uint64_t>(bytes, kFirstLsnAt) : 0;
  return {.header = known, .is_proven = true};
}

}  // namespace quire::vector
