#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <string_view>

namespace quire::cli {
namespace {

std::uint64_t parse_number(const std::string& option, const std::string& text,
                           std::uint64_t minimum, std::uint64_t maximum) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stopped == end && value >= minimum && value <= maximum) return value;
  throw CLI::ValidationError(
      option, fmt::format("'{}' is no whole number from {} to {}", text, minimum, maximum));
}

double parse_seconds(const std::string& option, const std::string& text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] =
      std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (error == std::errc() && stopped == end && seconds >= 0.1 && seconds <= 86'400) return seconds;
  throw CLI::ValidationError(option,
                             fmt::format("'{}' is no number of seconds from 0.1 to 86400", text));
}

// An option of one value, which `take` reads from its text.
template <class Take>
CLI::Option* add_value(CLI::App& app, const std::string& name, const Take& take,
                       const std::string& about) {
  const CLI::callback_t callback = [take](const CLI::results_t& texts) {
    take(texts.front());
    return true;
  };
  return app.add_option(name, callback, about);
}

// `parse` gives an optional that is empty for a word it does not know.
template <class Value, class Parse>
void add_word(CLI::App& app, const std::string& name, std::optional<Value>& value, Parse parse,
              const std::string& words, const std::string& about) {
  const auto take = [&value, parse, name, words](const std::string& text) {
    const auto parsed = parse(std::string_view(text));
    if (!parsed) {
      throw CLI::ValidationError(name, fmt::format("'{}' is not one of these: {}", text, words));
    }
    value = parsed;
  };
  add_value(app, name, take, about)->type_name(words);
}

// Where it is said by its place.
void add_place(CLI::App& app, const std::string& name, std::string& text,
               const std::string& about) {
  app.add_option(name, text, about)->required()->type_name("");
}

CLI::Option* add_whole_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                              const std::string& about, std::uint64_t minimum,
                              std::uint64_t maximum) {
  const auto take = [&value, name, minimum, maximum](const std::string& text) {
    value = parse_number(name, text, minimum, maximum);
  };
  return add_value(app, name, take, about)->type_name("N");
}

}  // namespace

void add_store(CLI::App& app, std::string& directory) {
  add_place(app, "DIR", directory, "The store's directory");
}

void add_vectors(CLI::App& app, std::string& path) {
  add_place(app, "PATH", path, "A store's directory, a snapshot file, or a snapshot's URL");
}

void add_file(CLI::App& app, const std::string& name, std::string& path, const std::string& about) {
  if (name.starts_with("--")) {
    app.add_option(name, path, about)->type_name("FILE");
  } else {
    add_place(app, name, path, about);
  }
}

void add_text(CLI::App& app, const std::string& name, std::string& text, const std::string& form,
              const std::string& about) {
  app.add_option(name, text, about)->type_name(form);
}

void add_flag(CLI::App& app, const std::string& name, bool& value, const std::string& about) {
  app.add_flag(name, value, about);
}

void add_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                const std::string& about, std::uint64_t minimum, std::uint64_t maximum) {
  add_whole_number(app, name, value, about, minimum, maximum);
}

void add_required_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                         const std::string& about, std::uint64_t minimum, std::uint64_t maximum) {
  add_whole_number(app, name, value, about, minimum, maximum)->required();
}

void add_abort_idle(CLI::App& app, std::uint64_t& seconds) {
  add_whole_number(
      app, "--abort-idle", seconds,
      "In S3, ends uploads to DST to which nothing was added for N seconds (default 600)", 0,
      1'000'000'000)
      ->group("S3");
}

void add_interval(CLI::App& app, const std::string& name, std::optional<double>& seconds,
                  const std::string& about) {
  const CLI::callback_t take = [&seconds, name](const CLI::results_t& texts) {
    const bool is_alone = texts.empty() || texts.front().empty();
    seconds = is_alone ? 1.0 : parse_seconds(name, texts.front());
    return true;
  };
  app.add_option(name, take, about)->type_name("[SECONDS]")->expected(0, 1);
}

void add_choice(CLI::App& app, const std::string& name, std::string& word,
                const std::vector<std::string>& words, const std::string& about) {
  const std::string listed = fmt::format("{}", fmt::join(words, "|"));
  const auto take = [&word, name, words, listed](const std::string& text) {
    if (std::ranges::find(words, text) == words.end()) {
      throw CLI::ValidationError(name, fmt::format("'{}' is not one of these: {}", text, listed));
    }
    word = text;
  };
  add_value(app, name, take, about)->type_name(listed);
}

void add_ids(CLI::App& app, std::vector<std::uint64_t>& ids) {
  app.add_option_function<std::vector<std::string>>(
         "ID",
         [&ids](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             ids.push_back(parse_number("ID", text, 0, std::numeric_limits<std::uint64_t>::max()));
           }
         },
         "Ids of vectors")
      ->required()
      ->type_name("");
}

void add_element_type(CLI::App& app, std::optional<ElementType>& type, const std::string& about,
                      const std::string& name) {
  add_word(app, name, type, element_type_from_string, "f32|f16|bf16|i8|u8|b1", about);
}

void add_format(CLI::App& app, std::optional<VectorFormat>& format, const std::string& about) {
  add_word(app, "--format", format, vector_format_from_string, "fvecs|bvecs|npy|raw", about);
}

void add_durability(CLI::App& app, std::optional<Durability>& durability,
                    const std::string& about) {
  add_word(app, "--durability", durability, durability_from_string,
           "power_loss|process_crash|checkpoint_only", about);
}

void add_metric(CLI::App& app, std::optional<Metric>& metric) {
  add_word(app, "--metric", metric, metric_from_string, "l2|ip|cosine|hamming",
           "Distance: squared Euclidean (default), minus the inner product, 1 - cosine, number of "
           "elements that differ");
}

void add_codec(CLI::App& app, std::optional<SnapshotCodec>& codec) {
  add_word(app, "--codec", codec, snapshot_codec_from_string, "none",
           "How the vectors are stored (default none: as they are)");
}

}  // namespace quire::cli
