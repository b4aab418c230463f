// Creating and opening a store, and recovering what a crash left. The steps:
// docs/formats/vector-store.md, "Creating" and "Opening".
#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "vector/catalog_load.hpp"
#include "vector/control_page.hpp"
#include "vector/network_refusal.hpp"
#include "vector/replay.hpp"
#include "vector/store_builder.hpp"
#include "vector/store_core.hpp"
#include "vector/writer_lock.hpp"

namespace quire::vector {

namespace {

Error error_at(ErrorCode code, const char* operation, const std::string& path, std::string detail) {
  return Error(code, operation).with_path(path).with_detail(std::move(detail));
}

Result<void> check_wanted(const std::string& directory, const Manifest& manifest,
                          const OpenStoreOptions& wanted) {
  const auto differs = [&](const std::string& what, const std::string& is,
                           const std::string& asked) {
    return std::unexpected(error_at(ErrorCode::mismatch, "open", directory,
                                    "the store has " + what + " " + is + ", not " + asked));
  };
  if (wanted.dimension && *wanted.dimension != manifest.identity.dimension) {
    return differs("dimension", std::to_string(manifest.identity.dimension),
                   std::to_string(*wanted.dimension));
  }
  if (wanted.element_type && *wanted.element_type != manifest.identity.element_type) {
    return differs("element type", std::string(to_string(manifest.identity.element_type)),
                   std::string(to_string(*wanted.element_type)));
  }
  if (wanted.durability && *wanted.durability != manifest.durability) {
    return differs("durability", std::string(to_string(manifest.durability)),
                   std::string(to_string(*wanted.durability)));
  }
  return {};
}

}  // namespace

Result<void> StoreCore::create(os::FileSystem& file_system, const std::string& directory,
                               const VectorStoreOptions& options) {
  QUIRE_TRY(StoreBuilder builder, StoreBuilder::create(file_system, directory, options));
  return builder.finish();
}

StoreCore::StoreCore(os::FileSystem& file_system, std::string directory, StoreMode mode,
                     const OpenStoreOptions& options, const Manifest& manifest)
    : file_system_(file_system),
      directory_(std::move(directory)),
      mode_(mode),
      options_(options),
      identity_(manifest.identity),
      durability_(manifest.durability),
      spares_(file_system, directory_, options.spare_log_bytes),
      manifest_(manifest),
      checkpoint_at_(options.checkpoint_log_bytes),
      compact_at_dead_rows_(least_dead_rows()),
      punch_at_dead_rows_(least_dead_rows()) {}

StoreCore::~StoreCore() {
  stop_.request_stop();
  background_.stop();
  const base::MutexLock lock(write_mutex_);
  leave_views_whole();
}

Result<std::unique_ptr<StoreCore>> StoreCore::open(os::FileSystem& file_system,
                                                   const std::string& directory, StoreMode mode,
                                                   const OpenStoreOptions& options) {
  if (!options.allow_network_file_system) {
    QUIRE_CHECK(refuse_network_file_system(file_system, "open", directory));
  }
  QUIRE_TRY(Manifest manifest, read_manifest(file_system, directory));
  QUIRE_CHECK(check_wanted(directory, manifest, options));
  if (mode == StoreMode::read_only) {
    return open_reader(file_system, directory, options, manifest);
  }
  QUIRE_TRY(auto lock, take_writer_lock(file_system, directory));
  // Readers are told nothing until it is known what there is.
  QUIRE_CHECK(clear_control_page(*lock));
  // The last writer may have changed it before the lock was ours.
  QUIRE_TRY(manifest, read_manifest(file_system, directory));
  return open_with(file_system, directory, mode, options, manifest, std::move(lock));
}

Result<std::unique_ptr<StoreCore>> StoreCore::open_with(
    os::FileSystem& file_system, const std::string& directory, StoreMode mode,
    const OpenStoreOptions& options, const Manifest& manifest, std::unique_ptr<os::File> lock) {
  std::unique_ptr<StoreCore> core(new StoreCore(file_system, directory, mode, options, manifest));
  const base::MutexLock upkeep(core->upkeep_mutex_);
  const base::MutexLock hold(core->write_mutex_);
  core->lock_ = std::move(lock);
  QUIRE_CHECK(core->load());
  return core;
}

Result<void> StoreCore::load() {
  const bool writes = mode_ == StoreMode::read_write;
  const os::OpenMode mode = writes ? os::OpenMode::read_write : os::OpenMode::read;
  ReplayBounds bounds;
  if (!writes) {
    QUIRE_TRY(bounds, bounds_of_writer());
  }
  // First, before the long work: a writer beside a reader may remove their names at any time.
  QUIRE_TRY(LogSet logs, open_logs(file_system_, directory_, manifest_));
  QUIRE_TRY(rows_, RowFile::open(file_system_, directory_, manifest_, mode));
  if (!writes) QUIRE_CHECK(keep_rows_whole());
  QUIRE_TRY(slots_, SlotFile::open(file_system_, directory_, manifest_, mode));
  QUIRE_CHECK(load_slots());
  next_row_ = used_rows_ = manifest_.row_limit;
  return writes ? recover(std::move(logs)) : load_read_only(std::move(logs), bounds);
}

Result<void> StoreCore::load_slots() { return load_catalog(*slots_, manifest_, *catalog_); }

void StoreCore::apply(const ReplayedBatch& batch) {
  for (const Operation& operation : batch.operations) {
    catalog_->apply(entry_of(operation, batch.lsn));
    if (operation.kind == OperationKind::put) used_rows_ = std::max(used_rows_, operation.row + 1);
  }
  next_row_ = used_rows_;
}

// Writes the rows of a replayed batch once more, so that the next sync covers them: those that the log
// carried may never have reached the disk, and those in the file neither, unless they were synced before
// their record was written. A sync that failed, in this process or another, may have made the kernel drop
// them from what it still has to write, while it still shows them.
Result<void> StoreCore::restore_rows(const ReplayedBatch& batch) {
  const bool were_synced = durability_ == Durability::power_loss && !rows_->sync_has_failed();
  if (!batch.carries_rows && were_synced) return {};
  const auto stride = static_cast<std::size_t>(identity_.stride());
  const auto& operations = batch.operations;
  std::vector<std::byte> from_file;
  std::size_t at = 0;
  for (std::size_t first = 0; first < operations.size();) {
    const std::size_t count = run_of_puts(operations, first, stride);
    if (count == 0) {
      ++first;
      continue;
    }
    std::span<const std::byte> rows;
    if (batch.carries_rows) {
      rows = std::span(batch.carried_rows).subspan(at, count * stride);
      at += rows.size();
    } else {
      from_file.resize(count * stride);
      QUIRE_CHECK(rows_->read(operations[first].row, from_file));
      rows = from_file;
    }
    QUIRE_CHECK(rows_->write(operations[first].row, rows));
    first += count;
  }
  return {};
}

// Names that an earlier process made, but did not live to sync, become durable before anything relies on
// them: else a power cut could take back a MANIFEST, or the store's own directory, after its logs were
// removed or a write was acknowledged.
Result<void> StoreCore::sync_names() {
  QUIRE_CHECK(file_system_.sync_directory(directory_));
  auto parent = file_system_.sync_directory(os::parent_directory(directory_));
  // A parent that may not be opened is not this process's to sync.
  if (!parent && parent.error().code() == ErrorCode::permission) return {};
  return parent;
}

Result<void> StoreCore::recover(LogSet logs) {
  QUIRE_CHECK(sync_names());
  remove_leftovers();  // before recovery needs space
  spares_.adopt();
  ignore_error(hold_manifest_space(file_system_, directory_));
  QUIRE_TRY(ReplayOutcome outcome,
            replay_logs(std::move(logs), manifest_, *rows_,
                        [&](const ReplayedBatch& batch) QUIRE_REQUIRES(write_mutex_) {
                          auto written = restore_rows(batch);
                          if (written) apply(batch);
                          return written;
                        }));
  lsn_ = outcome.last_lsn;
  recovery_.replayed_batches = outcome.batches;
  recovery_.dropped_bytes = outcome.dropped_bytes;
  recovery_.dropped_from = std::move(outcome.dropped_from);

  rows_->forget_sync_failure();
  slots_->forget_sync_failure();
  // Space that was taken for rows nobody committed, before the log and the checkpoint need some.
  // Unless a view lives that was made through an earlier opening, of rows that were in no log and no checkpoint.
  if (durability_ != Durability::checkpoint_only || rows_->has_no_other_user()) {
    ignore_error(rows_->trim(used_rows_));
  } else {
    next_row_ = std::max(next_row_, rows_->rows_with_space());
  }
  // Entries of a checkpoint that came to nothing must not be taken for others, should the MANIFEST be lost.
  QUIRE_CHECK(slots_->trim(manifest_.slot_count));
  const std::uint64_t entries = catalog_->versions().size();
  QUIRE_CHECK(slots_->reserve(entries));
  if (outcome.empty_log) {
    QUIRE_TRY(log_, LogWriter::open_empty(file_system_, directory_, identity_, *outcome.empty_log));
  } else {
    // What was replayed need not be durable in its log, until the checkpoint below.
    QUIRE_TRY(log_, LogWriter::create(file_system_, directory_, identity_, outcome.next_log_number,
                                      lsn_ + 1, 0, spares_.take()));
  }
  if (has_news()) {
    QUIRE_CHECK(rows_->sync());
    QUIRE_CHECK(slots_->append(*catalog_, manifest_.slot_count, entries));
    QUIRE_TRY(const auto next, begin_checkpoint());
    if (next) {
      QUIRE_CHECK(replace_manifest(file_system_, directory_, *next));
      const std::uint64_t first_log = manifest_.first_log;
      adopt_manifest(*next);
      remove_logs(first_log, next->first_log);
    }
  }
  durable_lsn_ = lsn_;
  QUIRE_TRY(auto map, rows_->map(next_row_));
  stage_view(std::move(map));
  publish();
  return {};
}

// Files of unfinished operations. Best effort: they are in nobody's way.
void StoreCore::remove_leftovers() {
  const auto names = file_system_.list(directory_);
  if (!names) return;
  // A repair that was cut short may have left damaged files under the names of those that nobody needs.
  if (std::ranges::any_of(*names, is_unfinished_repair)) return;
  for (const std::string& name : *names) {
    std::uint64_t number = 0;
    const bool is_old_log = parse_log_name(name, number) && number < manifest_.first_log;
    const bool is_of_another_generation =
        parse_generation_name(name, number) && number != manifest_.generation;
    if (!is_old_log && !is_of_another_generation) continue;
    if (file_system_.remove(os::join_path(directory_, name))) {
      recovery_.removed_files.push_back(name);
    }
  }
}

}  // namespace quire::vector
