// How a store is repaired, so that at every moment it is either repaired or as damaged as before:
//   1. Salvage what is proven (salvage.hpp), and read every row of it. Nothing damaged: done.
//   2. If the MANIFEST is lost: keep what there is of it under another name, and write it anew, of the same
//      generation. Damage elsewhere it does not hide: entries that cannot be read are counted in it.
//   3. Rename a last log that was being made when the power went: with a new log behind it, it would be taken for
//      one that is lost.
//   4. Write what is whole to the files of a new generation, the report to repair-N.unfinished, and sync them;
//      make a new log. No MANIFEST names them yet.
//   5. Replace MANIFEST: this is the moment of the repair.
//   6. Rename the damaged files to <name>.damaged-N. Opening leaves such names alone, and while a repair is
//      unfinished all others too.
//   7. Rename the report to repair-N.txt. A repair that finds nothing damaged does what is left of 6 and 7.
#include "vector/repair.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "vector/control_page.hpp"
#include "vector/log_writer.hpp"
#include "vector/network_refusal.hpp"
#include "vector/readable_file.hpp"
#include "vector/row_file.hpp"
#include "vector/salvage.hpp"
#include "vector/slot_file.hpp"
#include "vector/store_core.hpp"
#include "vector/writer_lock.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kProgressRows = 65'536;
// Above every number that a store can come to; beyond, someone made it.
constexpr std::uint64_t kMostNumber = std::uint64_t{1} << 56;

std::string as_text(const RepairReport& report) {
  std::string text = "A repair of this store found:\n";
  for (const Damage& damage : report.damaged) {
    text += damage.file + " [" + std::to_string(damage.range.offset) + ", " +
            std::to_string(damage.range.end()) + "): " + damage.what + "\n";
  }
  if (report.lost_batches) {
    text += "lost: batches " + std::to_string(report.lost_batches->first_lsn) + " to " +
            std::to_string(report.lost_batches->last_lsn) + "\n";
  }
  if (report.dropped_bytes > 0) {
    text += "dropped: " + std::to_string(report.dropped_bytes) + " bytes of " +
            report.dropped_from + " that were never durable\n";
  }
  if (report.lost_entries > 0) {
    text += "lost: " + std::to_string(report.lost_entries) + " puts or removes of unknown ids\n";
  }
  for (const Damage& damage : report.damaged) {
    if (damage.id) text += "lost: id " + std::to_string(*damage.id) + "\n";
  }
  for (const std::uint64_t id : report.doubtful) {
    text += "may be older than the last put, or removed: id " + std::to_string(id) + "\n";
  }
  return text;
}

class Repairer {
 public:
  Repairer(os::FileSystem& file_system, std::string directory, const RepairOptions& options)
      : file_system_(file_system), directory_(std::move(directory)), options_(options) {}

  Result<RepairReport> run() {
    // Before LOCK is made: what is no store stays untouched.
    QUIRE_TRY(names_, file_system_.list(directory_));
    QUIRE_CHECK(check_is_store());
    QUIRE_TRY(const auto lock, take_writer_lock(file_system_, directory_));
    QUIRE_CHECK(clear_control_page(*lock));  // no writer lives any more that told readers something
    QUIRE_TRY(names_, file_system_.list(directory_));
    QUIRE_TRY(salvaged_, salvage(file_system_, directory_, options_));
    const bool only_manifest = salvaged_.manifest_was_lost && report().damaged.size() == 1;
    check_rows();
    report().rows = salvaged_.vectors.size();
    if (options_.dry_run) return std::move(report());
    choose_number();
    if (!report().needed) {
      QUIRE_CHECK(finish_earlier());
      return std::move(report());
    }

    if (salvaged_.manifest_was_lost) QUIRE_CHECK(write_lost_manifest());
    if (!only_manifest || report().damaged.size() > 1) QUIRE_CHECK(write_generation());
    return std::move(report());
  }

 private:
  RepairReport& report() { return salvaged_.report; }
  std::string path(const std::string& name) const { return os::join_path(directory_, name); }
  std::string kept_name(const std::string& name) const {
    return name + ".damaged-" + std::to_string(number_);
  }
  std::string report_name() const { return "repair-" + std::to_string(number_) + ".txt"; }
  // Its name until all is done.
  std::string unfinished_name() const {
    return "repair-" + std::to_string(number_) + ".unfinished";
  }

  Result<void> check_is_store() const {
    const bool is_store = std::ranges::any_of(names_, [](const std::string& name) {
      std::uint64_t number = 0;
      return name == kManifestName || parse_generation_name(name, number) ||
             parse_log_name(name, number);
    });
    if (is_store) return {};
    return std::unexpected(Error(ErrorCode::not_found, "repair")
                               .with_path(directory_)
                               .with_detail("there is no vector store here"));
  }

  // Leaves out the vectors whose rows are not what was put.
  void check_rows() {
    const std::uint64_t stride = salvaged_.manifest.identity.stride();
    std::vector<std::byte> row(static_cast<std::size_t>(stride));
    auto& vectors = salvaged_.vectors;
    const std::uint64_t total = vectors.size();
    std::uint64_t done = 0;
    std::erase_if(vectors, [&](const SalvagedVector& vector) {
      if (options_.progress && done % kProgressRows == 0) options_.progress(done, total);
      ++done;
      if (salvaged_.read_row(vector, row)) return false;
      report().needed = true;
      ++report().lost_vectors;
      report().damaged.push_back({.file = path(rows_name(salvaged_.manifest.generation)),
                                  .range = {kHeaderBytes + vector.row * stride, stride},
                                  .what = "row " + std::to_string(vector.row) + " (id " +
                                          std::to_string(vector.id) +
                                          ") cannot be read or is not what was put",
                                  .id = vector.id});
      return true;
    });
    if (options_.progress) options_.progress(total, total);
  }

  // The first number that no earlier repair used.
  void choose_number() {
    const auto is_used = [&](const std::string& name) {
      return name == report_name() || name == unfinished_name() || name.ends_with(kept_name(""));
    };
    while (std::ranges::any_of(names_, is_used)) ++number_;
  }

  Result<void> write_new(const std::string& name, std::span<const std::byte> content) {
    QUIRE_TRY(auto file, file_system_.open(path(name), os::OpenMode::create_new));
    QUIRE_CHECK(file->write_all(0, content));
    return file->sync();
  }

  Result<void> write_lost_manifest() {
    auto old = file_system_.open(path(kManifestName), os::OpenMode::read);
    if (!old && old.error().code() != ErrorCode::not_found) {
      return std::unexpected(std::move(old).error());
    }
    if (old) {
      old = readable_file(*std::move(old), [](const std::string&, ByteRange) {});
      QUIRE_TRY(const os::FileInfo info, (*old)->info());
      std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(info.size, kHeaderBytes)));
      QUIRE_CHECK((*old)->read_exactly(0, bytes));
      QUIRE_CHECK(write_new(kept_name(kManifestName), bytes));
      QUIRE_CHECK(file_system_.sync_directory(directory_));
      report().kept.push_back(kept_name(kManifestName));
    }
    return replace_manifest(file_system_, directory_, salvaged_.manifest);
  }

  Result<void> keep_unfinished_log() {
    if (!salvaged_.unfinished_log) return {};
    const std::string name = log_name(*salvaged_.unfinished_log);
    QUIRE_CHECK(keep(name));
    std::erase(names_, name);
    return file_system_.sync_directory(directory_);
  }

  Result<void> keep(const std::string& name) {
    QUIRE_CHECK(file_system_.rename(path(name), path(kept_name(name)), IfExists::fail));
    report().kept.push_back(kept_name(name));
    return {};
  }

  Result<void> write_generation() {
    QUIRE_CHECK(keep_unfinished_log());
    Manifest next = salvaged_.manifest;
    next.first_log = 0;
    for (const std::string& name : names_) {
      std::uint64_t number = 0;
      if (parse_log_name(name, number)) next.first_log = std::max(next.first_log, number);
      if (parse_generation_name(name, number)) next.generation = std::max(next.generation, number);
    }
    if (next.generation >= kMostNumber || next.first_log >= kMostNumber) {
      return std::unexpected(Error(ErrorCode::corrupt, "repair")
                                 .with_path(directory_)
                                 .with_detail("a file has a number that no store comes to"));
    }
    ++next.generation;
    ++next.first_log;
    QUIRE_CHECK(write_vectors(next));
    const std::string text = as_text(report());
    QUIRE_CHECK(write_new(unfinished_name(), std::as_bytes(std::span(text))));
    next.checkpoint_lsn = next.history_lsn = salvaged_.last_lsn;
    next.slot_count = next.row_limit = next.live = salvaged_.vectors.size();
    // Syncs the directory too.
    QUIRE_CHECK(LogWriter::create(file_system_, directory_, next.identity, next.first_log,
                                  next.checkpoint_lsn + 1, 0));
    QUIRE_CHECK(replace_manifest(file_system_, directory_, next));
    return keep_old_files();
  }

  Result<void> write_vectors(const Manifest& next) {
    QUIRE_TRY(auto rows, RowFile::create(file_system_, directory_, next.identity, next.generation));
    QUIRE_TRY(auto slots,
              SlotFile::create(file_system_, directory_, next.identity, next.generation));
    const auto stride = static_cast<std::size_t>(next.identity.stride());
    const auto& vectors = salvaged_.vectors;
    const std::size_t most = std::max<std::size_t>(kBlockBytes / stride, 1);
    std::vector<std::byte> block;
    std::vector<SlotEntry> entries;
    for (std::size_t first = 0; first < vectors.size(); first += most) {
      const std::size_t count = std::min(most, vectors.size() - first);
      block.resize(count * stride);
      entries.clear();
      for (std::size_t i = 0; i < count; ++i) {
        const SalvagedVector& vector = vectors[first + i];
        if (!salvaged_.read_row(vector, std::span(block).subspan(i * stride, stride))) {
          return std::unexpected(Error(ErrorCode::io, "repair")
                                     .with_path(directory_)
                                     .with_detail("row " + std::to_string(vector.row) +
                                                  " could be read once and then not again"));
        }
        entries.push_back({.kind = OperationKind::put,
                           .id = vector.id,
                           .row = first + i,
                           .lsn = vector.lsn,
                           .row_checksum = vector.row_checksum});
      }
      QUIRE_CHECK(rows->write(first, block));
      QUIRE_CHECK(slots->write(first, entries));
    }
    QUIRE_CHECK(rows->trim(vectors.size()));
    QUIRE_CHECK(rows->sync());
    return slots->sync();
  }

  // An earlier repair may have been cut short when all but the old files' names was done.
  Result<void> finish_earlier() {
    if (std::ranges::none_of(names_, is_unfinished_repair)) return {};
    const Manifest& now = salvaged_.manifest;
    std::erase_if(names_, [&](const std::string& name) {
      std::uint64_t number = 0;
      return (parse_log_name(name, number) && number >= now.first_log) ||
             (parse_generation_name(name, number) && number == now.generation);
    });
    return keep_old_files();
  }

  // All of them, also of generations and logs that did not count. Until they have other names, the unfinished report
  // beside them keeps openings from removing them.
  Result<void> keep_old_files() {
    for (const std::string& name : names_) {
      std::uint64_t number = 0;
      if (!parse_log_name(name, number) && !parse_generation_name(name, number)) continue;
      QUIRE_CHECK(keep(name));
    }
    QUIRE_CHECK(file_system_.sync_directory(directory_));
    // Also of earlier repairs that were cut short: what they had not renamed this one has.
    QUIRE_TRY(const auto names, file_system_.list(directory_));
    for (const std::string& name : names) {
      if (is_unfinished_repair(name)) QUIRE_CHECK(finish(name));
    }
    return file_system_.sync_directory(directory_);
  }

  Result<void> finish(const std::string& unfinished) {
    const std::string stem = unfinished.substr(0, unfinished.rfind('.'));
    return file_system_.rename(path(unfinished), path(stem + ".txt"), IfExists::fail);
  }

  os::FileSystem& file_system_;
  const std::string directory_;
  const RepairOptions& options_;
  std::vector<std::string> names_;
  Salvage salvaged_;
  std::uint64_t number_ = 1;  // of this repair, in the names of what it keeps
};

}  // namespace

Result<RepairReport> repair(os::FileSystem& file_system, const std::string& directory,
                            const RepairOptions& options) {
  if (!options.allow_network_file_system) {
    QUIRE_CHECK(refuse_network_file_system(file_system, "repair", directory));
  }
  return Repairer(file_system, directory, options).run();
}

}  // namespace quire::vector

namespace quire {
inline namespace v0 {

Result<RepairReport> repair_store(const std::filesystem::path& directory,
                                  const RepairOptions& options) {
  return vector::repair(os::real_file_system(), directory.string(), options);
}

}  // namespace v0
}  // namespace quire
