// quire create: a new, empty store.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string directory;
  std::uint64_t dimension = 0;
  std::optional<ElementType> type;
  std::optional<Durability> durability;
};

Outcome<> create(const Arguments& arguments, const Settings& settings) {
  const VectorStoreOptions options{
      .dimension = static_cast<std::uint32_t>(arguments.dimension),
      .element_type = arguments.type.value_or(ElementType::f32),
      .durability = arguments.durability.value_or(Durability::power_loss)};
  QUIRE_TRY(VectorStore store, from_store(VectorStore::create(arguments.directory, options,
                                                              opening_options(settings))));
  QUIRE_CHECK(from_store(store.close()));

  if (settings.json) {
    print_json({{"directory", arguments.directory},
                {"dimension", options.dimension},
                {"type", to_string(options.element_type)},
                {"durability", to_string(options.durability)}});
  } else {
    print_line("created {}: dimension {}, {}, {}", arguments.directory, options.dimension,
               to_string(options.element_type), to_string(options.durability));
  }
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_required_number(app, "--dim", arguments->dimension, "Elements of each vector", 1,
                      kMaxDimension);
  add_element_type(app, arguments->type, "Type of the elements (default f32)");
  add_durability(app, arguments->durability,
                 "What a write that has returned survives (default power_loss)");
  return [arguments](const Settings& settings) { return create(*arguments, settings); };
}

}  // namespace

Command create_command() {
  return {"Fill", "create", "Make an empty store",
          "DIR must not exist, or be empty; the directory it is in must exist.\n\n"
          "Examples: an empty store for vectors of 768 floats; one for floats of half the size\n"
          "  quire create embeddings --dim 768\n"
          "  quire create halves --dim 768 --type f16",
          declare};
}

}  // namespace quire::cli
