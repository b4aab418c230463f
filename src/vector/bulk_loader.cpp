#include "quire/bulk_loader.hpp"

#include <utility>
#include <vector>

#include "base/try.hpp"
#include "vector/bulk_load.hpp"

namespace quire {

inline namespace v0 {

namespace {

Error closed(const char* operation, const char* what) {
  return Error(ErrorCode::closed, operation).with_detail(what);
}

}  // namespace

BulkRows::BulkRows(std::unique_ptr<vector::ClaimedRows> rows) noexcept : rows_(std::move(rows)) {}
BulkRows::BulkRows(BulkRows&&) noexcept = default;
BulkRows& BulkRows::operator=(BulkRows&&) noexcept = default;
BulkRows::~BulkRows() = default;

Result<void> BulkRows::append(std::span<const std::uint64_t> ids, VectorRef rows) {
  if (!rows_) return std::unexpected(closed("append", "the rows were committed or moved from"));
  return rows_->append(ids, rows);
}

std::uint64_t BulkRows::capacity() const noexcept { return rows_ ? rows_->capacity() : 0; }
std::uint64_t BulkRows::size() const noexcept { return rows_ ? rows_->operations().size() : 0; }

BulkLoader::BulkLoader(std::shared_ptr<vector::BulkLoad> load) noexcept : load_(std::move(load)) {}
BulkLoader::BulkLoader(BulkLoader&&) noexcept = default;
BulkLoader& BulkLoader::operator=(BulkLoader&&) noexcept = default;
BulkLoader::~BulkLoader() = default;

Result<BulkRows> BulkLoader::claim(std::uint64_t rows) {
  if (!load_) return std::unexpected(closed("claim", "the loader was moved from"));
  QUIRE_TRY(const ByteRange claimed, load_->claim(rows));
  return BulkRows(std::make_unique<vector::ClaimedRows>(load_, claimed));
}

Result<void> BulkLoader::commit(BulkRows&& rows) { return commit(std::span(&rows, 1)); }

Result<void> BulkLoader::commit(std::span<BulkRows> rows) {
  if (!load_) return std::unexpected(closed("commit", "the loader was moved from"));
  std::size_t count = 0;
  for (const BulkRows& part : rows) {
    if (!part.rows_) {
      return std::unexpected(closed("commit", "the rows were committed or moved from"));
    }
    if (&part.rows_->load().core() != &load_->core()) {
      return std::unexpected(Error(ErrorCode::mismatch, "commit")
                                 .with_path(load_->core().directory())
                                 .with_detail("the rows were claimed from another store: " +
                                              part.rows_->load().core().directory()));
    }
    count += part.rows_->operations().size();
  }
  std::vector<vector::Operation> operations;
  operations.reserve(count);
  for (const BulkRows& part : rows) {
    const auto appended = part.rows_->operations();
    operations.insert(operations.end(), appended.begin(), appended.end());
  }
  QUIRE_CHECK(load_->core().commit_rows(std::move(operations)));
  for (BulkRows& part : rows) part.rows_.reset();
  return {};
}

}  // namespace v0
}  // namespace quire
