// quire verify: every checksum of a store or a snapshot.
#include <memory>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/damage.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/progress.hpp"
#include "cli/wording.hpp"
#include "quire/local_source.hpp"

namespace quire::cli {
namespace {

// What was found in a store or a snapshot.
struct Findings {
  struct Place {
    std::string words;
    nlohmann::ordered_json json;
  };
  std::uint64_t rows = 0;  // that are whole
  std::vector<Place> damaged;
  const char* all;  // what is whole if nothing is damaged
};

Findings of_store(const VerifyReport& report) {
  Findings findings{.rows = report.rows, .damaged = {}, .all = "every file"};
  for (const Damage& damage : report.damaged) {
    findings.damaged.push_back({in_words(damage), as_json(damage)});
  }
  return findings;
}

Findings of_snapshot(const std::string& file, const SnapshotVerifyReport& report) {
  Findings findings{.rows = report.rows, .damaged = {}, .all = "every part of the file"};
  for (const SnapshotDamage& damage : report.damaged) {
    findings.damaged.push_back({in_words(file, damage), as_json(file, damage)});
  }
  return findings;
}

// True if a device that cannot read a file stopped the opening: such places are listed as others are.
bool is_unreadable(const Error& error) {
  return error.code() == ErrorCode::io && !error.path().empty();
}

Damage place_of(const Error& error) {
  Damage place = store_refusal(error);
  if (is_unreadable(error) && error.detail().empty()) place.what = "the device cannot read it";
  return place;
}

Outcome<Findings> verify_store(const std::string& directory, bool cold, const Settings& settings) {
  auto store = VectorStore::open_read_only(directory, opening_options(settings));
  if (!store) {
    const Error& error = store.error();
    if (!is_damage(error) && !is_unreadable(error)) return std::unexpected(Failure(error));
    return of_store({.rows = 0, .damaged = {place_of(error)}});
  }
  Progress progress("verifying", "row");
  QUIRE_TRY(
      const VerifyReport report,
      from_store(store->verify(
          [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); },
          {.cold = cold})));
  return of_store(report);
}

Result<Snapshot> open_cold_snapshot(const std::string& file) {
  QUIRE_TRY(auto source, open_cold_file_source(file));
  return Snapshot::open(std::move(source));
}

Outcome<Findings> compare_snapshot(const std::string& file, const Result<Snapshot>& snapshot) {
  if (!snapshot) {
    if (!is_damage(snapshot.error())) return std::unexpected(Failure(snapshot.error()));
    return of_snapshot(file,
                       {.rows = 0, .blocks = 0, .damaged = {snapshot_refusal(snapshot.error())}});
  }
  Progress progress("verifying", "byte");
  QUIRE_TRY(const SnapshotVerifyReport report,
            from_store(snapshot->verify([&progress](std::uint64_t done, std::uint64_t total) {
              progress.update(done, total);
            })));
  return of_snapshot(file, report);
}

Outcome<Findings> verify_snapshot(const std::string& file, bool cold, const Settings& settings) {
  if (is_url(file)) {
    QUIRE_TRY(const auto source, open_url(file, settings));
    return compare_snapshot(shown(file), Snapshot::open(source));
  }
  return compare_snapshot(file, cold ? open_cold_snapshot(file) : Snapshot::open(file));
}

Outcome<> verify(const std::string& path, bool cold, const Settings& settings) {
  QUIRE_TRY(const Findings found, is_directory(path) ? verify_store(path, cold, settings)
                                                     : verify_snapshot(path, cold, settings));
  const bool is_whole = found.damaged.empty();
  if (settings.json) {
    auto damaged = nlohmann::ordered_json::array();
    for (const auto& place : found.damaged) damaged.push_back(place.json);
    print_json({{"ok", is_whole}, {"rows", found.rows}, {"damaged", std::move(damaged)}});
  } else {
    for (const auto& place : found.damaged) print_line("damaged: {}", place.words);
    if (is_whole)
      print_line("{}: {} and {} are whole", shown(path), counted(found.rows, "row"), found.all);
  }
  if (is_whole) return {};
  return fail(kDamageFound, fmt::format("verify {}: damage found in {}", shown(path),
                                        counted(found.damaged.size(), "place")));
}

Run declare(CLI::App& app) {
  struct Arguments {
    std::string path;
    bool cold = false;
  };
  auto arguments = std::make_shared<Arguments>();
  add_vectors(app, arguments->path);
  add_flag(app, "--cold", arguments->cold, "Read the disk, past what the system has cached");
  return [arguments](const Settings& settings) {
    return verify(arguments->path, arguments->cold, settings);
  };
}

}  // namespace

Command verify_command() {
  return {
      "Care", "verify", "Compare every checksum of a store or snapshot",
      "Lists each damaged place: file, bytes, what is wrong, and the id where there is one, or "
      "the\n"
      "rows and ids of a snapshot that cannot be trusted for it. The exit status is 3 if there is\n"
      "any. Changes nothing, and works beside a writer.\n\n"
      "Examples: what the system has cached or reads; what is on the disk\n"
      "  quire verify photos\n"
      "  quire verify photos --cold",
      declare};
}

}  // namespace quire::cli
