// A vector file, or what the URL of one leads to.
#pragma once

#include <memory>
#include <string>

#include "cli/command.hpp"
#include "quire/byte_source.hpp"
#include "quire/vector_files.hpp"

namespace quire::cli {

// A value. All readers of a URL read one version of the object.
class VectorInput {
 public:
  VectorInput() = default;
  // A file is opened by `reader`.
  static Outcome<VectorInput> open(const std::string& place, const Settings& settings);

  // For people to read.
  const std::string& name() const noexcept { return name_; }
  // From the name; nothing if it tells none.
  std::optional<VectorFormat> format() const;
  Outcome<VectorFileReader> reader(const VectorFileOptions& options) const;

 private:
  std::string name_;
  std::shared_ptr<const ByteSource> source_;  // null: name_ is a file
};

}  // namespace quire::cli
