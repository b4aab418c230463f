// quire info: what a store is and how full, or what a snapshot is.
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
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

Outcome<> show_store(const std::string& directory, const Settings& settings) {
  QUIRE_TRY(const VectorStore store, open_for_reading(directory, settings));
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

nlohmann::ordered_json as_json(const SnapshotInfo& info) {
  nlohmann::ordered_json json = {{"kind", "snapshot"},
                                 {"rows", info.rows},
                                 {"dimension", info.dimension},
                                 {"type", to_string(info.element_type)}};
  json["first_id"] = nullptr;
  json["last_id"] = nullptr;
  if (info.first_id) json["first_id"] = *info.first_id;
  if (info.last_id) json["last_id"] = *info.last_id;
  json["snapshot_id"] = hex(info.id);
  json["parent"] = nullptr;
  if (info.parent) json["parent"] = hex(*info.parent);
  json["store_id"] = hex(info.store_id);
  json["lsn"] = info.lsn;
  json["created"] = utc_time(info.created_ns);
  json["codec"] = to_string(info.codec);
  json["block_rows"] = info.block_rows;
  json["blocks"] = info.blocks;
  json["bytes"] = info.bytes;
  json["format_version"] = info.format_version;
  return json;
}

Outcome<> show_snapshot(const std::string& file, const Settings& settings) {
  QUIRE_TRY(const Snapshot snapshot, open_snapshot(file, settings));
  const SnapshotInfo& info = snapshot.info();
  if (settings.json) {
    print_json(as_json(info));
    return {};
  }
  print_line("snapshot        {}", shown(file));
  print_line("rows            {}", grouped(info.rows));
  print_line("ids             {}",
             info.first_id ? fmt::format("{} to {}", *info.first_id, *info.last_id) : "none");
  print_line("dimension       {}", info.dimension);
  print_line("type            {}", to_string(info.element_type));
  print_line("snapshot id     {}", hex(info.id));
  print_line("parent          {}", info.parent ? hex(*info.parent) : "none");
  print_line("store id        {}", hex(info.store_id));
  print_line("last batch      {}", info.lsn);
  print_line("created         {}", utc_time(info.created_ns));
  print_line("codec           {}", to_string(info.codec));
  print_line("blocks          {} of up to {}", grouped(info.blocks),
             counted(info.block_rows, "row"));
  print_line("size            {}", byte_size(info.bytes));
  print_line("format version  {}", info.format_version);
  return {};
}

Outcome<> show_info(const std::string& path, const Settings& settings) {
  return is_directory(path) ? show_store(path, settings) : show_snapshot(path, settings);
}

Run declare(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  add_vectors(app, *path);
  return [path](const Settings& settings) { return show_info(*path, settings); };
}

}  // namespace

Command info_command() {
  return {"Look", "info", "Show what a store or snapshot is, and how full",
          "Changes nothing, and works beside a writer.\n\n"
          "Example:\n"
          "  quire info photos --json",
          declare};
}

}  // namespace quire::cli
