// quire verify: every checksum of a store.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

nlohmann::ordered_json as_json(const Damage& damage) {
  nlohmann::ordered_json json = {{"file", damage.file},
                                 {"offset", damage.range.offset},
                                 {"length", damage.range.length},
                                 {"what", damage.what}};
  json["id"] = nullptr;
  if (damage.id) json["id"] = *damage.id;
  return json;
}

std::string in_words(const Damage& damage) {
  std::string words = fmt::format("{} [{}, {}): {}", damage.file, damage.range.offset,
                                  damage.range.end(), damage.what);
  if (damage.id) {
    // Most descriptions of a damaged row name its id themselves.
    const std::string id = fmt::format("(id {})", *damage.id);
    if (words.find(id) == std::string::npos) words += " " + id;
  }
  return words;
}

// A store that is too damaged to be opened has one place of damage: the one that stopped it.
Damage from_refusal(const Error& error) {
  return {.file = error.path(),
          .range = error.has_range() ? error.range() : ByteRange{},
          .what = error.detail().empty() ? std::string(to_string(error.code())) : error.detail(),
          .id = std::nullopt};
}

Outcome<VerifyReport> check(const std::string& directory) {
  auto store = VectorStore::open_read_only(directory);
  if (!store) {
    if (!is_damage(store.error())) return std::unexpected(Failure(store.error()));
    VerifyReport report;
    report.damaged.push_back(from_refusal(store.error()));
    return report;
  }
  Progress progress("verifying", "row");
  return from_store(store->verify(
      [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }));
}

Outcome<> verify(const std::string& directory, const Settings& settings) {
  QUIRE_TRY(const VerifyReport report, check(directory));
  if (settings.json) {
    auto damaged = nlohmann::ordered_json::array();
    for (const Damage& damage : report.damaged) damaged.push_back(as_json(damage));
    print_json({{"ok", report.ok()}, {"rows", report.rows}, {"damaged", std::move(damaged)}});
  } else {
    for (const Damage& damage : report.damaged) print_line("damaged: {}", in_words(damage));
    if (report.ok())
      print_line("{}: {} and every file are whole", directory, counted(report.rows, "row"));
  }
  if (report.ok()) return {};
  return fail(kDamageFound, fmt::format("verify {}: damage found in {}", directory,
                                        counted(report.damaged.size(), "place")));
}

Run declare(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  add_store(app, *directory);
  return [directory](const Settings& settings) { return verify(*directory, settings); };
}

}  // namespace

Command verify_command() {
  return {
      "Care", "verify", "Compare every checksum of a store",
      "Lists each damaged place: file, bytes, what is wrong, and the id where there is one. The\n"
      "exit status is 3 if there is any. Changes nothing, and works beside a writer.\n\n"
      "Example:\n"
      "  quire verify photos",
      declare};
}

}  // namespace quire::cli
