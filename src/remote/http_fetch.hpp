// HttpFetch: one request until it is answered: redirects are followed, what passes is tried again, and a body that
// broke off goes on where it stopped.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/mutex.hpp"
#include "net/http_client.hpp"
#include "net/retry.hpp"
#include "quire/byte_source.hpp"

namespace quire::remote {

// Where an object is and who asks for it. Thread-safe.
class HttpPlace {
 public:
  // `headers` go with every request to the URL's own origin, and to no other.
  HttpPlace(net::Url url, net::HttpHeaders headers)
      : given_(std::move(url)), headers_(std::move(headers)), now_(given_) {}

  const net::Url& given() const noexcept { return given_; }
  // Where it is by now: permanent redirects are remembered.
  net::Url now() const QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return now_;
  }
  void moved_to(const net::Url& url) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    now_ = url;
  }
  // What of the headers `url` may see.
  net::HttpHeaders headers_for(const net::Url& url) const {
    return url.has_same_origin(given_) ? headers_ : net::HttpHeaders();
  }

 private:
  const net::Url given_;
  const net::HttpHeaders headers_;
  mutable base::Mutex mutex_;
  net::Url now_ QUIRE_GUARDED_BY(mutex_);
};

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
  // Bytes that have come for good: while there are more and more, tries are not counted.
  virtual std::uint64_t progress() const { return 0; }

  // What is fetched, for messages.
  virtual std::optional<ByteRange> range() const { return std::nullopt; }

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
  Next after(const Attempt& attempt);
  Next follow(const Attempt& attempt);
  Next try_again(Error why, const Attempt& attempt);
  Next end(Result<void> result);

  const std::shared_ptr<HttpPlace> place_;
  net::Url url_;  // of the attempt that is under way, or was the last
  net::Retry retry_;
  unsigned redirects_ = 0;         // that led to it
  bool is_moved_for_good_ = true;  // by all of them
  Result<void> result_;
};

// Runs fetches side by side, at most `most` at once, and waits until all are done, or one has failed, or it is time to
// give up; nobody touches the fetches any more then. Returns the first failure.
[[nodiscard]] Result<void> run_fetches(net::HttpClient& client, std::span<HttpFetch* const> fetches,
                                       std::size_t most, const ReadOptions& options);

}  // namespace quire::remote
