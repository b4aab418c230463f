// quire export: all vectors of a store or snapshot into a vector file.
#include <chrono>
#include <memory>
#include <span>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/vectors.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string path;  // of the store or snapshot
  std::string file;
  std::optional<VectorFormat> format;
  std::optional<ElementType> type;
};

struct Exported {
  std::uint64_t rows = 0;
  std::uint64_t first_id = 0;  // if there are rows
  std::uint64_t last_id = 0;

  bool consecutive() const { return rows == 0 || last_id - first_id == rows - 1; }
};

Outcome<Exported> write_rows(const Vectors& vectors, ConvertingWriter& writer) {
  Exported exported;
  InterruptGuard interrupt;
  Progress progress("exporting", "row", vectors.size());
  const auto write = [&](std::span<const std::uint64_t> ids,
                         std::span<const std::byte> rows) -> Outcome<> {
    QUIRE_CHECK(writer.append(rows));
    if (exported.rows == 0) exported.first_id = ids.front();
    exported.last_id = ids.back();
    exported.rows += ids.size();
    progress.update(exported.rows);
    if (!interrupt.requested()) return {};
    return fail(interrupt.exit_status(), "export: interrupted; no file was written");
  };
  QUIRE_CHECK(vectors.scan(write));
  return exported;
}

void report(const Arguments& arguments, const Settings& settings, const Exported& exported,
            double seconds) {
  if (settings.json) {
    nlohmann::ordered_json json = {{"rows", exported.rows}, {"seconds", seconds}};
    json["first_id"] = nullptr;
    json["last_id"] = nullptr;
    if (exported.rows > 0) {
      json["first_id"] = exported.first_id;
      json["last_id"] = exported.last_id;
    }
    json["consecutive"] = exported.consecutive();
    print_json(json);
    return;
  }
  print_line("exported {} to {} in {}: {} rows/s", counted(exported.rows, "row"), arguments.file,
             duration(seconds), rate(exported.rows, seconds));
  if (exported.rows > 0) {
    print_line(
        "ids {} to {}{}", exported.first_id, exported.last_id,
        exported.consecutive() ? "" : ", with gaps: the file does not say which row is whose");
  }
}

Outcome<> export_vectors(const Arguments& arguments, const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  const auto format = arguments.format ? arguments.format : vector_format_from_path(arguments.file);
  if (!format) {
    return fail(kWrongUsage,
                fmt::format("export: the name {} tells no format: give --format", arguments.file));
  }
  QUIRE_TRY(const std::unique_ptr<Vectors> vectors,
            open_vectors_for_scan(arguments.path, settings));
  const ElementType type = arguments.type.value_or(file_type(*format, vectors->element_type()));
  QUIRE_TRY(VectorFileWriter writer,
            VectorFileWriter::create(arguments.file, *format, vectors->dimension(), type));
  ConvertingWriter converting(writer, vectors->dimension(), vectors->element_type(), type);
  QUIRE_TRY(const Exported exported, write_rows(*vectors, converting));
  QUIRE_CHECK(writer.finish());
  const auto end = std::chrono::steady_clock::now();
  report(arguments, settings, exported, std::chrono::duration<double>(end - begin).count());
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_vectors(app, arguments->path);
  add_file(app, "FILE", arguments->file, "The file to write");
  add_format(app, arguments->format, "Format of FILE (default: by its name)");
  add_element_type(
      app, arguments->type,
      "Type of FILE's elements, to which the vectors are converted (default: theirs; in "
      "npy f32 for bf16, u8 for b1)");
  return [arguments](const Settings& settings) { return export_vectors(*arguments, settings); };
}

}  // namespace

Command export_command() {
  return {
      "Look", "export", "Write all vectors to a vector file",
      "In ascending order of their ids, each compared with its checksum. FILE appears only when\n"
      "all of it is written; a damaged vector gives exit status 3 and no file. fvecs files hold\n"
      "f32, bvecs u8, npy f32, f16, i8 and u8, raw everything.\n\n"
      "Examples:\n"
      "  quire export photos photos.npy\n"
      "  quire export photos photos.fvecs --type f32",
      declare};
}

}  // namespace quire::cli
