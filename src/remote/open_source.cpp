#include <optional>
#include <string>
#include <utility>

#include "base/ascii.hpp"
#include "base/try.hpp"
#include "quire/local_source.hpp"
#include "quire/remote.hpp"

namespace quire {

namespace remote {
namespace {

// What stands behind `scheme`, if the place begins with it.
std::optional<std::string_view> behind(std::string_view place, std::string_view scheme) {
  if (!base::starts_with_in_any_case(place, scheme)) return std::nullopt;
  return place.substr(scheme.size());
}

std::unexpected<Error> refuse(ErrorCode code, std::string_view place, std::string why) {
  return std::unexpected(
      Error(code, "open").with_path(std::string(place)).with_detail(std::move(why)));
}

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = base::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      path += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return path;
}

// RFC 8089: no host, or this one.
Result<std::shared_ptr<const ByteSource>> open_file_url(std::string_view place,
                                                        std::string_view rest) {
  if (const auto local = behind(rest, "localhost/"))
    rest = rest.substr(rest.size() - local->size() - 1);
  if (!rest.starts_with('/')) {
    return refuse(ErrorCode::invalid_argument, place, "the file is on another machine");
  }
  const auto path = unescaped(rest);
  if (!path) return refuse(ErrorCode::invalid_argument, place, "an escape in it is none");
  return open_file_source(*path);
}

}  // namespace
}  // namespace remote

inline namespace v0 {

Result<std::shared_ptr<const ByteSource>> open_source(std::string_view place,
                                                      const OpenSourceOptions& options) {
  using remote::behind;
  if (behind(place, "http://") || behind(place, "https://")) {
    return open_http_source(place, options.http);
  }
  if (const auto path = behind(place, "mmap:")) return open_map_source(std::string(*path));
  if (const auto rest = behind(place, "file://")) return remote::open_file_url(place, *rest);
  if (const auto path = behind(place, "file:")) return open_file_source(std::string(*path));
  if (const std::size_t scheme = place.find("://"); scheme != std::string_view::npos) {
    // What stands behind it may hold a password.
    return remote::refuse(ErrorCode::unsupported, place.substr(0, scheme + 3),
                          "files, maps, http and https are read");
  }
  return open_file_source(std::string(place));
}

}  // namespace v0
}  // namespace quire
