// quire remove: vectors out of a store, by their ids.
#include <algorithm>
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string directory;
  std::vector<std::uint64_t> ids;
};

Outcome<> remove_ids(const Arguments& arguments, const Settings& settings) {
  QUIRE_TRY(VectorStore store, open_for_writing(arguments.directory, settings));
  std::vector<std::uint64_t> ids = arguments.ids;
  std::ranges::sort(ids);
  const auto [first, last] = std::ranges::unique(ids);
  ids.erase(first, last);

  const ReadView view = store.view();
  std::vector<std::uint64_t> missing;
  WriteBatch batch;
  for (const std::uint64_t id : ids) {
    if (view.contains(id)) {
      batch.remove(id);
    } else {
      missing.push_back(id);
    }
  }
  QUIRE_CHECK(from_store(store.write(batch)));
  QUIRE_CHECK(from_store(store.close()));

  if (settings.json) {
    print_json({{"removed", batch.size()}, {"absent", missing}});
  } else {
    print_line("removed {}", counted(batch.size(), "vector"));
  }
  if (missing.empty()) return {};
  return fail(kFailed,
              fmt::format("remove {}: not_found: no vector under {} {}", arguments.directory,
                          missing.size() == 1 ? "id" : "ids", fmt::join(missing, ", ")));
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_ids(app, arguments->ids);
  return [arguments](const Settings& settings) { return remove_ids(*arguments, settings); };
}

}  // namespace

Command remove_command() {
  return {"Fill", "remove", "Remove vectors by their ids",
          "All that are there are removed together or not at all. Where an id has no vector, the\n"
          "others are removed, and the exit status is 1.\n\n"
          "Example:\n"
          "  quire remove photos 17 42",
          declare};
}

}  // namespace quire::cli
