#include "snapshot/id_page.hpp"

#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "base/zeros.hpp"

namespace quire::snapshot {

using base::load_le;
using base::store_le;

namespace {

constexpr std::string_view kMagic = "QUIREIDS";

// The narrowest width that holds ids up to `span` above the first.
std::uint8_t width_for(std::uint64_t span) noexcept {
  if (span <= std::numeric_limits<std::uint16_t>::max()) return 2;
  return span <= std::numeric_limits<std::uint32_t>::max() ? 4 : 8;
}

bool is_width(std::uint8_t width) noexcept {
  return width == 0 || width == 2 || width == 4 || width == 8;
}

// The first of `rows` ascending integers that is not below `wanted`, without a branch that depends on
// them: which way such a search goes cannot be predicted.
template <class T>
std::uint32_t lower_bound_in(const std::byte* ids, std::uint32_t rows,
                             std::uint64_t wanted) noexcept {
  const auto at = [ids](std::uint32_t row) {
    T id;
    std::memcpy(&id, ids + std::size_t{row} * sizeof(T), sizeof id);
    return std::uint64_t{id};
  };
  std::uint32_t first = 0;
  for (std::uint32_t left = rows; left > 1;) {
    const std::uint32_t half = left / 2;
    first += at(first + half - 1) < wanted ? half : 0;
    left -= half;
  }
  return first + (at(first) < wanted ? 1U : 0U);
}

}  // namespace

void IdPageBuilder::add(std::span<const std::uint64_t> ids, ByteRange stored,
                        std::uint64_t checksum) {
  const std::uint64_t span = ids.back() - ids.front();
  BlockEntry entry{.first_id = ids.front(),
                   .stored = stored,
                   .checksum = checksum,
                   .rows = static_cast<std::uint32_t>(ids.size())};
  if (span != ids.size() - 1) {
    entry.id_width = width_for(span);
    entry.ids_offset = static_cast<std::uint32_t>(ids_.size());
    ids_.resize(ids_.size() + ids.size() * entry.id_width);
    std::byte* to = ids_.data() + entry.ids_offset;
    for (const std::uint64_t id : ids) {
      const std::uint64_t delta = id - ids.front();
      std::memcpy(to, &delta, entry.id_width);  // little-endian: the low bytes come first
      to += entry.id_width;
    }
  }
  entries_.push_back(entry);
  last_id_ = ids.back();
}

std::vector<std::byte> IdPageBuilder::finish(std::uint64_t number) {
  const std::uint64_t ids_at = kPageHeadBytes + entries_.size() * kBlockEntryBytes;
  std::vector<std::byte> bytes(static_cast<std::size_t>(ids_at) + ids_.size());
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store_le(std::span(bytes), 8, number);
  store_le(std::span(bytes), 16, static_cast<std::uint32_t>(entries_.size()));
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const BlockEntry& entry = entries_[i];
    const auto at = std::span(bytes).subspan(
        static_cast<std::size_t>(kPageHeadBytes + i * kBlockEntryBytes), kBlockEntryBytes);
    store_le(at, 0, entry.first_id);
    store_le(at, 8, entry.stored.offset);
    store_le(at, 16, entry.checksum);
    store_le(at, 24, static_cast<std::uint32_t>(entry.stored.length));
    store_le(at, 28, entry.rows);
    const std::uint64_t offset = entry.id_width == 0 ? 0 : ids_at + entry.ids_offset;
    store_le(at, 32, static_cast<std::uint32_t>(offset));
    store_le(at, 36, static_cast<std::uint8_t>(SnapshotCodec::none));
    store_le(at, 37, entry.id_width);
  }
  if (!ids_.empty()) std::memcpy(bytes.data() + ids_at, ids_.data(), ids_.size());
  entries_.clear();
  ids_.clear();
  return bytes;
}

std::uint64_t IdPage::most_bytes(const Description& description, std::uint64_t number) noexcept {
  return kPageHeadBytes + description.blocks_of_page(number) * kBlockEntryBytes +
         description.rows_of_page(number) * sizeof(std::uint64_t);
}

const char* IdPage::fault(std::span<const std::byte> bytes, const Description& description,
                          std::uint64_t number, const RootEntry& root) noexcept {
  const std::uint32_t blocks = description.blocks_of_page(number);
  std::uint64_t ids_at = kPageHeadBytes + blocks * kBlockEntryBytes;
  if (bytes.size() < ids_at || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0 ||
      load_le<std::uint64_t>(bytes, 8) != number || load_le<std::uint32_t>(bytes, 16) != blocks ||
      !base::all_zeros(bytes.subspan(20, 12))) {
    return "does not say what it should be";
  }
  const IdPage page(bytes, description, number);
  std::uint64_t next_id = root.first_id;  // the least that the next id may be
  bool past_the_last = false;             // no larger id is left
  for (std::uint32_t i = 0; i < blocks; ++i) {
    const BlockEntry block = page.block(i);
    const std::uint64_t block_number = number * kBlocksPerPage + i;
    const auto entry = bytes.subspan(entry_at(i), kBlockEntryBytes);
    const std::uint64_t offset =
        kHeaderBytes + description.first_row(block_number) * description.stride();
    const std::uint64_t length = block.rows * description.stride();
    const auto width = load_le<std::uint8_t>(entry, 37);
    if (load_le<std::uint32_t>(entry, 28) != block.rows || block.stored.offset != offset ||
        block.stored.length != length || entry[36] != std::byte{0} ||
        !base::all_zeros(entry.subspan(38, 2)) || !is_width(width)) {
      return "describes a block that cannot be";
    }
    const std::uint64_t ids_bytes = std::uint64_t{block.rows} * width;
    if (block.ids_offset != (width == 0 ? 0 : ids_at) || ids_bytes > bytes.size() - ids_at) {
      return "has ids out of place";
    }
    ids_at += ids_bytes;
    if (past_the_last || block.first_id < next_id || (i == 0 && block.first_id != next_id)) {
      return "has ids that do not ascend";
    }
    std::uint64_t last = 0;
    for (std::uint32_t row = 0; block.id_width != 0 && row < block.rows; ++row) {
      const std::uint64_t delta = page.delta(block, row);
      if (row == 0 ? delta != 0 : delta <= last) return "has ids that do not ascend";
      last = delta;
    }
    if (block.id_width == 0) last = block.rows - 1;
    if (last > std::numeric_limits<std::uint64_t>::max() - block.first_id) {
      return "has ids past the largest";
    }
    const std::uint64_t last_id = block.first_id + last;
    past_the_last = last_id == std::numeric_limits<std::uint64_t>::max();
    next_id = past_the_last ? last_id : last_id + 1;
    if (i + 1 == blocks && last_id != root.last_id) return "does not end with the id it should";
  }
  return ids_at == bytes.size() ? nullptr : "has bytes behind its ids";
}

BlockEntry IdPage::block(std::uint32_t index) const noexcept {
  const auto at = bytes_.subspan(entry_at(index), kBlockEntryBytes);
  BlockEntry block;
  block.first_id = load_le<std::uint64_t>(at, 0);
  block.stored = {load_le<std::uint64_t>(at, 8), load_le<std::uint32_t>(at, 24)};
  block.checksum = load_le<std::uint64_t>(at, 16);
  block.rows = description_.rows_of_block(number_ * kBlocksPerPage + index);
  block.ids_offset = load_le<std::uint32_t>(at, 32);
  block.id_width = load_le<std::uint8_t>(at, 37);
  const ByteRange ids{block.ids_offset, std::uint64_t{block.rows} * block.id_width};
  if (!is_width(block.id_width) || !ids.fits(bytes_.size())) block.id_width = 0;
  block.last_id = block.first_id + delta(block, block.rows - 1);
  return block;
}

std::uint64_t IdPage::delta(const BlockEntry& block, std::uint32_t row) const noexcept {
  if (block.id_width == 0) return row;
  std::uint64_t delta = 0;
  const std::size_t at = block.ids_offset + std::size_t{row} * block.id_width;
  std::memcpy(&delta, bytes_.data() + at, block.id_width);
  return delta;
}

std::uint32_t IdPage::block_for(std::uint64_t id) const noexcept {
  std::uint32_t first = 0;
  for (std::uint32_t left = blocks(); left > 1;) {
    const std::uint32_t half = left / 2;
    first += first_id(first + half) <= id ? half : 0;
    left -= half;
  }
  return first;
}

std::uint32_t IdPage::lower_bound(const BlockEntry& block, std::uint64_t id) const noexcept {
  if (id <= block.first_id) return 0;
  const std::uint64_t wanted = id - block.first_id;
  const std::byte* ids = bytes_.data() + block.ids_offset;
  switch (block.id_width) {
    case 0:
      return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, block.rows));
    case 2:
      return lower_bound_in<std::uint16_t>(ids, block.rows, wanted);
    case 4:
      return lower_bound_in<std::uint32_t>(ids, block.rows, wanted);
    default:
      return lower_bound_in<std::uint64_t>(ids, block.rows, wanted);
  }
}

}  // namespace quire::snapshot
