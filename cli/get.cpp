// quire get: vectors by their ids, as text or as a vector file.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/vectors.hpp"
#include "cli/wording.hpp"
#include "quire/convert.hpp"

namespace quire::cli {
namespace {

struct Arguments {
  std::string path;  // of the store or snapshot
  std::vector<std::uint64_t> ids;
  std::string format;  // empty: by the name of `output`, else text
  std::string output;  // empty: standard output
};

using Row = std::vector<std::byte>;

Outcome<Row> read_row(const Vectors& vectors, std::uint64_t id) {
  Row row(vectors.row_bytes());
  QUIRE_CHECK(vectors.get(id, row));
  return row;
}

// Calls use(element) for each element: floats of every kind as a float, which is exact, others as a number.
template <class Use>
Outcome<> each_element(const Vectors& vectors, const Row& row, Use use) {
  std::vector<float> elements(vectors.dimension());
  QUIRE_CHECK(convert(VectorRef(vectors.element_type(), row), vectors.dimension(), ElementType::f32,
                      std::as_writable_bytes(std::span(elements))));
  const ElementType type = vectors.element_type();
  const bool whole = type == ElementType::u8 || type == ElementType::i8 || type == ElementType::b1;
  for (const float element : elements) {
    if (whole) {
      use(static_cast<int>(element));
    } else {
      use(element);
    }
  }
  return {};
}

Outcome<std::string> as_text(const Vectors& vectors, std::uint64_t id, const Row& row) {
  std::string line = fmt::format("{}:", id);
  const auto add = [&line](auto element) { line += fmt::format(" {}", element); };
  QUIRE_CHECK(each_element(vectors, row, add));
  return line + "\n";
}

Outcome<nlohmann::ordered_json> as_json(const Vectors& vectors, std::uint64_t id, const Row& row) {
  auto elements = nlohmann::ordered_json::array();
  const auto add = [&elements](auto element) { elements.push_back(element); };
  QUIRE_CHECK(each_element(vectors, row, add));
  return nlohmann::ordered_json{{"id", id}, {"vector", std::move(elements)}};
}

Outcome<> write_file(const Vectors& vectors, std::span<const std::uint64_t> ids,
                     VectorFormat format, const std::string& path) {
  const ElementType type = file_type(format, vectors.element_type());
  QUIRE_TRY(VectorFileWriter writer,
            VectorFileWriter::create(path, format, vectors.dimension(), type));
  ConvertingWriter converting(writer, vectors.dimension(), vectors.element_type(), type);
  for (const std::uint64_t id : ids) {
    QUIRE_TRY(const Row row, read_row(vectors, id));
    QUIRE_CHECK(converting.append(row));
  }
  QUIRE_CHECK(writer.finish());
  return {};
}

// A directory of our own for a moment.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "quire-XXXXXX").string();
    if (!error && ::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  // Empty if there could be none.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A vector file is put in place by renaming, so what goes into a pipe is made beside first.
Outcome<> write_to_standard_output(const Vectors& vectors, std::span<const std::uint64_t> ids,
                                   VectorFormat format) {
  const TemporaryDirectory beside;
  if (beside.path().empty()) return fail(kFailed, "get: no temporary directory can be made");
  const std::string path = beside.path() + "/rows";
  QUIRE_CHECK(write_file(vectors, ids, format, path));
  std::ifstream file(path, std::ios::binary);
  std::array<char, std::size_t{1} << 16> block;
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    print_text(std::string_view(block.data(), static_cast<std::size_t>(file.gcount())));
  }
  return file.bad() ? fail(kFailed, fmt::format("get: cannot read {}", path)) : Outcome<>();
}

Outcome<> write_text_file(const Vectors& vectors, std::span<const std::uint64_t> ids,
                          const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (const std::uint64_t id : ids) {
    QUIRE_TRY(const Row row, read_row(vectors, id));
    QUIRE_TRY(const std::string line, as_text(vectors, id, row));
    file << line;
  }
  file.close();
  if (!file) return fail(kFailed, fmt::format("get: cannot write {}", path));
  return {};
}

Outcome<> absent(const Arguments& arguments, std::span<const std::uint64_t> ids) {
  return fail(kFailed,
              fmt::format("get {}: not_found: no vector under {} {}", shown(arguments.path),
                          ids.size() == 1 ? "id" : "ids", fmt::join(ids, ", ")));
}

// The format that was asked for; nothing for text.
Outcome<std::optional<VectorFormat>> chosen_format(const Arguments& arguments,
                                                   const Settings& settings) {
  std::optional<VectorFormat> format;
  if (arguments.format.empty() && !arguments.output.empty()) {
    format = vector_format_from_path(arguments.output);
  } else if (!arguments.format.empty() && arguments.format != "text") {
    format = vector_format_from_string(arguments.format);
  }
  if (settings.json && (format || !arguments.output.empty())) {
    return fail(kWrongUsage, "get: --json goes with neither --output nor a binary --format");
  }
  if (format && arguments.output.empty() && ::isatty(STDOUT_FILENO) == 1) {
    return fail(kWrongUsage, "get: a terminal cannot show this format: give --output");
  }
  return format;
}

Outcome<> get(const Arguments& arguments, const Settings& settings) {
  QUIRE_TRY(const std::optional<VectorFormat> format, chosen_format(arguments, settings));
  QUIRE_TRY(const std::unique_ptr<Vectors> vectors, open_vectors(arguments.path, settings));
  std::vector<std::uint64_t> found;
  std::vector<std::uint64_t> missing;
  for (const std::uint64_t id : arguments.ids) {
    QUIRE_TRY(const bool is_there, vectors->contains(id));
    (is_there ? found : missing).push_back(id);
  }

  if (format || !arguments.output.empty()) {  // a file has all that was asked for, or is not made
    if (!missing.empty()) return absent(arguments, missing);
    if (!format) return write_text_file(*vectors, found, arguments.output);
    return arguments.output.empty() ? write_to_standard_output(*vectors, found, *format)
                                    : write_file(*vectors, found, *format, arguments.output);
  }
  for (const std::uint64_t id : found) {
    QUIRE_TRY(const Row row, read_row(*vectors, id));
    if (settings.json) {
      QUIRE_TRY(const nlohmann::ordered_json json, as_json(*vectors, id, row));
      print_json(json);
    } else {
      QUIRE_TRY(const std::string line, as_text(*vectors, id, row));
      print_text(line);
    }
  }
  return missing.empty() ? Outcome<>() : absent(arguments, missing);
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_vectors(app, arguments->path);
  add_ids(app, arguments->ids);
  add_choice(app, "--format", arguments->format, {"text", "fvecs", "bvecs", "npy", "raw"},
             "Format of what is written (default: by the name of --output, else text)");
  add_file(app, "--output", arguments->output, "Write to this file");
  return [arguments](const Settings& settings) { return get(*arguments, settings); };
}

}  // namespace

Command get_command() {
  return {"Look", "get", "Show vectors by their ids",
          "Compares each vector with its checksum. Text is a line `id: v v v` for each id, in the\n"
          "order given; with --json a line {\"id\": …, \"vector\": […]}. Where an id has no "
          "vector, the\n"
          "others are shown, no file is written, and the exit status is 1.\n\n"
          "Example: two vectors as a NumPy array\n"
          "  quire get photos 17 42 --output two.npy",
          declare};
}

}  // namespace quire::cli
