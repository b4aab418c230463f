// S3Connection: one bucket: where its server is, and who asks. Shared by all that is read from it and written to it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.hpp"
#include "net/sigv4.hpp"
#include "quire/s3.hpp"
#include "remote/http_connection.hpp"
#include "remote/s3_credentials.hpp"

namespace quire::remote {

// A server, which may have a place for each region.
struct S3Endpoint {
  bool is_secure = true;
  std::string authority = {};  // host and port; empty: Amazon's, by region
  std::string path = {};       // before the bucket's; without a slash at its end

  // Errors: invalid_argument.
  [[nodiscard]] static Result<S3Endpoint> parse(const std::string& text);
  // Of a region.
  std::string authority_in(const std::string& region) const;
};

// Thread-safe.
class S3Connection {
 public:
  [[nodiscard]] static Result<std::shared_ptr<S3Connection>> open(std::string bucket,
                                                                  const S3Options& options);

  const std::string& bucket() const noexcept { return bucket_; }
  const HttpConnection& http() const noexcept { return http_; }
  const HttpSourceOptions& source_options() const noexcept { return source_options_; }

  // Where an object is by now; the bucket itself if `key` is empty. `query` is canonical.
  Result<net::Url> url_of(std::string_view key, std::string_view query) const
      QUIRE_EXCLUDES(mutex_);
  // Gives a request its URL and signs it, both for the region that the bucket is in by now.
  Result<void> authorize(net::HttpRequest& request, std::string_view key,
                         const net::NamedValues& query, const ReadOptions& options)
      QUIRE_EXCLUDES(mutex_);
  // The URL with a signature in it.
  Result<std::string> presigned(net::HttpMethod method, std::string_view key,
                                std::chrono::seconds valid_for) QUIRE_EXCLUDES(mutex_);

  std::string region() const QUIRE_EXCLUDES(mutex_);
  // The server names it. False if that is no name of a region.
  bool move_to(std::string_view region) QUIRE_EXCLUDES(mutex_);
  // The server refused the session as run out. True if there are new credentials to try.
  bool renew_credentials() QUIRE_EXCLUDES(mutex_);

  // The server asks for patience: all requests to the bucket wait, longer each time it asks again soon.
  void slow_down(std::optional<std::chrono::seconds> asked) QUIRE_EXCLUDES(mutex_);
  std::chrono::steady_clock::time_point not_before() const QUIRE_EXCLUDES(mutex_);

 private:
  using Clock = std::chrono::steady_clock;

  Result<net::Url> url_in(const std::string& region, std::string_view key,
                          std::string_view query) const;

  S3Connection(std::string bucket, S3Endpoint endpoint, bool is_bucket_in_host, std::string region,
               HttpConnection http, std::shared_ptr<Credentials> credentials,
               const HttpSourceOptions& source_options);

  const std::string bucket_;
  const S3Endpoint endpoint_;
  const bool is_bucket_in_host_;
  const HttpConnection http_;
  const std::shared_ptr<Credentials> credentials_;
  const HttpSourceOptions source_options_;

  mutable base::Mutex mutex_;
  std::string region_ QUIRE_GUARDED_BY(mutex_);
  net::SigningKey last_key_ QUIRE_GUARDED_BY(mutex_);
  Clock::time_point not_before_ QUIRE_GUARDED_BY(mutex_);
  Clock::duration patience_ QUIRE_GUARDED_BY(mutex_) = Clock::duration::zero();
};

}  // namespace quire::remote
