// HttpFetch: one request until it is answered: redirects are followed, what passes is tried again, and a body that
// broke off goes on where it stopped.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/http_client.hpp"
#include "net/retry.hpp"
#include "quire/byte_source.hpp"
#include "remote/http_place.hpp"

namespace quire::remote {

class FetchCrew;

// Whoever fetches says what to ask for, and judges the answer. One thread at a time: the client's while a request is
// under way, the caller's between two.
class HttpFetch {
 public:
  HttpFetch(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry);
  virtual ~HttpFetch() = default;
  HttpFetch(const HttpFetch&) = delete;
  HttpFetch& operator=(const HttpFetch&) = delete;

 protected:
  // --- What a kind of fetch says
  virtual net::HttpMethod method() const { return net::HttpMethod::get; }
  // The headers of the next request; what has come already needs not be asked for again.
  virtual net::HttpHeaders headers() const { return {}; }
  // What a put or post sends. Must stay as it is until the fetch is done.
  virtual std::span<const std::byte> body() const { return {}; }
  enum class Body : std::uint8_t { wanted, unwanted };
  // An answer that is neither a redirect nor may pass. An error ends the fetch, and is told.
  virtual Result<Body> accept(const net::HttpHead& head) = 0;
  // A piece of the body that is wanted. False: it is more than can be.
  virtual bool take(std::span<const std::byte> piece) = 0;
  // The error for it.
  virtual Error too_much() const {
    return error(ErrorCode::network, "the server sent more than was asked for");
  }
  // True if all that is wanted has come.
  virtual bool is_complete() const = 0;
  // All has come, and it is a refusal, whatever the status was.
  virtual std::optional<Refusal> late_refusal() const { return std::nullopt; }
  // Bytes that have come for good: while there are more and more, tries are not counted.
  virtual std::uint64_t progress() const { return 0; }

  // What is done and to what, for messages.
  virtual const char* operation() const { return "read"; }
  virtual std::optional<ByteRange> range() const { return std::nullopt; }

  // Tries that failed; the server may have carried them out.
  unsigned failed_tries() const noexcept { return retry_ ? retry_->failed_tries() : 0; }
  // An error of this fetch, which names the URL, and the range if there is one.
  Error error(ErrorCode code, std::string why, int status = 0) const;
  // The error for a status that says no.
  Error error_of(int status) const;

 private:
  friend class FetchCrew;
  class Attempt;

  // What an attempt came to. Each says when to begin the next, or nothing, and then `result_` is what came of all.
  using Next = std::optional<std::chrono::steady_clock::time_point>;

  void begin();
  // The next request.
  Result<net::HttpRequest> request(const ReadOptions& options);
  Next after(const Attempt& attempt);
  Next after_refusal(const Attempt& attempt, const Verdict& verdict);
  Next follow(const Attempt& attempt);
  Next try_again(Error why, const Attempt& attempt);
  Next end(Result<void> result);

  const std::shared_ptr<HttpPlace> place_;
  net::Url url_;  // of the attempt that is under way, or was the last
  const net::RetryOptions retry_options_;
  // Made when a try fails: a good seed is dear.
  std::optional<net::Retry> retry_;
  unsigned redirects_ = 0;         // that led to it
  bool is_moved_for_good_ = true;  // by all of them
  bool has_asked_again_ = false;
  Result<void> result_;
};

// Runs fetches side by side, at most `most` at once, and waits until all are done, or one has failed, or it is time to
// give up; nobody touches the fetches any more then. Returns the first failure.
[[nodiscard]] Result<void> run_fetches(net::HttpClient& client, std::span<HttpFetch* const> fetches,
                                       std::size_t most, const ReadOptions& options);

}  // namespace quire::remote
