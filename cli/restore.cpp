// quire restore: a store made of a snapshot.
#include <chrono>
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/damage.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/stoppable_progress.hpp"
#include "cli/wording.hpp"
#include "quire/snapshot.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string file;
  std::string directory;
  std::optional<Durability> durability;
  bool salvage = false;
};

Outcome<RestoreReport> make_store(const Arguments& arguments, const Settings& settings) {
  QUIRE_TRY(const Snapshot snapshot, open_snapshot_for_scan(arguments.file, settings));
  StoppableProgress progress("restoring");
  auto made = restore_snapshot(snapshot, arguments.directory,
                               {.durability = arguments.durability.value_or(Durability::power_loss),
                                .salvage = arguments.salvage,
                                .stop = progress.token(),
                                .progress = progress.callback(),
                                .allow_network_file_system = settings.allow_network_file_system});
  if (!made && made.error().code() == ErrorCode::cancelled) {
    return fail(progress.exit_status(), "restore: interrupted; no store was made");
  }
  return from_store(std::move(made));
}

void report(const Arguments& arguments, const Settings& settings, const RestoreReport& made,
            double seconds) {
  if (settings.json) {
    auto left_out = nlohmann::ordered_json::array();
    for (const SnapshotDamage& damage : made.left_out) {
      left_out.push_back(as_json(shown(arguments.file), damage));
    }
    print_json({{"rows", made.rows}, {"left_out", std::move(left_out)}, {"seconds", seconds}});
    return;
  }
  print_line("restored {} to {} in {}: {} rows/s", counted(made.rows, "row"), arguments.directory,
             duration(seconds), rate(made.rows, seconds));
  for (const SnapshotDamage& damage : made.left_out) {
    print_line("left out: {}", in_words(shown(arguments.file), damage));
  }
}

Outcome<> restore(const Arguments& arguments, const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  QUIRE_TRY(const RestoreReport made, make_store(arguments, settings));
  const auto end = std::chrono::steady_clock::now();
  report(arguments, settings, made, std::chrono::duration<double>(end - begin).count());
  if (made.left_out.empty()) return {};
  std::uint64_t lost = 0;
  for (const SnapshotDamage& damage : made.left_out) lost += damage.rows;
  return fail(kDamageFound,
              fmt::format("restore {}: damage found in {}; {} left out", shown(arguments.file),
                          counted(made.left_out.size(), "place"), counted(lost, "row")));
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_file(app, "SNAPSHOT", arguments->file, "The snapshot file");
  add_store(app, arguments->directory);
  add_durability(app, arguments->durability,
                 "What a write to the store survives from then on (default power_loss)");
  add_flag(app, "--salvage", arguments->salvage,
           "Leave out what is damaged instead of failing; the exit status is then 3");
  return [arguments](const Settings& settings) { return restore(*arguments, settings); };
}

}  // namespace

Command restore_command() {
  return {
      "Copy", "restore", "Make a store of a snapshot",
      "DIR must not exist, or be empty; the directory it is in must exist. The store is there,\n"
      "whole and durable, when the command ends; if it fails or is stopped, there is none.\n"
      "Damage gives exit status 3 and no store, unless --salvage takes the rest.\n\n"
      "Example:\n"
      "  quire restore photos.quire photos-again",
      declare};
}

}  // namespace quire::cli
