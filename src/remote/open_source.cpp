#include <optional>
#include <string>
#include <utility>

#include "base/ascii.hpp"
#include "base/try.hpp"
#include "net/url.hpp"
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

// RFC 8089: no host, or this one.
Result<std::shared_ptr<const ByteSource>> open_file_url(std::string_view place,
                                                        std::string_view rest) {
  if (const auto local = behind(rest, "localhost/"))
    rest = rest.substr(rest.size() - local->size() - 1);
  if (!rest.starts_with('/')) {
    return refuse(ErrorCode::invalid_argument, place, "the file is on another machine");
  }
  const auto path = net::unescaped(rest);
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
  if (behind(place, "s3://")) {
    QUIRE_TRY(const S3Location location, S3Location::parse(place));
    QUIRE_TRY(const S3Bucket bucket, S3Bucket::open(location.bucket, options.s3));
    return bucket.open_source(location.key);
  }
  if (const auto path = behind(place, "mmap:")) return open_map_source(std::string(*path));
  if (const auto rest = behind(place, "file://")) return remote::open_file_url(place, *rest);
  if (const auto path = behind(place, "file:")) return open_file_source(std::string(*path));
  if (const std::size_t scheme = place.find("://"); scheme != std::string_view::npos) {
    // What stands behind it may hold a password.
    return remote::refuse(ErrorCode::unsupported, place.substr(0, scheme + 3),
                          "files, maps, http, https and s3 are read");
  }
  return open_file_source(std::string(place));
}

}  // namespace v0
}  // namespace quire
