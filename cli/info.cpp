// quire info: what a store is and how full.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

nlohmann::ordered_json as_json(const StoreInfo& info) {
  return {{"kind", "vector_store"},
          {"rows", info.rows},
          {"dimension", info.dimension},
          {"type", to_string(info.element_type)},
          {"durability", to_string(info.durability)},
          {"generation", info.generation},
          {"fragmentation", info.fragmentation},
          {"bytes_on_disk", info.bytes_on_disk},
          {"format_version", info.format_version},
          {"lsn", info.lsn},
          {"checkpoint_lsn", info.checkpoint_lsn},
          {"log_bytes", info.log_bytes}};
}

Outcome<> show_info(const std::string& directory, const Settings& settings) {
  QUIRE_TRY(const VectorStore store, open_for_reading(directory));
  QUIRE_TRY(const StoreInfo info, from_store(store.info()));
  if (settings.json) {
    print_json(as_json(info));
    return {};
  }
  print_line("vector store    {}", directory);
  print_line("rows            {}", grouped(info.rows));
  print_line("dimension       {}", info.dimension);
  print_line("type            {}", to_string(info.element_type));
  print_line("durability      {}", to_string(info.durability));
  print_line("generation      {}", info.generation);
  print_line("fragmentation   {:.1f} %", info.fragmentation * 100);
  print_line("on disk         {}", byte_size(info.bytes_on_disk));
  print_line("format version  {}", info.format_version);
  print_line("last batch      {} (in the checkpoint: {})", info.lsn, info.checkpoint_lsn);
  print_line("log             {} to replay after a crash", byte_size(info.log_bytes));
  return {};
}

Run declare(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  add_store(app, *directory);
  return [directory](const Settings& settings) { return show_info(*directory, settings); };
}

}  // namespace

Command info_command() {
  return {"Look", "info", "Show what a store is and how full",
          "Changes nothing, and works beside a writer.\n\n"
          "Example:\n"
          "  quire info photos --json",
          declare};
}

}  // namespace quire::cli
