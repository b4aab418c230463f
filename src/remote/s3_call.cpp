#include "remote/s3_call.hpp"

#include "base/try.hpp"
#include "remote/s3_error.hpp"

namespace quire::remote {

namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20;  // of an answer

}  // namespace

Result<HttpFetch::Body> S3Call::accept(const net::HttpHead& head) {
  answer_ = {.head = head};  // nothing of an attempt that broke off counts
  if (head.status >= 200 && head.status < 300) return Body::wanted;
  if (head.status == 412) {
    return std::unexpected(error(request_.unmet,
                                 request_.unmet == ErrorCode::exists
                                     ? "there is such an object already"
                                     : "the object is not the version that was expected",
                                 head.status));
  }
  return std::unexpected(error_of(head.status));
}

bool S3Call::take(std::span<const std::byte> piece) {
  if (piece.size() > kMostBytes - answer_.body.size()) return false;
  answer_.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return true;
}

bool S3Call::is_complete() const {
  if (request_.method == net::HttpMethod::head || answer_.head.status == 204) return true;
  const auto length = answer_.head.content_length();
  return !length || *length == answer_.body.size();
}

std::optional<Refusal> S3Call::late_refusal() const {
  if (!request_.may_fail_late || !is_s3_error(answer_.body)) return std::nullopt;
  return Refusal{.head = answer_.head, .body = answer_.body};
}

S3Outcome try_s3(const std::shared_ptr<S3Connection>& connection, const S3Request& request,
                 const ReadOptions& options) {
  auto place = S3ObjectPlace::of(connection, request.key, request.query);
  if (!place) return {.answer = std::unexpected(place.error())};
  const HttpConnection& http = connection->http();
  S3Call call(*std::move(place), http.retry, request);
  HttpFetch* const one = &call;
  const auto done = run_fetches(*http.client, {&one, 1}, 1, options);
  if (!done) {
    return {.answer = std::unexpected(done.error()), .failed_tries = call.failed_tries()};
  }
  return {.answer = std::move(call.answer()), .failed_tries = call.failed_tries()};
}

Result<S3Answer> call_s3(const std::shared_ptr<S3Connection>& connection, const S3Request& request,
                         const ReadOptions& options) {
  return try_s3(connection, request, options).answer;
}

}  // namespace quire::remote
