#include <algorithm>
#include <string_view>

#include "cli/places.hpp"

namespace quire::cli {
namespace {

bool begins_with(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() &&
         std::ranges::equal(text.substr(0, scheme.size()), scheme, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

}  // namespace

bool is_url(const std::string& place) {
  return begins_with(place, "http://") || begins_with(place, "https://");
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
