// Exact nearest neighbours over rows, wherever they lie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "quire/bytes.hpp"
#include "quire/nearest_options.hpp"
#include "quire/vector_store.hpp"

namespace quire::vector {

// Rows that a thread takes at once; of common dimensions they stay in its cache while every query of a
// group meets them.
struct RowPortion {
  static constexpr std::size_t kMostRows = 256;

  std::array<const std::byte*, kMostRows>
      rows;  // `count` of them; they may fault when they are touched
  std::array<std::uint64_t, kMostRows> ids;
  std::size_t count = 0;
  Bytes keep;  // what the rows lie in, where the supply does not keep it
};

// What a search goes over. Thread-safe.
class RowSupply {
 public:
  RowSupply() = default;
  virtual ~RowSupply() = default;
  RowSupply(const RowSupply&) = delete;
  RowSupply& operator=(const RowSupply&) = delete;

  // Bounds of all rows there are.
  [[nodiscard]] virtual std::uint64_t most_rows() const = 0;
  [[nodiscard]] virtual std::uint64_t portions() const = 0;
  // The rows of portion `number`; all portions together have each row once. The rest of `portion` is
  // unspecified.
  [[nodiscard]] virtual Result<void> fill(std::uint64_t number, RowPortion& portion) const = 0;
  // The error for a row of portion `number` that faulted at `address`.
  [[nodiscard]] virtual Error fault(std::uint64_t number, const std::byte* address) const = 0;
};

// As ReadView::nearest, over rows of `dimension` elements of `type`. Thread-safe.
[[nodiscard]] Result<std::vector<std::vector<Neighbour>>> nearest(const RowSupply& supply,
                                                                  ElementType type,
                                                                  std::uint32_t dimension,
                                                                  VectorRef queries, std::size_t k,
                                                                  const NearestOptions& options);

}  // namespace quire::vector
