// TextFetch: a request whose answer is a short text.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "remote/http_fetch.hpp"

namespace quire::remote {

[[nodiscard]] constexpr bool is_success(int status) noexcept {
  return status >= 200 && status < 300;
}

struct TextRequest {
  net::HttpMethod method = net::HttpMethod::get;
  net::HttpHeaders headers = {};  // they go wherever redirects lead; the place's own do not
  std::size_t max_bytes = std::size_t{64} << 10;
  // Which answers are taken, by their status. Redirects that are followed and what may pass are not asked about.
  bool (*accepts)(int status) noexcept = is_success;
};

class TextFetch final : public HttpFetch {
 public:
  TextFetch(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry, TextRequest request)
      : HttpFetch(std::move(place), retry), request_(std::move(request)) {}

  struct Answer {
    net::HttpHead head;
    std::string text;
  };
  // Once it is done.
  Answer& answer() noexcept { return answer_; }

 private:
  net::HttpMethod method() const override { return request_.method; }
  net::HttpHeaders headers() const override { return request_.headers; }
  Result<Body> accept(const net::HttpHead& head) override;
  bool take(std::span<const std::byte> piece) override;
  Error too_much() const override;
  bool is_complete() const override;

  const TextRequest request_;
  Answer answer_;  // of the last attempt
};

// One of them, until it is answered. Errors: network (more text than allowed; it is encoded), timeout, cancelled, and
// what error_of says about a status that is not taken; system_code() is the status then, and 0 if there was no answer.
[[nodiscard]] Result<TextFetch::Answer> fetch_text(net::HttpClient& client,
                                                   std::shared_ptr<HttpPlace> place,
                                                   const net::RetryOptions& retry,
                                                   TextRequest request, const ReadOptions& options);

}  // namespace quire::remote
