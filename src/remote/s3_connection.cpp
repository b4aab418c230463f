#include "remote/s3_connection.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "base/try.hpp"
#include "remote/s3_settings.hpp"

namespace quire::remote {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostKeyBytes = 1'024;
constexpr std::chrono::seconds kLongestPresigned = std::chrono::days(7);
constexpr auto kFirstPatience = 200ms;
constexpr auto kLongestPatience = 10s;

std::unexpected<Error> refuse(std::string path, std::string why) {
  return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                             .with_path(std::move(path))
                             .with_detail(std::move(why)));
}

bool is_low_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Older buckets, and other servers, have names that no host can have.
bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, [](char c) {
           return is_low_letter_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
                  c == '_' || c == ':';
         });
}

// A dot would need a certificate of its own.
bool can_be_in_host(std::string_view name) {
  return name.size() <= 63 && is_low_letter_or_digit(name.front()) &&
         is_low_letter_or_digit(name.back()) &&
         std::ranges::all_of(name, [](char c) { return is_low_letter_or_digit(c) || c == '-'; });
}

bool is_region_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, [](char c) { return is_low_letter_or_digit(c) || c == '-'; });
}

std::chrono::sys_seconds time_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// Some proxies change it.
bool is_left_unsigned(std::string_view header) { return header == "Accept-Encoding"; }

net::RequestToSign to_sign(const net::HttpRequest& request, const net::NamedValues& query) {
  const std::string& target = request.url.target();
  net::RequestToSign result{.method = std::string(net::to_string(request.method)),
                            .path = target.substr(0, target.find('?')),
                            .query = query,
                            .headers = {{"Host", request.url.authority()}}};
  for (const auto& header : request.headers) {
    if (!is_left_unsigned(header.first)) result.headers.push_back(header);
  }
  if (!request.body.empty()) result.payload = net::sha256_hex(request.body);
  return result;
}

}  // namespace

Result<S3Endpoint> S3Endpoint::parse(const std::string& text) {
  QUIRE_TRY(const net::Url url, net::Url::parse(text));
  if (url.target().find('?') != std::string::npos || !url.user().empty() ||
      !url.password().empty()) {
    return refuse(url.shown(), "an endpoint has neither a query nor a user");
  }
  std::string path = url.target();
  while (path.ends_with('/')) path.pop_back();
  return S3Endpoint{
      .is_secure = url.is_secure(), .authority = url.authority(), .path = std::move(path)};
}

std::string S3Endpoint::authority_in(const std::string& region) const {
  if (!authority.empty()) return authority;
  return "s3." + region + (region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
}

S3Connection::S3Connection(std::string bucket, S3Endpoint endpoint, bool is_bucket_in_host,
                           std::string region, HttpConnection http,
                           std::shared_ptr<Credentials> credentials,
                           const HttpSourceOptions& source_options)
    : bucket_(std::move(bucket)),
      endpoint_(std::move(endpoint)),
      is_bucket_in_host_(is_bucket_in_host),
      http_(std::move(http)),
      credentials_(std::move(credentials)),
      source_options_(source_options),
      region_(std::move(region)) {}

Result<std::shared_ptr<S3Connection>> S3Connection::open(std::string bucket,
                                                         const S3Options& options) {
  if (!is_bucket_name(bucket)) {
    return refuse("s3://" + bucket, "no bucket can be named so");
  }
  QUIRE_TRY(S3Settings settings, S3Settings::of(options));
  if (!is_region_name(settings.region)) {
    return refuse("s3://" + bucket, "no region can be named '" + settings.region + "'");
  }
  S3Endpoint endpoint;
  if (!settings.endpoint.empty()) {
    QUIRE_TRY(endpoint, S3Endpoint::parse(settings.endpoint));
  }
  const bool is_in_host = options.addressing == S3Addressing::virtual_host ||
                          (options.addressing == S3Addressing::automatic &&
                           endpoint.authority.empty() && can_be_in_host(bucket));
  if (is_in_host && !can_be_in_host(bucket)) {
    return refuse("s3://" + bucket, "this bucket's name cannot stand in a host's");
  }
  HttpSourceOptions http_options = options.http;
  http_options.ca_file = settings.ca_file;
  QUIRE_TRY(HttpConnection http, HttpConnection::with(http_options));
  return std::shared_ptr<S3Connection>(new S3Connection(
      std::move(bucket), std::move(endpoint), is_in_host, std::move(settings.region),
      std::move(http), std::move(settings.credentials), options.http));
}

Result<net::Url> S3Connection::url_of(std::string_view key, std::string_view query) const {
  return url_in(region(), key, query);
}

Result<net::Url> S3Connection::url_in(const std::string& region, std::string_view key,
                                      std::string_view query) const {
  if (key.size() > kMostKeyBytes || key.contains('\0')) {
    return refuse("s3://" + bucket_ + "/" + std::string(key.substr(0, kMostKeyBytes)),
                  "no key can be so long, or hold a zero");
  }
  std::string text = endpoint_.is_secure ? "https://" : "http://";
  if (is_bucket_in_host_) text.append(bucket_).append(".");
  text.append(endpoint_.authority_in(region)).append(endpoint_.path).append("/");
  if (!is_bucket_in_host_) text.append(net::canonical_path(bucket_)).append(key.empty() ? "" : "/");
  text += net::canonical_path(key);
  if (!query.empty()) text.append("?").append(query);
  return net::Url::parse(text);
}

Result<void> S3Connection::authorize(net::HttpRequest& request, std::string_view key,
                                     const net::NamedValues& query, const ReadOptions& options) {
  request.headers.insert(request.headers.end(), source_options_.headers.begin(),
                         source_options_.headers.end());
  QUIRE_TRY(const net::SigningKey signing, credentials_->key(options));
  const net::SigningScope scope{.region = region(), .time = time_now()};
  QUIRE_TRY(request.url, url_in(scope.region, key, net::canonical_query(query)));
  if (signing.access_key.empty()) return {};
  auto added = net::sign(to_sign(request, query), signing, scope);
  request.headers.insert(request.headers.end(), std::make_move_iterator(added.begin()),
                         std::make_move_iterator(added.end()));
  const base::MutexLock lock(mutex_);
  last_key_ = signing;
  return {};
}

Result<std::string> S3Connection::presigned(net::HttpMethod method, std::string_view key,
                                            std::chrono::seconds valid_for) {
  if (valid_for < 1s || valid_for > kLongestPresigned) {
    return refuse("s3://" + bucket_ + "/" + std::string(key),
                  "a URL can be valid for a second to a week");
  }
  QUIRE_TRY(const net::SigningKey signing, credentials_->key({}));
  if (signing.access_key.empty()) {
    return refuse("s3://" + bucket_ + "/" + std::string(key),
                  "without credentials nothing can be signed");
  }
  const net::SigningScope scope{.region = region(), .time = time_now()};
  QUIRE_TRY(const net::Url url, url_in(scope.region, key, ""));
  const net::HttpRequest request{.method = method, .url = url};
  return url.text() + "?" + net::presigned_query(to_sign(request, {}), signing, scope, valid_for);
}

std::string S3Connection::region() const {
  const base::MutexLock lock(mutex_);
  return region_;
}

bool S3Connection::move_to(std::string_view region) {
  if (!is_region_name(region)) return false;
  const base::MutexLock lock(mutex_);
  region_ = region;
  return true;
}

bool S3Connection::renew_credentials() {
  net::SigningKey refused;
  {
    const base::MutexLock lock(mutex_);
    refused = last_key_;
  }
  return credentials_->refresh_after(refused);
}

void S3Connection::slow_down(std::optional<std::chrono::seconds> asked) {
  const auto now = Clock::now();
  const base::MutexLock lock(mutex_);
  if (now < not_before_) return;  // it was said already
  // Forgotten after a while in which it did not ask.
  const bool is_soon = now < not_before_ + 10 * patience_;
  patience_ = is_soon ? std::min<Clock::duration>(2 * patience_, kLongestPatience)
                      : Clock::duration(kFirstPatience);
  not_before_ = now + std::max<Clock::duration>(
                          patience_, std::min<std::chrono::seconds>(asked.value_or(0s), 30s));
}

std::chrono::steady_clock::time_point S3Connection::not_before() const {
  thread_local std::minstd_rand random(std::random_device{}());
  const base::MutexLock lock(mutex_);
  if (Clock::now() >= not_before_) return not_before_;
  // Not all at the same moment.
  std::uniform_int_distribution<Clock::rep> jitter(0, patience_.count());
  return not_before_ + Clock::duration(jitter(random));
}

}  // namespace quire::remote
