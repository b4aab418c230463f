// Arguments that several commands take, and how their text is read: strictly, with an error of
// usage for what is no such value.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "quire/element_type.hpp"
#include "quire/snapshot.hpp"
#include "quire/vector_files.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// Every function here keeps a reference to the value it fills, until the arguments are parsed.

// DIR, the store's directory.
void add_store(CLI::App& app, std::string& directory);
// PATH, a store's directory or a snapshot file.
void add_vectors(CLI::App& app, std::string& path);

// A decimal number in [minimum, maximum].
CLI::Option* add_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                        const std::string& description, std::uint64_t minimum = 0,
                        std::uint64_t maximum = std::numeric_limits<std::uint64_t>::max());

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

}  // namespace quire::cli
