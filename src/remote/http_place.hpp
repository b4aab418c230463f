// HttpPlace: where the requests of one object go, who asks, and what to make of an answer that says no.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.hpp"
#include "net/http_exchange.hpp"
#include "quire/byte_source.hpp"

namespace quire::remote {

// An answer that says no, and its words, of which there may be none.
struct Refusal {
  net::HttpHead head;
  std::string body = {};
};

// What a place makes of one.
struct Verdict {
  enum class Then : std::uint8_t {
    give_up,
    retry,      // after a wait, as often as is allowed
    ask_again,  // at once, but only once in a fetch: what was wrong with the request was put right
  };
  Then then = Then::give_up;
  ErrorCode code = ErrorCode::network;
  std::string why = {};
};

// A web server. Thread-safe.
class HttpPlace {
 public:
  // `headers` go with every request to the URL's own origin, and to no other.
  HttpPlace(net::Url url, net::HttpHeaders headers)
      : given_(std::move(url)), headers_(std::move(headers)), now_(given_) {}
  virtual ~HttpPlace() = default;
  HttpPlace(const HttpPlace&) = delete;
  HttpPlace& operator=(const HttpPlace&) = delete;

  const net::Url& given() const noexcept { return given_; }
  // Where it is by now: permanent redirects are remembered.
  virtual net::Url now() const QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return now_;
  }
  void moved_to(const net::Url& url) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    now_ = url;
  }
  // For messages: no secret is in it. `url` is where the last request went.
  virtual std::string shown(const net::Url& url) const { return url.shown(); }

  // Adds the headers that say who asks, to a request that has all others. Called by the thread that wants the object; may
  // wait.
  virtual Result<void> authorize(net::HttpRequest& request, const ReadOptions& /*options*/) {
    if (!request.url.has_same_origin(given_)) return {};
    request.headers.insert(request.headers.begin(), headers_.begin(), headers_.end());
    return {};
  }

  // Whether redirects are followed, by the URL they give.
  virtual bool follows_redirects() const noexcept { return true; }
  // Of an answer that says no so many bytes are read, for `judge`.
  virtual std::size_t words_wanted() const noexcept { return 0; }
  // Nothing if the status says it all.
  virtual std::optional<Verdict> judge(const Refusal& /*refusal*/) { return std::nullopt; }
  // No request before this: the server asked for patience.
  virtual std::chrono::steady_clock::time_point not_before() const { return {}; }

 private:
  const net::Url given_;
  const net::HttpHeaders headers_;
  mutable base::Mutex mutex_;
  net::Url now_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::remote
