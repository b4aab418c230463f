// Which process this is.
#pragma once

#include <cstdint>

namespace quire::os {

// The number of the calling process; another one in a child of fork().
[[nodiscard]] std::int64_t process_id() noexcept;

}  // namespace quire::os
