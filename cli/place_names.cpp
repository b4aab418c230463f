#include "base/ascii.hpp"
#include "cli/places.hpp"

namespace quire::cli {

bool is_url(const std::string& place) {
  return base::starts_with_in_any_case(place, "http://") ||
         base::starts_with_in_any_case(place, "https://");
}

std::string shown(const std::string& place) {
  if (!is_url(place)) return place;
  std::string text = place.substr(0, place.find_first_of("?#"));
  const bool has_query = place.find('?') != std::string::npos;
  const std::size_t host = text.find("://") + 3;
  const std::size_t at = text.substr(0, text.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  if (has_query) text += "?…";
  return text;
}

}  // namespace quire::cli
