// Exact nearest neighbours over a view.
#pragma once

#include <cstddef>
#include <vector>

#include "quire/vector_store.hpp"
#include "vector/view_state.hpp"

namespace quire::vector {

// As ReadView::nearest, whose checks were made: `queries` are whole rows of the view's type without a
// NaN, and k is not 0. Thread-safe.
[[nodiscard]] Result<std::vector<std::vector<Neighbour>>> nearest(
    const ViewState& view, std::span<const std::byte> queries, std::size_t k, Metric metric,
    const ProgressCallback& progress);

}  // namespace quire::vector
