#pragma once

#include <cstddef>

#include "quire/element_type.hpp"
#include "quire/error.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

// Checks that `bytes` bytes of `type` are `rows` rows of the store. Errors: mismatch.
[[nodiscard]] Result<void> check_rows(const StoreCore& core, const char* operation,
                                      ElementType type, std::size_t bytes, std::size_t rows);

}  // namespace quire::vector
