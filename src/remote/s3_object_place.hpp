// S3ObjectPlace: an object of a bucket as a place that requests go to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/sigv4.hpp"
#include "remote/s3_connection.hpp"

namespace quire::remote {

// Thread-safe.
class S3ObjectPlace final : public HttpPlace {
 public:
  // The bucket itself if `key` is empty. `query` goes with each request.
  [[nodiscard]] static Result<std::shared_ptr<S3ObjectPlace>> of(
      std::shared_ptr<S3Connection> connection, std::string key,
      const net::NamedValues& query = {});

  net::Url now() const override;
  std::string shown(const net::Url& url) const override;
  Result<void> authorize(net::HttpRequest& request, const ReadOptions& options) override;
  bool follows_redirects() const noexcept override { return false; }
  std::size_t words_wanted() const noexcept override { return std::size_t{16} << 10; }
  std::optional<Verdict> judge(const Refusal& refusal) override;
  std::chrono::steady_clock::time_point not_before() const override {
    return connection_->not_before();
  }

 private:
  S3ObjectPlace(std::shared_ptr<S3Connection> connection, std::string key, net::NamedValues query,
                net::Url url)
      : HttpPlace(std::move(url), {}),
        connection_(std::move(connection)),
        key_(std::move(key)),
        query_(std::move(query)),
        canonical_query_(net::canonical_query(query_)) {}

  const std::shared_ptr<S3Connection> connection_;
  const std::string key_;
  const net::NamedValues query_;
  const std::string canonical_query_;
};

}  // namespace quire::remote
