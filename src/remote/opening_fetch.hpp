// OpeningFetch: the first request to an object, which tells its size and version, and brings bytes that are kept.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "remote/http_fetch.hpp"
#include "remote/object_version.hpp"

namespace quire::remote {

class OpeningFetch final : public HttpFetch {
 public:
  enum class Ask : std::uint8_t {
    front,  // the first bytes
    back,   // the last ones
    whole,  // without a range
    head,   // only what the object is
  };

  // Front and back ask for `bytes`. A server that sends the whole object all the same may send at most `max_whole`.
  OpeningFetch(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry, Ask ask,
               std::uint64_t bytes, std::uint64_t max_whole)
      : HttpFetch(std::move(place), retry), ask_(ask), bytes_(bytes), max_whole_(max_whole) {}

  // What came.
  struct Answer {
    bool is_without_such_bytes = false;  // 416
    bool is_of_unknown_size = false;     // a range of nobody knows what
    bool is_whole = false;               // the server gave no range
    ObjectVersion version = {};
    std::uint64_t kept_offset = 0;
    std::optional<std::uint64_t> expected = {};  // bytes of the body; unknown if chunked
    std::vector<std::byte> kept = {};
  };
  // Once it is done.
  Answer& answer() noexcept { return answer_; }

 private:
  net::HttpMethod method() const override {
    return ask_ == Ask::head ? net::HttpMethod::head : net::HttpMethod::get;
  }
  net::HttpHeaders headers() const override;
  Result<Body> accept(const net::HttpHead& head) override;
  Result<Body> accept_part(const net::HttpHead& head);
  Result<Body> accept_whole(const net::HttpHead& head);
  bool take(std::span<const std::byte> piece) override;
  Error too_much() const override;
  bool is_complete() const override;

  const Ask ask_;
  const std::uint64_t bytes_;
  const std::uint64_t max_whole_;
  Answer answer_;  // of the last attempt
};

}  // namespace quire::remote
