// BulkLoader: many threads fill a vector store at once.
//
// Use it to load more than one thread can read, convert and write; to load from one thread,
// VectorStore::put_batch does as well. Each thread claims rows that nobody else gets and writes them
// straight to their place; a commit makes what was written visible and durable, and writes no byte of a
// row again.
//
//     auto loader = store.bulk_load({.expected_rows = rows}).value();
//     // in each of many threads:
//     auto part = loader.claim(10'000).value();
//     part.append(ids, vectors).value();              // written, seen by nobody
//     loader.commit(std::move(part)).value();         // visible and durable
//
// Or give all parts to one commit: they are then one batch, visible and durable whole or not at all.
// Other writes of the store go on beside.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/vector_store.hpp"

namespace quire {

namespace vector {
class BulkLoad;
class ClaimedRows;
}  // namespace vector

inline namespace v0 {

// Rows that only their holder writes. Thread-compatible: others may write other rows at the same time.
// Move-only. One that was moved from or committed has no rows, and `append` returns `closed`.
//
// Dropped without a commit, its vectors are not in the store: the rows that were not written may be
// claimed again, those that were stay unused, at least until the store is opened again.
class QUIRE_EXPORT BulkRows {
 public:
  BulkRows(BulkRows&&) noexcept;
  BulkRows& operator=(BulkRows&&) noexcept;
  BulkRows(const BulkRows&) = delete;
  BulkRows& operator=(const BulkRows&) = delete;
  ~BulkRows();

  // Writes row i of the matrix `rows` for ids[i] behind what was appended before; takes no lock. Nobody
  // sees it, and nothing survives, before the commit. What a failed call was to add is not there, and
  // may be appended again. Errors: mismatch (element type, dimension, not as many rows as ids) and
  // invalid_argument, both as VectorStore::put; out_of_range (more rows than are left of the claim: nothing was written), no_space, io, closed.
  [[nodiscard]] Result<void> append(std::span<const std::uint64_t> ids, VectorRef rows);

  // Rows that were claimed, and of these, rows that were appended.
  std::uint64_t capacity() const noexcept;
  std::uint64_t size() const noexcept;

 private:
  friend class BulkLoader;
  explicit BulkRows(std::unique_ptr<vector::ClaimedRows> rows) noexcept;
  std::unique_ptr<vector::ClaimedRows> rows_;
};

// Thread-safe. Move-only; one that was moved from returns `closed`.
//
// While a loader or rows of it live, VectorStore::close is `busy`. They may outlive the store object,
// and go on: until the last of them is gone, the files stay open and other writers get `busy`.
class QUIRE_EXPORT BulkLoader {
 public:
  BulkLoader(BulkLoader&&) noexcept;
  BulkLoader& operator=(BulkLoader&&) noexcept;
  BulkLoader(const BulkLoader&) = delete;
  BulkLoader& operator=(const BulkLoader&) = delete;
  ~BulkLoader();

  // Gives `rows` rows, at least 1, that nobody else gets. Disk space is taken for them, a block at a
  // time, where the file system can; seldom waits for other writes. Errors: invalid_argument (0 rows),
  // capacity (2^40 rows), no_space, read_only_after_error (see VectorStore::put), io, closed.
  [[nodiscard]] Result<BulkRows> claim(std::uint64_t rows);

  // Makes the rows one batch, as VectorStore::put_batch does: when it returns, their vectors are visible,
  // and survive what the store's durability says. Of an id that comes twice the last counts. The rows
  // are spent. Without a row nothing happens.
  // Errors, after which none of the vectors is there and the rows are as before, to be committed again:
  // as VectorStore::put, but that after outcome_unknown, or when memory runs out, they are there or not
  // once the store is opened again; mismatch (rows of another store); closed (rows that were spent or
  // moved from).
  [[nodiscard]] Result<void> commit(BulkRows&& rows);
  // The same for all of `rows` together; their order says which vector of an id is the last.
  [[nodiscard]] Result<void> commit(std::span<BulkRows> rows);

 private:
  friend class VectorStore;
  explicit BulkLoader(std::shared_ptr<vector::BulkLoad> load) noexcept;
  std::shared_ptr<vector::BulkLoad> load_;
};

}  // namespace v0
}  // namespace quire
