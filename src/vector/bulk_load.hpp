// BulkLoad: what a bulk loader and the rows claimed from it share: the books of the rows that the store
// granted to them. A claim touches no file unless the store has to grant more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.hpp"
#include "quire/range_allocator.hpp"
#include "quire/vector_store.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

// Thread-safe.
class BulkLoad {
 public:
  // Errors: as StoreCore::begin_bulk_load.
  [[nodiscard]] static Result<std::shared_ptr<BulkLoad>> begin(std::shared_ptr<StoreCore> core,
                                                               const BulkLoadOptions& options);
  BulkLoad(const BulkLoad&) = delete;
  BulkLoad& operator=(const BulkLoad&) = delete;
  ~BulkLoad();

  // So many rows behind each other. Errors: as BulkLoader::claim.
  [[nodiscard]] Result<ByteRange> claim(std::uint64_t rows) QUIRE_EXCLUDES(mutex_);
  // Takes back claimed rows that were not written.
  void give_back(ByteRange rows) noexcept QUIRE_EXCLUDES(mutex_);

  StoreCore& core() const noexcept { return *core_; }
  const RowFile& row_file() const noexcept { return *row_file_; }

 private:
  BulkLoad(std::shared_ptr<StoreCore> core, const BulkLoadOptions& options);
  Result<void> grow(std::uint64_t rows) QUIRE_REQUIRES(mutex_);

  const std::shared_ptr<StoreCore> core_;
  const std::uint64_t block_rows_;
  std::shared_ptr<const RowFile> row_file_;  // set by begin

  base::Mutex mutex_;
  // Over row numbers: those that were not granted to this load count as handed out.
  SequentialAllocator rows_ QUIRE_GUARDED_BY(mutex_){0};
  std::uint64_t next_grant_ QUIRE_GUARDED_BY(mutex_);
};

// The rows of one claim. Thread-compatible.
class ClaimedRows {
 public:
  ClaimedRows(std::shared_ptr<BulkLoad> load, ByteRange rows) noexcept
      : load_(std::move(load)), rows_(rows) {}
  ClaimedRows(const ClaimedRows&) = delete;
  ClaimedRows& operator=(const ClaimedRows&) = delete;
  ~ClaimedRows();

  [[nodiscard]] Result<void> append(std::span<const std::uint64_t> ids, VectorRef rows);

  const BulkLoad& load() const noexcept { return *load_; }
  std::uint64_t capacity() const noexcept { return rows_.length; }
  // What was appended.
  std::span<const Operation> operations() const noexcept { return operations_; }

 private:
  void make_room(std::size_t rows);
  void remember(std::span<const std::uint64_t> ids, std::span<const std::byte> rows);
  void start_writeback();

  const std::shared_ptr<BulkLoad> load_;
  const ByteRange rows_;  // row numbers
  std::vector<Operation> operations_;
  std::uint64_t started_ = 0;  // rows whose writing out was started
};

}  // namespace quire::vector
