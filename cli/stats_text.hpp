// What `quire stats` shows of a look at a store: for people, and for Prometheus.
#pragma once

#include <string>
#include <vector>

#include "cli/store_look.hpp"

namespace quire::cli {

// Lines for a terminal. Rates are since `before`, if there was a look before.
std::vector<std::string> stats_lines(const std::string& directory, const StoreLook& now,
                                     const StoreLook* before);

// The same in one line, for a log. `clock` is the time of day.
std::string stats_line(const std::string& clock, const StoreLook& now, const StoreLook* before);

// The text of to_prometheus (quire/store_metrics.hpp) with a label store="DIRECTORY"; what the look does
// not have is left out.
std::string stats_prometheus(const std::string& directory, const StoreLook& now);

}  // namespace quire::cli
