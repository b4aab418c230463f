// S3Call: a request to a bucket whose answer is short: everything but reading objects.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "remote/http_fetch.hpp"
#include "remote/s3_object_place.hpp"

namespace quire::remote {

struct S3Request {
  const char* operation = "read";  // for messages; a literal
  net::HttpMethod method = net::HttpMethod::get;
  std::string key = {};  // empty: the bucket's own
  net::NamedValues query = {};
  net::HttpHeaders headers = {};
  std::span<const std::byte> body = {};
  // What it means if the server says that a condition does not hold.
  ErrorCode unmet = ErrorCode::changed;
  // The server may find that it failed after it has answered 200.
  bool may_fail_late = false;
};

struct S3Answer {
  net::HttpHead head = {};
  std::string body = {};
};

// What came of a call, whether it went well or not.
struct S3Outcome {
  Result<S3Answer> answer;
  // Tries before the last, which the server may have carried out without our hearing of it.
  unsigned failed_tries = 0;
};

class S3Call final : public HttpFetch {
 public:
  // `request` must outlive it.
  S3Call(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry, const S3Request& request)
      : HttpFetch(std::move(place), retry), request_(request) {}

  // Once it is done.
  S3Answer& answer() noexcept { return answer_; }
  using HttpFetch::failed_tries;

 private:
  net::HttpMethod method() const override { return request_.method; }
  net::HttpHeaders headers() const override { return request_.headers; }
  std::span<const std::byte> body() const override { return request_.body; }
  const char* operation() const override { return request_.operation; }
  Result<Body> accept(const net::HttpHead& head) override;
  bool take(std::span<const std::byte> piece) override;
  bool is_complete() const override;
  std::optional<Refusal> late_refusal() const override;

  const S3Request& request_;
  S3Answer answer_;
};

// Makes one, and waits for it.
[[nodiscard]] S3Outcome try_s3(const std::shared_ptr<S3Connection>& connection,
                               const S3Request& request, const ReadOptions& options);
// The same, where nobody needs to know about tries.
[[nodiscard]] Result<S3Answer> call_s3(const std::shared_ptr<S3Connection>& connection,
                                       const S3Request& request, const ReadOptions& options);

}  // namespace quire::remote
