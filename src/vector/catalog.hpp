// Catalog: what the store holds, in memory: all versions, and the index that leads to the newest.
#pragma once

#include <cstdint>

#include "vector/epochs.hpp"
#include "vector/format.hpp"
#include "vector/id_index.hpp"
#include "vector/version_table.hpp"

namespace quire::vector {

// One thread applies; any number look up at the same time, each inside a view (see Epochs).
class Catalog {
 public:
  Catalog() : index_(epochs_) {}

  // Adds the next version. LSNs never decrease. Writer only.
  void apply(const SlotEntry& entry) {
    const std::uint64_t older = index_.find(entry.id);
    const bool was_live = older != 0 && versions_[older - 1].is_put();
    const bool is_put = entry.kind == OperationKind::put;
    if (older != 0) versions_[older - 1].supersede(entry.lsn);
    const std::uint64_t number = versions_.append({.id = entry.id,
                                                   .lsn = entry.lsn,
                                                   .row = is_put ? entry.row : kNoRow,
                                                   .row_checksum = entry.row_checksum,
                                                   .older = older,
                                                   .superseded = kNotSuperseded});
    index_.set(entry.id, number + 1);
    live_ += (is_put ? 1U : 0U);
    live_ -= (was_live ? 1U : 0U);
  }

  // The version of `id` that a view at `lsn` shows; nullptr if it shows none.
  const Version* find(std::uint64_t id, std::uint64_t lsn) const noexcept {
    std::uint64_t number = index_.find(id);
    while (number != 0) {
      const Version& version = versions_[number - 1];
      if (version.lsn <= lsn) return version.is_put() ? &version : nullptr;
      number = version.older;
    }
    return nullptr;
  }

  // The newest version of `id`; nullptr if it was never put or removed. Writer only.
  const Version* newest(std::uint64_t id) const noexcept {
    const std::uint64_t number = index_.find(id);
    return number == 0 ? nullptr : &versions_[number - 1];
  }

  // True if the newest version of `id` is a put. Writer only.
  bool is_live(std::uint64_t id) const noexcept {
    const std::uint64_t number = index_.find(id);
    return number != 0 && versions_[number - 1].is_put();
  }

  // The entry of the slots file that says what version `number` does.
  SlotEntry entry(std::uint64_t number) const noexcept {
    const Version& version = versions_[number];
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
  Epochs epochs_;
  IdIndex index_;
  VersionTable versions_;
  std::uint64_t live_ = 0;
};

}  // namespace quire::vector
