// NearestOptions: what a search for nearest neighbours goes by.
//
//     view.nearest(query, 10);
//     view.nearest(query, 10, {.metric = quire::Metric::cosine});
//     view.nearest(query, 10, {.filter = [&](std::uint64_t id) { return allowed.contains(id); }});
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "quire/metric.hpp"
#include "quire/progress_callback.hpp"

namespace quire {
inline namespace v0 {

struct NearestOptions {
  Metric metric = Metric::l2;
  // Only vectors whose id it says true for are neighbours; without one, all. Called from several threads at
  // once, in no order, and once for each vector and 256 queries. What it throws leaves `nearest`, which
  // then returns nothing.
  std::function<bool(std::uint64_t id)> filter = {};
  // Called on the calling thread. The unit is unspecified; `done` reaches `total` only with the end.
  ProgressCallback progress = {};
  // Threads to use at most, the calling one among them, 1 or more; unless said, one for each core. The
  // neighbours and their distances do not depend on it.
  std::optional<unsigned> threads = {};
};

}  // namespace v0
}  // namespace quire
