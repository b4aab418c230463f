#include "cli/places.hpp"

#include <utility>

#include "base/try.hpp"
#include "quire/block_cache.hpp"
#include "quire/remote.hpp"

namespace quire::cli {
namespace {

// A server that gives no ranges may send so much.
constexpr std::uint64_t kMaxWholeBytes = std::uint64_t{64} << 20;
// Of a long read, so that several requests bring it.
constexpr std::uint64_t kRequestBytes = std::uint64_t{4} << 20;

S3Options s3_options(const Settings& settings, HttpSourceOptions http) {
  return {.endpoint = settings.s3.endpoint,
          .region = settings.s3.region,
          .profile = settings.s3.profile,
          .anonymous = settings.s3.anonymous,
          .http = std::move(http)};
}

Result<std::shared_ptr<const ByteSource>> open(const std::string& place, const Settings& settings,
                                               bool at_end) {
  const HttpSourceOptions http{.allow_private_network = settings.allow_private_network,
                               .proxy_from_environment = settings.proxy_from_environment,
                               .max_whole_bytes = kMaxWholeBytes,
                               .open_at_end = at_end,
                               .max_request_bytes = kRequestBytes};
  return open_source(place, {.http = http, .s3 = s3_options(settings, http)});
}

Result<std::shared_ptr<const ByteSource>> open_cached(const std::string& url,
                                                      const Settings& settings, bool at_end) {
  QUIRE_TRY(auto source, open(url, settings, at_end));
  QUIRE_TRY(const auto cache, BlockCache::create());
  return cache->attach(std::move(source));
}

Result<S3Bucket> open_bucket(const std::string& name, const Settings& settings) {
  return S3Bucket::open(
      name, s3_options(settings, {.allow_private_network = settings.allow_private_network,
                                  .proxy_from_environment = settings.proxy_from_environment}));
}

// For looking what a killed command left.
constexpr std::chrono::seconds kListTime{10};

}  // namespace

Outcome<std::shared_ptr<const ByteSource>> open_url(const std::string& url,
                                                    const Settings& settings) {
  QUIRE_TRY(auto source, open_cached(url, settings, true));
  return source;
}

Outcome<std::shared_ptr<const ByteSource>> open_url_once(const std::string& url,
                                                         const Settings& settings) {
  QUIRE_TRY(auto source, open(url, settings, false));
  return source;
}

Outcome<std::shared_ptr<const ByteSource>> open_url_in_order(const std::string& url,
                                                             const Settings& settings) {
  QUIRE_TRY(auto source, open_cached(url, settings, false));
  return source;
}

Outcome<std::unique_ptr<ByteSink>> open_s3_sink(const std::string& url, const SinkOptions& options,
                                                const Settings& settings) {
  QUIRE_TRY(const S3Location location, S3Location::parse(url));
  QUIRE_TRY(const S3Bucket bucket, open_bucket(location.bucket, settings));
  // What a killed command left. Who may not list uploads may still write.
  ignore_error(bucket.abort_uploads(location.key, options.abort_idle,
                                    {.deadline = std::chrono::steady_clock::now() + kListTime}));
  QUIRE_TRY(auto sink, bucket.open_sink(location.key, {.if_exists = options.if_exists,
                                                       .expected_bytes = options.expected_bytes}));
  return sink;
}

Outcome<> list_s3(const std::string& url, S3ListOptions options, const Settings& settings,
                  const std::function<Outcome<>(const S3Page& page)>& take) {
  QUIRE_TRY(const S3Location location, S3Location::parse(url));
  QUIRE_TRY(const S3Bucket bucket, open_bucket(location.bucket, settings));
  options.prefix = location.key;
  do {
    QUIRE_TRY(const S3Page page, bucket.list(options));
    QUIRE_CHECK(take(page));
    options.token = page.next;
  } while (!options.token.empty());
  return {};
}

}  // namespace quire::cli
