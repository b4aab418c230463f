// Verification: reads every file of a store and compares every checksum.
#include <algorithm>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "os/fault_guard.hpp"
#include "vector/replay.hpp"
#include "vector/store_core.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kProgressRows = 65'536;
// A report longer than this helps nobody, and would take memory without bounds.
constexpr std::size_t kMostDamages = 10'000;

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::truncated ||
         error.code() == ErrorCode::not_found || error.code() == ErrorCode::format_version;
}

// Notes an error that is damage; hands every other back.
Result<void> note(VerifyReport& report, const Error& error) {
  if (!is_damage(error)) return std::unexpected(error);
  report.damaged.push_back({.file = error.path(),
                            .range = error.range(),
                            .what = error.detail().empty() ? error.message() : error.detail(),
                            .id = std::nullopt});
  return {};
}

}  // namespace

Result<VerifyReport> StoreCore::verify(const ProgressCallback& progress) {
  // No checkpoint and no compaction meanwhile; batches are held up only while the log is read.
  const base::MutexLock upkeep(upkeep_mutex_);
  VerifyReport report;
  Manifest manifest;
  {
    const base::MutexLock lock(write_mutex_);
    if (closed_) return std::unexpected(Error(ErrorCode::closed, "verify").with_path(directory_));
    QUIRE_CHECK(verify_headers(report));
    // A reader's logs were checked when it opened; beside a writer they may be gone by now.
    if (mode_ == StoreMode::read_write) QUIRE_CHECK(verify_logs(report));
    manifest = manifest_;
  }
  QUIRE_CHECK(verify_slots(manifest, report));
  verify_rows(*view(), report, progress);
  return report;
}

Result<void> StoreCore::verify_headers(VerifyReport& report) {
  const auto manifest = read_manifest(file_system_, directory_);
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
  if (auto rows = RowFile::open(file_system_, directory_, manifest_, os::OpenMode::read); !rows) {
    QUIRE_CHECK(note(report, rows.error()));
  }
  return {};
}

Result<void> StoreCore::verify_slots(const Manifest& manifest, VerifyReport& report) const {
  auto slots = SlotFile::open(file_system_, directory_, manifest, os::OpenMode::read);
  if (!slots) return note(report, slots.error());
  const auto damaged = [&](ByteRange range, std::string what) {
    report.damaged.push_back(
        {.file = (*slots)->path(), .range = range, .what = std::move(what), .id = std::nullopt});
    return report.damaged.size() < kMostDamages;
  };
  auto read = (*slots)->read(manifest.slot_count, [](const SlotEntry&) { return true; }, damaged);
  if (!read) return note(report, read.error());
  return {};
}

Result<void> StoreCore::verify_logs(VerifyReport& report) {
  auto logs = open_logs(file_system_, directory_, manifest_);
  if (!logs) return note(report, logs.error());
  auto outcome = replay_logs(*std::move(logs), manifest_, *rows_,
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

void StoreCore::verify_rows(const ViewState& state, VerifyReport& report,
                            const ProgressCallback& progress) const {
  const VersionTable& versions = state.catalog->versions();
  const auto stride = static_cast<std::size_t>(identity_.stride());
  for (std::uint64_t i = 0; i < state.versions && report.damaged.size() < kMostDamages; ++i) {
    if (progress && i % kProgressRows == 0) progress(i, state.versions);
    if (!versions.is_live_at(i, state.lsn)) continue;
    const Version version = versions[i];
    const std::byte* row = state.rows->row(version.row);
    std::uint64_t sum = 0;
    const std::byte* faulted =
        os::guarded(row, stride, [&] { sum = base::checksum({row, stride}); });
    ++report.rows;
    if (faulted == nullptr && sum == version.row_checksum) continue;
    const Error error = faulted != nullptr ? state.rows->fault("verify", version.row)
                                           : state.rows->damage("verify", version.row, version.id);
    report.damaged.push_back(
        {.file = error.path(), .range = error.range(), .what = error.detail(), .id = version.id});
  }
  if (progress) progress(state.versions, state.versions);
}

}  // namespace quire::vector
