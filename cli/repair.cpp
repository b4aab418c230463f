// quire repair: a damaged store opens again, and everything that this cost is told.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/damage.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/wording.hpp"
#include "quire/repair.hpp"

namespace quire::cli {
namespace {

// So many doubtful ids are shown in words; JSON and the report in the store's directory have all.
constexpr std::size_t kIdsInWords = 20;

struct Arguments {
  std::string directory;
  bool yes = false;
  bool dry_run = false;
  bool drop_doubtful = false;
  std::optional<Durability> durability;
};

void report_in_words(const Arguments& arguments, const RepairReport& report, bool is_done) {
  for (const Damage& damage : report.damaged) print_line("damaged: {}", in_words(damage));
  if (const auto& lost = report.lost_batches) {
    print_line("lost: batches {} to {} ({} of log)", lost->first_lsn, lost->last_lsn,
               byte_size(lost->bytes));
  }
  if (report.dropped_bytes > 0) {
    print_line("dropped: {} of {} that were never durable", byte_size(report.dropped_bytes),
               report.dropped_from);
  }
  if (report.lost_entries > 0) {
    print_line("lost: {} of unknown ids", counted(report.lost_entries, "change"));
  }
  if (report.lost_vectors > 0) print_line("lost: {}", counted(report.lost_vectors, "vector"));
  if (!report.doubtful.empty()) {
    std::string ids;
    for (std::size_t i = 0; i < report.doubtful.size() && i < kIdsInWords; ++i) {
      ids += fmt::format(" {}", report.doubtful[i]);
    }
    if (report.doubtful.size() > kIdsInWords) ids += " …";
    print_line("{}: {} that a lost change may have been for:{}",
               arguments.drop_doubtful ? "dropped" : "in doubt",
               counted(report.doubtful.size(), "vector"), ids);
  }
  if (!report.needed) {
    print_line("{}: {} and every file are whole; nothing was changed", arguments.directory,
               counted(report.rows, "row"));
  } else if (is_done) {
    print_line("repaired {}: {}", arguments.directory, counted(report.rows, "row"));
    for (const std::string& name : report.kept) {
      print_line("kept: {}/{}", arguments.directory, name);
    }
  } else {
    print_line("{} would have {} after a repair; nothing was changed", arguments.directory,
               counted(report.rows, "row"));
  }
}

void report_as_json(const RepairReport& report, bool is_done) {
  auto damaged = nlohmann::ordered_json::array();
  for (const Damage& damage : report.damaged) damaged.push_back(as_json(damage));
  nlohmann::ordered_json batches = nullptr;
  if (const auto& lost = report.lost_batches) {
    batches = {{"first", lost->first_lsn}, {"last", lost->last_lsn}, {"bytes", lost->bytes}};
  }
  print_json({{"needed", report.needed},
              {"repaired", is_done},
              {"rows", report.rows},
              {"damaged", std::move(damaged)},
              {"lost_vectors", report.lost_vectors},
              {"lost_batches", std::move(batches)},
              {"dropped_bytes", report.dropped_bytes},
              {"lost_entries", report.lost_entries},
              {"doubtful", report.doubtful},
              {"kept", report.kept}});
}

Outcome<> repair(const Arguments& arguments, const Settings& settings) {
  if (arguments.yes && arguments.dry_run) {
    return fail(kWrongUsage, "repair: --yes and --dry-run: which of the two?");
  }
  QUIRE_CHECK(refuse_snapshot(arguments.directory));
  std::optional<RepairReport> report;
  {
    Progress progress("repairing", "row");
    QUIRE_TRY(report, from_store(repair_store(
                          arguments.directory,
                          {.dry_run = !arguments.yes,
                           .durability = arguments.durability,
                           .drop_doubtful = arguments.drop_doubtful,
                           .allow_network_file_system = settings.allow_network_file_system,
                           .progress = [&progress](std::uint64_t done, std::uint64_t total) {
                             progress.update(done, total);
                           }})));
  }
  const bool is_done = report->needed && arguments.yes;
  if (settings.json) {
    report_as_json(*report, is_done);
  } else {
    report_in_words(arguments, *report, is_done);
  }
  if (!report->needed || (is_done && report->lost_nothing())) return {};
  return fail(kDamageFound,
              is_done ? fmt::format("repair {}: it opens again, and is not what it was",
                                    arguments.directory)
                      : fmt::format("repair {}: damage found in {}; --yes repairs it",
                                    arguments.directory, counted(report->damaged.size(), "place")));
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_flag(app, "--yes", arguments->yes, "Repair; without it nothing is changed");
  add_flag(app, "--dry-run", arguments->dry_run, "Only look (what it does without --yes)");
  add_flag(app, "--drop-doubtful", arguments->drop_doubtful,
           "Leave out vectors that may be older than the last that was put");
  add_durability(app, arguments->durability,
                 "Durability of a store whose MANIFEST is lost (default power_loss)");
  return [arguments](const Settings& settings) { return repair(*arguments, settings); };
}

}  // namespace

Command repair_command() {
  return {
      "Care", "repair", "Make a damaged store open again",
      "Lists what is damaged, what of it is lost, and how many vectors are left; with --yes it\n"
      "then writes what is whole anew. The damaged files stay under other names. The exit status\n"
      "is 0 if nothing is lost, 3 if something is, or if there is something to repair. A snapshot\n"
      "from before the damage is the better way, where there is one: see quire restore.\n\n"
      "Example:\n"
      "  quire repair photos",
      declare};
}

}  // namespace quire::cli
