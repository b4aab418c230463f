// ViewState: what a ReadView holds.
#pragma once

#include <cstdint>
#include <memory>

#include "vector/catalog.hpp"
#include "vector/metrics.hpp"
#include "vector/row_file.hpp"
#include "vector/view_registry.hpp"

namespace quire::vector {

// Immutable. The epoch keeps what the index replaced, the map the rows, for as long as the view lives.
struct ViewState {
  StoreIdentity identity;
  std::shared_ptr<const Catalog> catalog;
  std::shared_ptr<const Epoch> epoch;
  std::shared_ptr<const RowMap> rows;
  std::uint64_t lsn = 0;
  std::uint64_t versions = 0;  // versions below this number are of batches up to lsn
  std::uint64_t live = 0;
  // Of each id that a batch after it put or removed, at least the newest such version is there.
  std::uint64_t history_lsn = 0;
  std::shared_ptr<StoreMetrics> metrics;
  ViewRegistry::Place place;
};

}  // namespace quire::vector
