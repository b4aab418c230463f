// quire checkpoint: empties the log of a store.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"

namespace quire::cli {
namespace {

Outcome<> checkpoint(const std::string& directory, const Settings& settings) {
  QUIRE_TRY(VectorStore store, open_for_writing(directory, settings));
  QUIRE_CHECK(from_store(store.checkpoint()));
  QUIRE_TRY(const StoreInfo info, from_store(store.info()));
  QUIRE_CHECK(from_store(store.close()));
  if (settings.json) {
    print_json({{"lsn", info.lsn},
                {"checkpoint_lsn", info.checkpoint_lsn},
                {"log_bytes", info.log_bytes}});
  } else {
    print_line("{}: every batch up to {} is in the checkpoint", directory, info.checkpoint_lsn);
  }
  return {};
}

Run declare(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  add_store(app, *directory);
  return [directory](const Settings& settings) { return checkpoint(*directory, settings); };
}

}  // namespace

Command checkpoint_command() {
  return {"Care", "checkpoint", "Empty the log, so that the next open is quick",
          "Commands that write do it when they end; after a crash this recovers the store.\n\n"
          "Example:\n"
          "  quire checkpoint photos",
          declare};
}

}  // namespace quire::cli
