// Numbers that cannot be guessed, for salts and ids.
#pragma once

#include <cstdint>

namespace quire::base {

// From the system. Thread-safe.
[[nodiscard]] std::uint64_t random_u64();

}  // namespace quire::base
