// Catalog: what the store holds, in memory: all versions, and the index that leads to the newest.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "vector/epochs.hpp"
#include "vector/format.hpp"
#include "vector/id_index.hpp"
#include "vector/index_word.hpp"
#include "vector/version_table.hpp"

namespace quire::vector {

// One thread applies; any number look up at the same time, each inside a view (see Epochs).
class Catalog {
 public:
  Catalog() : index_(epochs_) {}

  // Adds the next version. LSNs never decrease. Writer only.
  void apply(const SlotEntry& entry) {
    const IndexWord before(index_.find(entry.id));
    const std::uint64_t row = entry.kind == OperationKind::put ? entry.row : kNoRow;
    if (before.version() != 0) versions_.supersede(before.version() - 1, entry.lsn);
    const std::uint64_t number = versions_.append({.id = entry.id,
                                                   .lsn = entry.lsn,
                                                   .row = row,
                                                   .row_checksum = entry.row_checksum,
                                                   .older = before.version(),
                                                   .superseded = kNotSuperseded});
    index_.set(entry.id, IndexWord(number, row).value());
    live_ += row != kNoRow ? 1U : 0U;
    live_ -= before.is_put() ? 1U : 0U;
  }

  // The version of `id` that a view at `lsn` shows; none if it shows none.
  std::optional<Version> find(std::uint64_t id, std::uint64_t lsn) const noexcept {
    std::uint64_t number = IndexWord(index_.find(id)).version();
    while (number != 0 && versions_.lsn(number - 1) > lsn) number = versions_.older(number - 1);
    return put_of(number);
  }
  // The version of `id` that a view of the first `versions` versions shows; none if it shows none.
  std::optional<Version> find_in_first(std::uint64_t versions, std::uint64_t id) const noexcept {
    return put_of(visible(IndexWord(index_.find(id)).version(), versions));
  }
  // The row of `id` that such a view shows; kNoRow if it shows none.
  std::uint64_t find_row(std::uint64_t versions, std::uint64_t id) const noexcept {
    return row_of(IndexWord(index_.find(id)), versions);
  }
  // The same for many ids, whose waits for memory overlap. REQUIRES: rows.size() == ids.size().
  void find_rows(std::uint64_t versions, std::span<const std::uint64_t> ids,
                 std::span<std::uint64_t> rows) const noexcept {
    index_.find(ids, rows);
    for (std::uint64_t& row : rows) row = row_of(IndexWord(row), versions);
  }

  // The newest version of `id`; none if it was never written. Writer only.
  std::optional<Version> newest(std::uint64_t id) const noexcept {
    const std::uint64_t number = IndexWord(index_.find(id)).version();
    if (number == 0) return std::nullopt;
    return versions_[number - 1];
  }
  // True if the newest version of `id` is a put. Writer only.
  bool is_live(std::uint64_t id) const noexcept { return IndexWord(index_.find(id)).is_put(); }

  // The entry of the slots file that says what version `number` does.
  SlotEntry entry(std::uint64_t number) const noexcept {
    const Version version = versions_[number];
    return {.kind = version.is_put() ? OperationKind::put : OperationKind::remove,
            .id = version.id,
            .row = version.is_put() ? version.row : 0,
            .lsn = version.lsn,
            .row_checksum = version.row_checksum};
  }

  const VersionTable& versions() const noexcept { return versions_; }
  std::uint64_t live() const noexcept { return live_; }  // writer only
  Epochs& epochs() noexcept { return epochs_; }

 private:
  friend class CatalogLoad;

  // Numbers plus 1, or 0 for none, from here on.
  std::uint64_t visible(std::uint64_t number, std::uint64_t versions) const noexcept {
    while (number > versions) number = versions_.older(number - 1);
    return number;
  }
  std::optional<Version> put_of(std::uint64_t number) const noexcept {
    if (number == 0 || versions_.row(number - 1) == kNoRow) return std::nullopt;
    return versions_[number - 1];
  }
  std::uint64_t row_of(IndexWord word, std::uint64_t versions) const noexcept {
    if (word.version() <= versions) return word.is_put() ? word.row(versions_) : kNoRow;
    const std::uint64_t number = visible(word.version(), versions);
    return number == 0 ? kNoRow : versions_.row(number - 1);
  }

  Epochs epochs_;
  IdIndex index_;
  VersionTable versions_;
  std::uint64_t live_ = 0;
};

}  // namespace quire::vector
