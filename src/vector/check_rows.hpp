// Vectors that come to a store, as its rows.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "quire/error.hpp"
#include "quire/vector_ref.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

// The bytes of `rows` as `count` rows of the store: those that came in, or, if the store is to convert and
// their type is another, what they become, which is put into `converted`.
// Errors: mismatch, invalid_argument (a NaN that has no value in the store's type; bits behind the last
// element of a b1 row).
[[nodiscard]] Result<std::span<const std::byte>> rows_for_store(const StoreCore& core,
                                                                const char* operation,
                                                                VectorRef rows, std::size_t count,
                                                                std::vector<std::byte>& converted);

}  // namespace quire::vector
