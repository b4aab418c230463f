// Arguments that several commands take, and how their text is read: strictly, with an error of
// usage for what is no such value.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/snapshot.hpp"
#include "quire/vector_files.hpp"
#include "quire/vector_store.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace quire::cli {

// Every function here keeps a reference to the value it fills, until the arguments are parsed. A name that begins
// with -- is an option's; else it is a place in the line, and required.

// DIR, the store's directory.
void add_store(CLI::App& app, std::string& directory);
// PATH, a store's directory, a snapshot file or a snapshot's URL.
void add_vectors(CLI::App& app, std::string& path);

// The path of a file.
void add_file(CLI::App& app, const std::string& name, std::string& path, const std::string& about);

// Any text; `form` says in the help what it looks like.
void add_text(CLI::App& app, const std::string& name, std::string& text, const std::string& form,
              const std::string& about);

// True if it is given.
void add_flag(CLI::App& app, const std::string& name, bool& value, const std::string& about);

// A decimal number in [minimum, maximum].
void add_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                const std::string& about, std::uint64_t minimum = 0,
                std::uint64_t maximum = std::numeric_limits<std::uint64_t>::max());
// The same for an option that must be given.
void add_required_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                         const std::string& about, std::uint64_t minimum, std::uint64_t maximum);

// Seconds from 0.1 to 86,400; 1 if the option is given alone.
void add_interval(CLI::App& app, const std::string& name, std::optional<double>& seconds,
                  const std::string& about);

// One of these words.
void add_choice(CLI::App& app, const std::string& name, std::string& word,
                const std::vector<std::string>& words, const std::string& about);

// ID..., one or more.
void add_ids(CLI::App& app, std::vector<std::uint64_t>& ids);

// One word for a value that has a name: --type or the option `name`, --format, --durability, --metric,
// --codec.
void add_element_type(CLI::App& app, std::optional<ElementType>& type, const std::string& about,
                      const std::string& name = "--type");
void add_format(CLI::App& app, std::optional<VectorFormat>& format, const std::string& about);
void add_durability(CLI::App& app, std::optional<Durability>& durability, const std::string& about);
void add_metric(CLI::App& app, std::optional<Metric>& metric);
void add_codec(CLI::App& app, std::optional<SnapshotCodec>& codec);

// Of commands that write to S3: when an upload that did not end is taken for a dead command's.
inline constexpr std::uint64_t kAbortIdle = 600;
void add_abort_idle(CLI::App& app, std::uint64_t& seconds);

}  // namespace quire::cli
