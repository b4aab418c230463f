// The fixed structures of a snapshot file: description, header, tail, root entries. Byte-exact:
// docs/formats/snapshot.md. The id pages: snapshot/id_page.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "quire/snapshot.hpp"

namespace quire::snapshot {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint64_t kHeaderBytes = 4096;
inline constexpr std::uint64_t kTailBytes = 256;
inline constexpr std::uint64_t kRootEntryBytes = 40;
inline constexpr std::uint32_t kBlocksPerPage = 64;
// Limits of what a file may say.
inline constexpr std::uint32_t kMaxBlockRows = 65'536;
inline constexpr std::uint64_t kMaxBlockBytes = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kMaxRootBytes = std::uint64_t{64} << 20;

// What header and tail both say.
struct Description {
  SnapshotId id{};
  SnapshotId parent{};  // zeros: none
  SnapshotId store_id{};
  std::uint64_t lsn = 0;
  std::uint64_t created_ns = 0;
  std::uint64_t rows = 0;
  std::uint32_t dimension = 0;
  ElementType element_type = ElementType::f32;
  SnapshotCodec codec = SnapshotCodec::none;
  std::uint32_t block_rows = 1;

  friend bool operator==(const Description&, const Description&) = default;

  std::uint64_t stride() const noexcept { return row_bytes(element_type, dimension); }
  std::uint64_t blocks() const noexcept { return (rows + block_rows - 1) / block_rows; }
  std::uint64_t pages() const noexcept { return (blocks() + kBlocksPerPage - 1) / kBlocksPerPage; }
  std::uint64_t first_row(std::uint64_t block) const noexcept { return block * block_rows; }
  // Of one block; of the blocks of one page.
  std::uint32_t rows_of_block(std::uint64_t block) const noexcept {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(block_rows, rows - first_row(block)));
  }
  std::uint32_t blocks_of_page(std::uint64_t page) const noexcept {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(kBlocksPerPage, blocks() - page * kBlocksPerPage));
  }
  std::uint64_t rows_of_page(std::uint64_t page) const noexcept {
    return std::min(std::uint64_t{kBlocksPerPage} * block_rows,
                    rows - first_row(page * kBlocksPerPage));
  }
  // Seeds the checksums of the parts.
  std::uint64_t salt() const noexcept;
  // What it says; without the size of the file and the ids.
  SnapshotInfo info() const;
};

[[nodiscard]] std::array<std::byte, kHeaderBytes> encode_header(const Description& description);
// `bytes` has kHeaderBytes. Errors: corrupt, format_version, unsupported; they name `name`.
[[nodiscard]] Result<Description> decode_header(std::span<const std::byte> bytes,
                                                const std::string& name);

// True if the object's first bytes, or its last kTailBytes, are those of a snapshot.
[[nodiscard]] bool has_header_magic(std::span<const std::byte> bytes) noexcept;
[[nodiscard]] bool has_tail_magic(std::span<const std::byte> bytes) noexcept;

struct Tail {
  Description description;
  std::uint64_t pages_offset = 0;
  std::uint64_t root_offset = 0;
  std::uint64_t root_length = 0;
  std::uint64_t root_checksum = 0;

  std::uint64_t file_size() const noexcept { return root_offset + root_length + kTailBytes; }
  ByteRange root_range() const noexcept { return {root_offset, root_length}; }

  [[nodiscard]] std::array<std::byte, kTailBytes> encode() const;
  // `bytes` has kTailBytes and their magic, and are the last of an object of `size` bytes. What it returns is inside every
  // limit, and its parts follow one another and fill the object.
  // Errors: corrupt, truncated, format_version, unsupported; they name `name`.
  [[nodiscard]] static Result<Tail> decode(std::span<const std::byte> bytes, std::uint64_t size,
                                           const std::string& name);
};

struct RootEntry {
  std::uint64_t first_id = 0;
  std::uint64_t last_id = 0;
  ByteRange page;
  std::uint64_t checksum = 0;

  // `bytes` has kRootEntryBytes.
  void encode(std::span<std::byte> bytes) const noexcept;
  [[nodiscard]] static RootEntry decode(std::span<const std::byte> bytes) noexcept;
};

}  // namespace quire::snapshot
