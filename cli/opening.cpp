#include "cli/opening.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "base/try.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/wording.hpp"
#include "quire/local_source.hpp"

namespace quire::cli {
namespace {

// True for a file that starts as a snapshot does, whole or damaged, of whatever version.
bool starts_as_snapshot(const std::string& path) {
  constexpr std::string_view kMagic = "QUIRESNP";  // docs/formats/snapshot.md
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::array<char, kMagic.size()> start{};
  std::ifstream file(path, std::ios::binary);
  return file.read(start.data(), start.size()) &&
         std::string_view(start.data(), start.size()) == kMagic;
}

}  // namespace

bool is_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

void tell_recovery(const std::string& directory, const RecoveryReport& report) {
  std::string done;
  const auto add = [&done](const std::string& part) { done += (done.empty() ? "" : ", ") + part; };
  if (report.replayed_batches > 0) {
    add(fmt::format(
        "{} replayed from the log",
        report.replayed_batches == 1 ? "1 batch" : grouped(report.replayed_batches) + " batches"));
  }
  if (report.dropped_bytes > 0) {
    add(fmt::format("{} of {} dropped that were never acknowledged as durable",
                    counted(report.dropped_bytes, "byte"), report.dropped_from));
  }
  if (!report.removed_files.empty()) {
    add(fmt::format("{} removed", counted(report.removed_files.size(), "unfinished file")));
  }
  if (!done.empty()) print_error(fmt::format("recovered {}: {}", directory, done));
}

OpenStoreOptions opening_options(const Settings& settings) {
  OpenStoreOptions options;
  options.allow_network_file_system = settings.allow_network_file_system;
  return options;
}

Outcome<VectorStore> open_for_reading(const std::string& directory, const Settings& settings) {
  return from_store(VectorStore::open_read_only(directory, opening_options(settings)));
}

Outcome<VectorStore> open_for_writing(const std::string& directory, const Settings& settings) {
  QUIRE_CHECK(refuse_snapshot(directory));
  QUIRE_TRY(VectorStore store, from_store(VectorStore::open(directory, opening_options(settings))));
  tell_recovery(directory, store.recovery());
  return store;
}

Outcome<> refuse_snapshot(const std::string& path) {
  if (!starts_as_snapshot(path)) return {};
  return std::unexpected(
      Failure(Error(ErrorCode::wrong_mode, "open")
                  .with_path(path)
                  .with_detail("this is a snapshot, no store, and cannot be changed; quire restore "
                               "makes a store of it")));
}

Outcome<Snapshot> open_snapshot(const std::string& place, const Settings& settings) {
  if (is_url(place)) return open_snapshot_for_scan(place, settings);
  return from_store(Snapshot::open(place));
}

Outcome<Snapshot> open_snapshot_for_scan(const std::string& place, const Settings& settings) {
  if (is_url(place)) {
    QUIRE_TRY(auto source, open_url(place, settings));
    return from_store(Snapshot::open(std::move(source)));
  }
  QUIRE_TRY(auto source, from_store(open_file_source(place)));
  return from_store(Snapshot::open(std::move(source)));
}

}  // namespace quire::cli
