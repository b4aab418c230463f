// What the tests of bulk loads share: claims that know what was appended to them.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "quire/bulk_loader.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {

// Rows of a bulk load, and the vectors in them.
struct Claim {
  BulkRows rows;
  std::vector<std::pair<std::uint64_t, std::vector<std::uint8_t>>> appended;

  // Vectors marked `mark`, `mark` + 1, … under `ids`.
  Result<void> append(std::span<const std::uint64_t> ids, std::uint64_t mark,
                      std::size_t dimension) {
    std::vector<std::uint8_t> matrix;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto row = vector_of(mark + i, dimension);
      matrix.insert(matrix.end(), row.begin(), row.end());
    }
    auto result = rows.append(ids, matrix);
    for (std::size_t i = 0; result && i < ids.size(); ++i) {
      appended.emplace_back(ids[i], vector_of(mark + i, dimension));
    }
    return result;
  }

  void put_into(Model& model) const {
    for (const auto& [id, row] : appended) model[id] = row;
  }
};

// Commits the claims together. They are spent if that succeeds, and as before if not.
inline Result<void> commit_all(BulkLoader& loader, std::span<Claim> claims) {
  std::vector<BulkRows> parts;
  for (Claim& claim : claims) parts.push_back(std::move(claim.rows));
  auto result = loader.commit(parts);
  for (std::size_t i = 0; i < parts.size(); ++i) claims[i].rows = std::move(parts[i]);
  return result;
}

class BulkLoadTest : public StoreTest {
 protected:
  // Small blocks, so that the store is asked for more now and then.
  BulkLoader load(const BulkLoadOptions& options = {.block_bytes = 20 * kDimension}) {
    return store_->bulk_load(options).value();
  }

  static Claim claim(BulkLoader& loader, std::uint64_t rows) {
    return {.rows = loader.claim(rows).value(), .appended = {}};
  }

  ::testing::AssertionResult append(Claim& claim, const std::vector<std::uint64_t>& ids) {
    mark_ += ids.size();
    return succeeded(claim.append(ids, mark_ - ids.size(), kDimension));
  }

  ::testing::AssertionResult commit(BulkLoader& loader, Claim& claim) {
    return commit(loader, std::span(&claim, 1));
  }
  ::testing::AssertionResult commit(BulkLoader& loader, std::span<Claim> claims) {
    const auto result = commit_all(loader, claims);
    if (result) {
      for (const Claim& claim : claims) claim.put_into(model_);
    }
    return succeeded(result);
  }

  std::uint64_t mark_ = 1'000'000;
};

}  // namespace quire::vector
