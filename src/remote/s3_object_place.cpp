#include "remote/s3_object_place.hpp"

#include <charconv>

#include "base/try.hpp"
#include "remote/s3_error.hpp"

namespace quire::remote {

namespace {

std::optional<std::chrono::seconds> asked_wait(const net::HttpHead& head) {
  const std::string_view text = head.find("Retry-After").value_or("");
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

Result<std::shared_ptr<S3ObjectPlace>> S3ObjectPlace::of(std::shared_ptr<S3Connection> connection,
                                                         std::string key,
                                                         const net::NamedValues& query) {
  QUIRE_TRY(net::Url url, connection->url_of(key, net::canonical_query(query)));
  return std::shared_ptr<S3ObjectPlace>(
      new S3ObjectPlace(std::move(connection), std::move(key), query, std::move(url)));
}

net::Url S3ObjectPlace::now() const {
  // That it is a URL was seen when it was made.
  return connection_->url_of(key_, canonical_query_).value_or(given());
}

std::string S3ObjectPlace::shown(const net::Url& /*url*/) const {
  return "s3://" + connection_->bucket() + "/" + key_;
}

Result<void> S3ObjectPlace::authorize(net::HttpRequest& request, const ReadOptions& options) {
  auto done = connection_->authorize(request, key_, query_, options);
  if (!done && done.error().path().empty()) {
    return std::unexpected(std::move(done.error()).with_path(shown(request.url)));
  }
  return done;
}

std::optional<Verdict> S3ObjectPlace::judge(const Refusal& refusal) {
  const int status = refusal.head.status;
  const S3Error error = S3Error::of(refusal);
  // Only those that are about where the bucket is.
  const bool is_elsewhere =
      (status >= 300 && status < 400) || error.code == "AuthorizationHeaderMalformed" ||
      error.code == "IllegalLocationConstraintException" || (error.code.empty() && status == 400);
  if (is_elsewhere && connection_->move_to(error.region)) {
    return Verdict{.then = Verdict::Then::ask_again,
                   .why = "the bucket is in the region " + error.region};
  }
  // The answer to HEAD has no words.
  if ((error.code == "ExpiredToken" || error.code == "TokenRefreshRequired" ||
       error.code == "InvalidToken" || (error.code.empty() && status == 400)) &&
      connection_->renew_credentials()) {
    return Verdict{.then = Verdict::Then::ask_again,
                   .code = ErrorCode::unauthenticated,
                   .why = "the session has run out"};
  }
  if (status == 503 || status == 429) connection_->slow_down(asked_wait(refusal.head));
  return verdict_of(status, error);
}

}  // namespace quire::remote
