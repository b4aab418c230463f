// Work that is cut into portions, done by all cores.
#pragma once

#include <cstdint>
#include <functional>

namespace quire::vector {

// Calls work(n) once for each n below `portions`, in that order, on this thread and, where there are more
// cores and portions, on others; returns when all are done. What `work` throws is thrown again, and
// portions that nobody had begun are then left out. Thread-safe.
void on_all_cores(std::uint64_t portions, const std::function<void(std::uint64_t)>& work);

}  // namespace quire::vector
