// Verification: reads every file of a store and compares every checksum, through the page cache or past it.
#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "os/fault_guard.hpp"
#include "vector/cold_rows.hpp"
#include "vector/readable_file_system.hpp"
#include "vector/replay.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kProgressRows = 65'536;

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::truncated ||
         error.code() == ErrorCode::not_found || error.code() == ErrorCode::format_version;
}

// True if the device failed when a file was opened or read.
bool is_of_device(const Error& error) {
  const std::string_view operation = error.operation();
  return error.code() == ErrorCode::io && (operation == "open" || operation == "read");
}

// Notes an error that is damage, or a file that the device does not give; hands every other back.
Result<void> note(VerifyReport& report, const Error& error) {
  if (!is_damage(error) && !is_of_device(error)) return std::unexpected(error);
  report.damaged.push_back({.file = error.path(),
                            .range = error.range(),
                            .what = error.detail().empty() ? error.message() : error.detail(),
                            .id = std::nullopt});
  return {};
}

// True if a row cannot be had.
bool is_unreadable(const Error& error) {
  return error.code() == ErrorCode::truncated || error.code() == ErrorCode::io;
}

// Errors: truncated, if the page cannot be read.
Result<std::uint64_t> checksum_in(const RowMap& rows, std::uint64_t row_number) {
  const std::byte* row = rows.row(row_number);
  const auto stride = static_cast<std::size_t>(rows.stride());
  std::uint64_t sum = 0;
  const std::byte* faulted = os::guarded(row, stride, [&] { sum = base::checksum({row, stride}); });
  if (faulted != nullptr) return std::unexpected(rows.fault("verify", row_number));
  return sum;
}

}  // namespace

Result<VerifyReport> StoreCore::verify(const ProgressCallback& progress,
                                       const VerifyOptions& options) {
  // No checkpoint and no compaction meanwhile; batches are held up only while the log is read.
  const base::MutexLock upkeep(upkeep_mutex_);
  os::ColdFileSystem cold(file_system_);
  ReadableFileSystem files(options.cold ? cold : file_system_);
  if (options.cold) open_large_files(cold);
  VerifyReport report;
  QUIRE_CHECK(verify_files(files, options.cold ? &cold : nullptr, report, progress));
  files.add_to(report);
  return report;
}

Result<void> StoreCore::verify_files(ReadableFileSystem& files, os::ColdFileSystem* cold,
                                     VerifyReport& report, const ProgressCallback& progress) {
  Manifest manifest;
  std::set<std::uint64_t> carried;
  {
    const base::MutexLock lock(write_mutex_);
    if (closed_) return std::unexpected(Error(ErrorCode::closed, "verify").with_path(directory_));
    QUIRE_CHECK(verify_headers(files, report));
    // A reader's logs were checked, through the cache, when it opened; beside a writer they may be gone by now.
    if (mode_ == StoreMode::read_write) {
      QUIRE_CHECK(verify_logs(files, report));
    } else if (cold != nullptr) {
      QUIRE_CHECK(verify_logs_of_reader(files, report, carried));
    }
    manifest = manifest_;
  }
  QUIRE_CHECK(verify_slots(files, manifest, report));
  // The view before the file: its opening syncs what the view shows.
  const auto state = view();
  std::optional<ColdRows> cold_rows;
  if (cold != nullptr) {
    auto opened = ColdRows::open(*cold, directory_, manifest);
    if (!opened) return note(report, opened.error());
    cold_rows.emplace(*std::move(opened));
  }
  return verify_rows(*state, cold_rows ? &*cold_rows : nullptr, carried, report, progress);
}

// So that what is opened cold while writers wait has little to sync then, and nothing to forget. Errors are met again.
void StoreCore::open_large_files(os::ColdFileSystem& cold) {
  std::uint64_t generation = 0;
  {
    const base::MutexLock lock(write_mutex_);
    generation = manifest_.generation;
  }
  for (const std::string& name : {rows_name(generation), slots_name(generation)}) {
    ignore_error(cold.open(os::join_path(directory_, name), os::OpenMode::read, 0));
  }
}

Result<void> StoreCore::verify_headers(ReadableFileSystem& files, VerifyReport& report) {
  const auto manifest = read_manifest(files, directory_);
  if (!manifest) {
    QUIRE_CHECK(note(report, manifest.error()));
  } else if (mode_ == StoreMode::read_only && manifest->generation != manifest_.generation) {
    return std::unexpected(moved_on("the store was compacted since; refresh first"));
  } else if (mode_ == StoreMode::read_write && *manifest != manifest_ &&
             manifest_in_doubt_ != *manifest) {
    report.damaged.push_back({.file = os::join_path(directory_, kManifestName),
                              .range = {0, kManifestBytes},
                              .what = "it was replaced by someone else",
                              .id = std::nullopt});
  }
  if (auto rows = RowFile::open(files, directory_, manifest_, os::OpenMode::read); !rows) {
    QUIRE_CHECK(note(report, rows.error()));
  }
  return {};
}

Result<void> StoreCore::verify_slots(ReadableFileSystem& files, const Manifest& manifest,
                                     VerifyReport& report) const {
  auto slots = SlotFile::open(files, directory_, manifest, os::OpenMode::read);
  if (!slots) return note(report, slots.error());
  const auto damaged = [&](ByteRange range, std::string what) {
    if (files.is_unreadable((*slots)->path(), range)) return true;  // it is listed as such
    report.damaged.push_back(
        {.file = (*slots)->path(), .range = range, .what = std::move(what), .id = std::nullopt});
    return report.damaged.size() < kMostDamages;
  };
  auto read = (*slots)->read(manifest.slot_count, [](const SlotEntry&) { return true; }, damaged);
  if (!read) return note(report, read.error());
  return {};
}

Result<void> StoreCore::verify_logs(ReadableFileSystem& files, VerifyReport& report) {
  auto logs = open_logs(files, directory_, manifest_);
  if (!logs) return note(report, logs.error());
  // What is wrong with the file itself was noted before.
  const auto rows = RowFile::open_unchecked(files, directory_, manifest_);
  auto outcome = replay_logs(*std::move(logs), manifest_, rows ? **rows : *rows_,
                             [](const ReplayedBatch&) { return Result<void>(); });
  if (!outcome) return note(report, outcome.error());
  // This process wrote the records, so it knows how many there must be.
  const bool logged = durability_ != Durability::checkpoint_only;
  if (logged && !failure_ && outcome->last_lsn != lsn_) {
    report.damaged.push_back(
        {.file = outcome->dropped_from.empty() ? directory_ : outcome->dropped_from,
         .range = {},
         .what = "the records after batch " + std::to_string(outcome->last_lsn) +
                 " are damaged; the last batch is " + std::to_string(lsn_),
         .id = std::nullopt});
  }
  return {};
}

// A writer beside may have made a checkpoint since, and removed logs: then those after that one are looked at.
Result<void> StoreCore::verify_logs_of_reader(ReadableFileSystem& files, VerifyReport& report,
                                              std::set<std::uint64_t>& carried) {
  while (true) {
    const auto manifest = read_manifest(files, directory_);
    if (!manifest) return {};  // it was noted before
    // The checkpoint has all that is shown; the logs are of later batches.
    if (lsn_ < manifest->checkpoint_lsn) return {};
    const auto check = [&]() QUIRE_REQUIRES(write_mutex_) -> Result<void> {
      QUIRE_TRY(LogSet logs, open_logs(files, directory_, *manifest));
      const auto rows = RowFile::open_unchecked(files, directory_, *manifest);
      QUIRE_CHECK(replay_logs(std::move(logs), *manifest, rows ? **rows : *rows_,
                              [&](const ReplayedBatch& batch)
                                  QUIRE_REQUIRES(write_mutex_) -> Result<void> {
                                    if (!batch.carries_rows || !has_private_rows_) return {};
                                    for (const Operation& operation : batch.operations) {
                                      if (operation.kind == OperationKind::put)
                                        carried.insert(operation.row);
                                    }
                                    return {};
                                  },
                              {.last_lsn = lsn_, .tail_may_be_growing = true}));
      return {};
    };
    const auto checked = check();
    if (checked) return {};
    const auto now = read_manifest(files, directory_);
    if (now && *now != *manifest) continue;
    return note(report, checked.error());
  }
}

Result<void> StoreCore::verify_rows(const ViewState& state, ColdRows* cold,
                                    const std::set<std::uint64_t>& carried, VerifyReport& report,
                                    const ProgressCallback& progress) const {
  const VersionTable& versions = state.catalog->versions();
  for (std::uint64_t i = 0; i < state.versions && report.damaged.size() < kMostDamages; ++i) {
    if (progress && i % kProgressRows == 0) progress(i, state.versions);
    if (!versions.is_live_at(i, state.lsn)) continue;
    const Version version = versions[i];
    const auto sum =
        cold != nullptr ? cold->checksum(version.row) : checksum_in(*state.rows, version.row);
    if (!sum && !is_unreadable(sum.error())) return std::unexpected(sum.error());
    ++report.rows;
    if (sum && *sum == version.row_checksum) continue;
    if (carried.contains(version.row)) continue;
    const Error error = sum ? state.rows->damage("verify", version.row, version.id)
                            : state.rows->fault("verify", version.row);
    report.damaged.push_back(
        {.file = error.path(), .range = error.range(), .what = error.detail(), .id = version.id});
  }
  if (progress) progress(state.versions, state.versions);
  return {};
}

}  // namespace quire::vector
