// quire compact: rewrites a store without its dead rows.
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

Outcome<> compact(const std::string& directory, const Settings& settings) {
  QUIRE_TRY(VectorStore store, open_for_writing(directory, settings));
  CompactionReport report;
  {
    Progress progress("compacting", "version");
    QUIRE_TRY(report, from_store(store.compact([&](std::uint64_t done, std::uint64_t total) {
                progress.update(done, total);
              })));
  }
  QUIRE_TRY(const StoreInfo info, from_store(store.info()));
  QUIRE_CHECK(from_store(store.close()));
  if (settings.json) {
    print_json({{"rows", info.rows},
                {"generation", info.generation},
                {"bytes_reclaimed", report.bytes_reclaimed}});
  } else if (report.generation == 0) {
    print_line("{}: there is nothing dead to give back", directory);
  } else {
    print_line("{}: {} given back, {} left", directory, byte_size(report.bytes_reclaimed),
               counted(info.rows, "row"));
  }
  return {};
}

Run declare(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  add_store(app, *directory);
  return [directory](const Settings& settings) { return compact(*directory, settings); };
}

}  // namespace

Command compact_command() {
  return {
      "Care", "compact", "Rewrite the store without its dead rows",
      "A store does it by itself when enough rows are dead. It needs disk space for the live rows\n"
      "meanwhile; readers of the store go on.\n\n"
      "Example:\n"
      "  quire compact photos",
      declare};
}

}  // namespace quire::cli
