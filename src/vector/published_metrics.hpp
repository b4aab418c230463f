// What the writer of a store tells of itself, asked from beside.
#pragma once

#include <string>

#include "os/file_system.hpp"
#include "quire/store_metrics.hpp"

namespace quire::vector {

// Of quire/store_metrics.hpp, on any file system.
[[nodiscard]] Result<PublishedMetrics> published_metrics(os::FileSystem& file_system,
                                                         const std::string& directory);

}  // namespace quire::vector
