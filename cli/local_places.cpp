// What places.hpp does without a network.
#include "base/ascii.hpp"
#include "base/try.hpp"
#include "cli/places.hpp"
#include "quire/local_source.hpp"

namespace quire::cli {

bool is_url(const std::string& place) {
  return base::starts_with_in_any_case(place, "http://") ||
         base::starts_with_in_any_case(place, "https://") || is_s3(place);
}

bool is_s3(const std::string& place) { return base::starts_with_in_any_case(place, "s3://"); }

std::string shown(const std::string& place) {
  if (!is_url(place) || is_s3(place)) return place;
  std::string text = place.substr(0, place.find_first_of("?#"));
  const bool has_query = place.find('?') != std::string::npos;
  const std::size_t host = text.find("://") + 3;
  const std::size_t at = text.substr(0, text.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  if (has_query) text += "?…";
  return text;
}

Outcome<std::shared_ptr<const ByteSource>> open_once(const std::string& place,
                                                     const Settings& settings) {
  if (is_url(place)) return open_url_once(place, settings);
  QUIRE_TRY(auto source, open_file_source(place));
  return source;
}

Outcome<std::unique_ptr<ByteSink>> open_sink(const std::string& place, const SinkOptions& options,
                                             const Settings& settings) {
  if (is_s3(place)) return open_s3_sink(place, options, settings);
  if (is_url(place)) {
    return std::unexpected(Failure(Error(ErrorCode::unsupported, "open")
                                       .with_path(shown(place))
                                       .with_detail("files and s3:// places can be written")));
  }
  QUIRE_TRY(auto sink, open_file_sink(place, {.if_exists = options.if_exists}));
  return sink;
}

}  // namespace quire::cli
