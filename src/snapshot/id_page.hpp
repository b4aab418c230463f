// Id pages: whose rows lie in 64 blocks, and the checksums of those. Byte-exact:
// docs/formats/snapshot.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/little_endian.hpp"
#include "snapshot/format.hpp"

namespace quire::snapshot {

inline constexpr std::uint64_t kPageHeadBytes = 32;
inline constexpr std::uint64_t kBlockEntryBytes = 40;

// What a page says of one block.
struct BlockEntry {
  std::uint64_t first_id = 0;
  std::uint64_t last_id = 0;
  ByteRange stored;
  std::uint64_t checksum = 0;
  std::uint32_t rows = 0;
  std::uint32_t ids_offset = 0;  // in the page
  std::uint8_t id_width = 0;     // bytes; 0 if the ids follow one another
};

// Puts the pages of a snapshot together, one after the other. Single-thread.
class IdPageBuilder {
 public:
  // Adds the next block: its ids, ascending, its place and its checksum. REQUIRES: the page is not full.
  void add(std::span<const std::uint64_t> ids, ByteRange stored, std::uint64_t checksum);
  bool empty() const noexcept { return entries_.empty(); }
  bool full() const noexcept { return entries_.size() == kBlocksPerPage; }
  std::uint64_t first_id() const noexcept { return entries_.front().first_id; }
  std::uint64_t last_id() const noexcept { return last_id_; }
  // The page's bytes; begins the next page.
  [[nodiscard]] std::vector<std::byte> finish(std::uint64_t number);

 private:
  std::vector<BlockEntry> entries_;  // ids_offset is relative to ids_ until finish()
  std::vector<std::byte> ids_;
  std::uint64_t last_id_ = 0;
};

// A view of a page that was checked. Nothing here takes a lock, allocates or needs a destructor, so that
// it may run under the fault guard. All bounds come from the description, and what the page says of its ids
// is compared with them each time it is read: so a map that somebody writes to gives wrong ids at worst.
// Thread-safe.
class IdPage {
 public:
  // The most bytes that page `number` can have.
  [[nodiscard]] static std::uint64_t most_bytes(const Description& description,
                                                std::uint64_t number) noexcept;

  // What is wrong with the structure of a page whose checksum is right; nothing if all is well: then
  // every function below stays inside `bytes`. `root` is its entry.
  [[nodiscard]] static const char* fault(std::span<const std::byte> bytes,
                                         const Description& description, std::uint64_t number,
                                         const RootEntry& root) noexcept;

  // `bytes` are those of page `number`, as long as its root entry says.
  IdPage(std::span<const std::byte> bytes, const Description& description,
         std::uint64_t number) noexcept
      : bytes_(bytes), description_(description), number_(number) {}

  std::uint32_t blocks() const noexcept { return description_.blocks_of_page(number_); }
  // REQUIRES of all: index < blocks(), row < the block's rows.
  std::uint64_t first_id(std::uint32_t index) const noexcept {
    return base::load_le<std::uint64_t>(bytes_, entry_at(index));
  }
  BlockEntry block(std::uint32_t index) const noexcept;
  std::uint64_t id(const BlockEntry& block, std::uint32_t row) const noexcept {
    return block.first_id + delta(block, row);
  }

  // The last block whose first id is not above `id`; 0 if there is none.
  std::uint32_t block_for(std::uint64_t id) const noexcept;
  // The first row of the block whose id is not below `id`; its number of rows if there is none.
  std::uint32_t lower_bound(const BlockEntry& block, std::uint64_t id) const noexcept;

 private:
  static std::size_t entry_at(std::uint32_t index) noexcept {
    return static_cast<std::size_t>(kPageHeadBytes + index * kBlockEntryBytes);
  }
  std::uint64_t delta(const BlockEntry& block, std::uint32_t row) const noexcept;

  std::span<const std::byte> bytes_;
  const Description& description_;
  std::uint64_t number_;
};

}  // namespace quire::snapshot
