// quire export: all vectors of a store into a vector file.
#include <algorithm>
#include <chrono>
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string directory;
  std::string file;
  std::optional<VectorFormat> format;
};

Outcome<> write_rows(const VectorStore& store, const std::vector<std::uint64_t>& ids,
                     VectorFileWriter& writer) {
  constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
  const std::size_t row_bytes = writer.row_bytes();
  const std::size_t block_rows = std::max<std::size_t>(1, kBlockBytes / row_bytes);
  std::vector<std::byte> block(block_rows * row_bytes);
  InterruptGuard interrupt;
  Progress progress("exporting", "row", ids.size());

  for (std::size_t begin = 0; begin < ids.size(); begin += block_rows) {
    const std::size_t count = std::min(block_rows, ids.size() - begin);
    const std::span<std::byte> rows = std::span(block).first(count * row_bytes);
    for (std::size_t i = 0; i < count; ++i) {
      QUIRE_CHECK(from_store(store.get(ids[begin + i], rows.subspan(i * row_bytes, row_bytes))));
    }
    QUIRE_CHECK(writer.append(rows));
    progress.update(begin + count);
    if (interrupt.requested()) {
      return fail(interrupt.exit_status(), "export: interrupted; no file was written");
    }
  }
  return {};
}

void report(const Arguments& arguments, const Settings& settings,
            const std::vector<std::uint64_t>& ids, double seconds) {
  const bool consecutive = ids.empty() || ids.back() - ids.front() == ids.size() - 1;
  if (settings.json) {
    nlohmann::ordered_json json = {{"rows", ids.size()}, {"seconds", seconds}};
    json["first_id"] = nullptr;
    json["last_id"] = nullptr;
    if (!ids.empty()) {
      json["first_id"] = ids.front();
      json["last_id"] = ids.back();
    }
    json["consecutive"] = consecutive;
    print_json(json);
    return;
  }
  print_line("exported {} to {} in {}: {} rows/s", counted(ids.size(), "row"), arguments.file,
             duration(seconds), rate(ids.size(), seconds));
  if (!ids.empty()) {
    print_line("ids {} to {}{}", ids.front(), ids.back(),
               consecutive ? "" : ", with gaps: the file does not say which row is whose");
  }
}

Outcome<> export_store(const Arguments& arguments, const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  const auto format = arguments.format ? arguments.format : vector_format_from_path(arguments.file);
  if (!format) {
    return fail(kWrongUsage,
                fmt::format("export: the name {} tells no format: give --format", arguments.file));
  }
  QUIRE_TRY(const VectorStore store, open_for_reading(arguments.directory));
  QUIRE_TRY(
      VectorFileWriter writer,
      VectorFileWriter::create(arguments.file, *format, store.dimension(), store.element_type()));
  const std::vector<std::uint64_t> ids = store.view().ids();
  QUIRE_CHECK(write_rows(store, ids, writer));
  QUIRE_CHECK(writer.finish());
  const auto end = std::chrono::steady_clock::now();
  report(arguments, settings, ids, std::chrono::duration<double>(end - begin).count());
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  app.add_option("FILE", arguments->file, "The file to write")->required()->type_name("");
  add_format(app, arguments->format, "Format of FILE (default: by its name)");
  return [arguments](const Settings& settings) { return export_store(*arguments, settings); };
}

}  // namespace

Command export_command() {
  return {
      "Look", "export", "Write all vectors to a vector file",
      "In ascending order of their ids, each compared with its checksum. FILE appears only when\n"
      "all of it is written; a damaged vector gives exit status 3 and no file.\n\n"
      "Example:\n"
      "  quire export photos photos.npy",
      declare};
}

}  // namespace quire::cli
