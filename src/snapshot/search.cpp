#include "snapshot/search.hpp"

#include <algorithm>

#include "base/try.hpp"
#include "vector/nearest.hpp"

namespace quire::snapshot {

namespace {

// The rows of a snapshot: the portions of its blocks, in order.
class SnapshotRowSupply final : public vector::RowSupply {
 public:
  SnapshotRowSupply(const SnapshotCore& core, const ReadOptions& options)
      : core_(core), options_(options) {}

  std::uint64_t most_rows() const override { return core_.description().rows; }
  std::uint64_t portions() const override {
    return core_.description().blocks() * portions_of_block();
  }

  Result<void> fill(std::uint64_t number, vector::RowPortion& portion) const override {
    const std::uint64_t block = number / portions_of_block();
    const std::uint64_t first = number % portions_of_block() * vector::RowPortion::kMostRows;
    const std::uint64_t rows = core_.description().rows_of_block(block);
    portion.count = 0;
    if (first >= rows) return {};  // the last block may have fewer
    portion.count = static_cast<std::size_t>(
        std::min<std::uint64_t>(vector::RowPortion::kMostRows, rows - first));
    QUIRE_TRY(Checked checked, core_.block(block, options_));
    QUIRE_CHECK(core_.ids(block, static_cast<std::uint32_t>(first),
                          std::span(portion.ids).first(portion.count), options_));
    for (std::size_t i = 0; i < portion.count; ++i) {
      portion.rows[i] =
          checked.bytes.data() + (static_cast<std::size_t>(first) + i) * core_.stride();
    }
    portion.keep = std::move(checked.keep);
    return {};
  }

  Error fault(std::uint64_t /*number*/, const std::byte* address) const override {
    return core_.fault("nearest", address);
  }

 private:
  std::uint64_t portions_of_block() const noexcept {
    constexpr std::uint64_t kMost = vector::RowPortion::kMostRows;
    return (core_.description().block_rows + kMost - 1) / kMost;
  }

  const SnapshotCore& core_;
  const ReadOptions& options_;
};

}  // namespace

Result<std::vector<std::vector<Neighbour>>> search(const SnapshotCore& core, VectorRef queries,
                                                   std::size_t k, const NearestOptions& options,
                                                   const ReadOptions& read_options) {
  const Description& description = core.description();
  auto found = vector::nearest(SnapshotRowSupply(core, read_options), description.element_type,
                               description.dimension, queries, k, options);
  if (found) QUIRE_CHECK(core.check_tail("nearest"));
  return found;
}

}  // namespace quire::snapshot
