// Compaction: the live rows move to the next generation of files, and the dead ones go. The steps:
// docs/formats/vector-store.md, "Compaction".
#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.hpp"
#include "vector/next_generation.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

// Writers wait while the last rows are copied and synced: so much is left for that at most, unless they write faster
// than rows are copied.
constexpr std::uint64_t kMostLeftBytes = std::uint64_t{4} << 20;
constexpr int kMostRounds = 20;
constexpr std::uint64_t kAnyBytes = std::numeric_limits<std::uint64_t>::max();
// What is gained has to be worth the work.
constexpr std::uint64_t kLeastDeadBytes = std::uint64_t{1} << 20;

std::uint64_t size_on_disk(os::FileSystem& file_system, const std::string& directory,
                           std::uint64_t generation) {
  std::uint64_t bytes = 0;
  for (const std::string& name : {rows_name(generation), slots_name(generation)}) {
    if (const auto info = file_system.info(os::join_path(directory, name))) {
      bytes += info->allocated_bytes;
    }
  }
  return bytes;
}

}  // namespace

std::uint64_t StoreCore::dead_rows() const { return used_rows_ - catalog_->live(); }

double StoreCore::fragmentation() const {
  if (used_rows_ == 0) return 0;
  return static_cast<double>(dead_rows()) / static_cast<double>(used_rows_);
}

std::uint64_t StoreCore::least_dead_rows() const noexcept {
  return std::max<std::uint64_t>(kLeastDeadBytes / identity_.stride(), 1);
}

Result<CompactionReport> StoreCore::compact(const ProgressCallback& progress) {
  const base::MutexLock upkeep(upkeep_mutex_);
  auto compacted = compact_with_upkeep(progress);
  if (compacted || compacted.error().code() != ErrorCode::no_space) return compacted;
  // Dead rows may give back in place what the live ones need beside them.
  ignore_error(checkpoint_with_upkeep());
  {
    const base::MutexLock lock(write_mutex_);
    punch_at_dead_rows_ = 0;
  }
  punch_dead_rows();
  return compact_with_upkeep(progress);
}

Result<CompactionReport> StoreCore::compact_with_upkeep(const ProgressCallback& progress) {
  const Stopwatch time;
  auto report = write_next_generation(progress);
  if (!report) {
    metrics_->failed_compactions.add();
  } else if (report->generation > 0) {
    time.record_in(metrics_->compaction);
    metrics_->compactions.add();
    metrics_->bytes_reclaimed.add(report->bytes_reclaimed);
  }
  return report;
}

Result<CompactionReport> StoreCore::write_next_generation(const ProgressCallback& progress) {
  const auto source = [&] {
    const base::MutexLock lock(view_mutex_);
    return CopySource{.catalog = published_.catalog,
                      .rows = published_.rows,
                      .lsn = published_.lsn,
                      .versions = published_.versions};
  };
  std::uint64_t generation = 0;
  {
    const base::MutexLock lock(write_mutex_);
    QUIRE_CHECK(check_writable());
    QUIRE_CHECK(check_no_bulk_load("compact"));
    if (used_rows_ == catalog_->live() && catalog_->versions().size() == used_rows_) {
      return CompactionReport{};
    }
    generation = manifest_.generation;
  }
  QUIRE_TRY(const auto next,
            NextGeneration::create(file_system_, directory_, identity_, generation + 1));
  CopySource now = source();
  const std::uint64_t history_lsn = now.lsn;
  QUIRE_CHECK(next->copy(now, stop_.get_token(), progress));
  for (int round = 0;; ++round) {
    // Again and again what was written meanwhile, which is less each time, unless writers are faster than this.
    now = source();
    QUIRE_CHECK(next->copy(now, stop_.get_token()));
    if (next->unsynced_bytes() > kMostLeftBytes || round == 0) {
      QUIRE_CHECK(next->sync());
      if (round < kMostRounds) continue;
    }
    const std::uint64_t most = round < kMostRounds ? kMostLeftBytes : kAnyBytes;
    QUIRE_TRY(const bool done, switch_to(*next, history_lsn, most));
    if (done) break;
  }
  const std::uint64_t before = size_on_disk(file_system_, directory_, generation);
  const std::uint64_t after = size_on_disk(file_system_, directory_, generation + 1);
  // Maps of views, and readers in other processes, keep what they have open.
  ignore_error(file_system_.remove(os::join_path(directory_, rows_name(generation))));
  ignore_error(file_system_.remove(os::join_path(directory_, slots_name(generation))));
  return CompactionReport{.rows = next->row_count(),
                          .generation = generation + 1,
                          .bytes_reclaimed = before > after ? before - after : 0};
}

Result<bool> StoreCore::switch_to(NextGeneration& next, std::uint64_t history_lsn,
                                  std::uint64_t most_bytes) {
  const base::MutexLock lock(write_mutex_);
  const Stopwatch pause;
  QUIRE_CHECK(check_writable());
  if (next.bytes_left(catalog_->versions().size()) > most_bytes) return false;
  QUIRE_CHECK(check_no_bulk_load("compact"));
  QUIRE_CHECK(next.copy({.catalog = catalog_,
                         .rows = staged_.rows,
                         .lsn = lsn_,
                         .versions = catalog_->versions().size()}));
  QUIRE_CHECK(next.rows()->trim(next.row_count()));
  QUIRE_CHECK(next.sync());
  QUIRE_TRY(auto map, next.rows()->map(next.row_count()));
  // Records of this generation's rows end with this log.
  if (log_is_used()) QUIRE_CHECK(start_next_log(LogUse::checkpoint));

  Manifest manifest = manifest_;
  manifest.generation += 1;
  manifest.checkpoint_lsn = lsn_;
  manifest.slot_count = next.catalog()->versions().size();
  manifest.row_limit = next.row_count();
  manifest.first_log = log_->number();
  manifest.live = next.catalog()->live();
  manifest.history_lsn = history_lsn;
  QUIRE_CHECK(prepare_manifest(file_system_, directory_, manifest));
  next.keep();
  batch_is_open_ = true;
  if (auto adopted = adopt_prepared_manifest(file_system_, directory_); !adopted) {
    // Which of the two generations a crash would leave is not known, so nothing may be written to either.
    manifest_in_doubt_ = manifest;
    batch_is_open_ = false;
    return std::unexpected(refuse_writes(std::move(adopted).error(), ErrorCode::io));
  }
  const std::uint64_t first_log = manifest_.first_log;
  manifest_ = manifest;
  older_log_bytes_ = 0;
  catalog_ = next.catalog();
  rows_ = next.rows();
  slots_ = next.slots();
  next_row_ = used_rows_ = next.row_count();
  reserved_rows_ = 0;
  compact_at_dead_rows_ = punch_at_dead_rows_ = least_dead_rows();
  has_unsynced_rows_ = false;
  stage_view(std::move(map));
  publish();
  batch_is_open_ = false;
  adopt_manifest(manifest);
  remove_logs(first_log, manifest.first_log);
  pause.record_in(metrics_->compaction_pause);
  return true;
}

}  // namespace quire::vector
