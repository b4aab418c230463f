// How quire import gets the rows of a vector file into a store, batch by batch in the order of the file:
// by one thread, or read and written by many.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "cli/command.hpp"
#include "cli/row_batches.hpp"
#include "cli/vector_input.hpp"
#include "quire/bulk_loader.hpp"
#include "quire/vector_files.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// Single-thread.
class BatchWriter {
 public:
  BatchWriter() = default;
  virtual ~BatchWriter() = default;
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  // Makes the next batch ready and returns its rows; 0 at the end of the file. An error is the file's, or
  // the store's; the batches before it are stored.
  virtual Outcome<std::uint64_t> prepare() = 0;
  // Stores the batch that is ready, whole or not at all.
  virtual Outcome<> store() = 0;
};

// Batches of a memory each, put one after the other. Small ones are best here: they go through the store's
// log, which syncs once for each.
class OneThreadWriter final : public BatchWriter {
 public:
  // Borrows all; `first` is the first batch of `batches`, whose elements are of `type`.
  OneThreadWriter(VectorStore& store, RowBatches& batches, ElementType type,
                  std::span<const std::byte> first, std::uint64_t first_id)
      : store_(store), batches_(batches), type_(type), batch_(first), next_id_(first_id) {}

  Outcome<std::uint64_t> prepare() override;
  Outcome<> store() override;

 private:
  VectorStore& store_;
  RowBatches& batches_;
  ElementType type_;
  std::span<const std::byte> batch_;
  bool is_ready_ = true;  // batch_ is not stored yet
  std::uint64_t next_id_;
  std::vector<std::uint64_t> ids_;
};

// Threads that each read batches of the file by a reader of their own and write them where they stay; this
// thread commits them in order. They keep near the batch that is committed next.
class ManyThreadsWriter final : public BatchWriter {
 public:
  struct Plan {
    VectorInput input;
    VectorFileOptions format;      // with everything that a reader of the file has found
    std::uint64_t rows = 0;        // of the file
    std::uint64_t first_row = 0;   // that is to be stored
    std::uint64_t block_rows = 0;  // that a reader reads at once
    std::uint64_t batch_rows = 0;
    std::uint64_t first_id = 0;
    unsigned threads = 1;
  };

  ManyThreadsWriter(Plan plan, BulkLoader loader);
  ~ManyThreadsWriter() override;
  ManyThreadsWriter(const ManyThreadsWriter&) = delete;
  ManyThreadsWriter& operator=(const ManyThreadsWriter&) = delete;

  // Begins to read and write, with as many threads as the system grants.
  Outcome<> start();
  Outcome<std::uint64_t> prepare() override QUIRE_EXCLUDES(mutex_);
  Outcome<> store() override;

 private:
  using Written = Outcome<BulkRows>;

  void work() noexcept QUIRE_EXCLUDES(mutex_);
  void write_runs() QUIRE_EXCLUDES(mutex_);
  // The first of the next run_ batches to write; none when there is no more to do.
  std::optional<std::uint64_t> take() QUIRE_EXCLUDES(mutex_);
  // Writes the batches from `first` on that make a run, up to one that fails.
  void write_run(Outcome<VectorFileReader>& reader, std::uint64_t first) QUIRE_EXCLUDES(mutex_);
  void deliver(std::uint64_t batch, Written written) QUIRE_EXCLUDES(mutex_);
  Outcome<VectorFileReader> open_reader() const;
  bool is_stopped() QUIRE_EXCLUDES(mutex_);
  Written write(VectorFileReader& reader, std::uint64_t batch);
  std::uint64_t batches() const {
    return (plan_.rows - plan_.first_row - 1) / plan_.batch_rows + 1;
  }

  const Plan plan_;
  const std::uint64_t run_;  // batches in a row for one thread: as many as its reader reads at once
  BulkLoader loader_;
  std::optional<BulkRows> ready_;

  base::Mutex mutex_;
  base::Condition changed_;
  std::map<std::uint64_t, Written> written_ QUIRE_GUARDED_BY(mutex_);  // by batch
  std::uint64_t next_to_take_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_to_store_ QUIRE_GUARDED_BY(mutex_) = 0;
  bool stopped_ QUIRE_GUARDED_BY(mutex_) = false;
  bool out_of_memory_ QUIRE_GUARDED_BY(mutex_) = false;

  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace quire::cli
