#include "cli/vector_input.hpp"

#include "base/try.hpp"
#include "cli/places.hpp"

namespace quire::cli {

Outcome<VectorInput> VectorInput::open(const std::string& place, const Settings& settings) {
  VectorInput input;
  input.name_ = shown(place);
  if (is_url(place)) {
    QUIRE_TRY(input.source_, open_url_in_order(place, settings));
  }
  return input;
}

std::optional<VectorFormat> VectorInput::format() const {
  return vector_format_from_path(source_ ? name_.substr(0, name_.find('?')) : name_);
}

Outcome<VectorFileReader> VectorInput::reader(const VectorFileOptions& options) const {
  QUIRE_TRY(VectorFileReader reader, source_ ? VectorFileReader::open(source_, options)
                                             : VectorFileReader::open(name_, options));
  return reader;
}

}  // namespace quire::cli
