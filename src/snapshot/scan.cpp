#include "snapshot/scan.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"

namespace quire {

namespace snapshot {

namespace {

// Finds the block where the scan begins. A page that is lost is no error here: it is met again.
template <class IsLost>
Result<void> place(const SnapshotCore& core, ScanPosition& position, const ReadOptions& options,
                   const IsLost& is_lost) {
  const std::uint64_t page = core.page_for(position.first_id);
  std::uint32_t index = 0;
  if (page < core.root().size()) {
    const auto checked = core.page(page, options);
    if (checked) {
      QUIRE_CHECK(core.guarded("scan", checked->bytes, [&]() noexcept {
        const IdPage ids(checked->bytes, core.description(), page);
        index = ids.block_for(position.first_id);
      }));
    } else if (!is_lost(checked.error())) {
      return std::unexpected(checked.error());
    }
  }
  position.block = std::min(page * kBlocksPerPage + index, core.description().blocks());
  position.is_placed = true;
  return {};
}

// The rows of the block whose ids are inside the position's bounds; maybe none.
Result<SnapshotRows> rows_inside(const SnapshotCore& core, std::uint64_t block,
                                 const ScanPosition& position, const ReadOptions& options) {
  QUIRE_TRY(std::vector<std::uint64_t> ids, core.ids(block, options));
  const auto begin = std::ranges::lower_bound(ids, position.first_id);
  const auto end = std::ranges::upper_bound(ids, position.last_id);
  if (begin >= end) return SnapshotRows{};
  const auto first = static_cast<std::size_t>(begin - ids.begin());
  const auto count = static_cast<std::size_t>(end - begin);
  QUIRE_TRY(Checked checked, core.block(block, options));
  const auto bytes = checked.bytes.subspan(first * core.stride(), count * core.stride());
  SnapshotRows rows{.first_row = core.description().first_row(block) + first,
                    .ids = std::vector<std::uint64_t>(begin, end),
                    .rows = {}};
  if (checked.keep.empty()) {
    rows.rows = Bytes::borrow(bytes, core.shared_from_this());
    return rows;
  }
  QUIRE_TRY(rows.rows, checked.keep.slice(first * core.stride(), bytes.size()));
  return rows;
}

}  // namespace

Result<SnapshotRows> next_rows(const SnapshotCore& core, ScanPosition& position,
                               const ReadOptions& options,
                               std::optional<SnapshotDamage>* left_out) {
  const std::uint64_t blocks = core.description().blocks();
  const auto is_lost = [left_out](const Error& error) {
    return error.code() == ErrorCode::corrupt ||
           (error.code() == ErrorCode::io && left_out != nullptr);
  };
  if (left_out != nullptr) left_out->reset();
  if (!position.is_placed) QUIRE_CHECK(place(core, position, options, is_lost));
  while (position.block < blocks) {
    const std::uint64_t page = position.block / kBlocksPerPage;
    if (core.root()[static_cast<std::size_t>(page)].first_id > position.last_id) break;
    const auto entry = core.entry(position.block, options);
    if (!entry) {
      if (!is_lost(entry.error())) return std::unexpected(entry.error());
      if (left_out != nullptr) {
        *left_out = core.damage_of_page(page, kUnreadable);
        if (entry.error().code() == ErrorCode::corrupt) (*left_out)->what = entry.error().detail();
      }
      position.block = std::min((page + 1) * kBlocksPerPage, blocks);
      return std::unexpected(entry.error());
    }
    if (entry->first_id > position.last_id) break;
    auto rows = rows_inside(core, position.block, position, options);
    if (!rows && !is_lost(rows.error())) return rows;
    if (!rows && left_out != nullptr) {
      const bool was_read = rows.error().code() == ErrorCode::corrupt;
      *left_out =
          core.damage_of_block(position.block, *entry, was_read ? kWrongChecksum : kUnreadable);
    }
    ++position.block;
    if (!rows || !rows->ids.empty()) return rows;
  }
  position.block = blocks;
  return SnapshotRows{};
}

}  // namespace snapshot

inline namespace v0 {

SnapshotScan Snapshot::scan(std::uint64_t first_id, std::uint64_t last_id) const {
  return {core_, {.first_id = first_id, .last_id = last_id}};
}

Result<SnapshotRows> SnapshotScan::next(const ReadOptions& options) {
  return snapshot::next_rows(*core_, position_, options);
}

}  // namespace v0
}  // namespace quire
