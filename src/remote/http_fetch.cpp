#include "remote/http_fetch.hpp"

#include <algorithm>
#include <random>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/try.hpp"

namespace quire::remote {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMostRedirects = 5;
// Of a body that nobody wants so much is read, so that the connection can be used again.
constexpr std::size_t kMostSkipped = std::size_t{64} << 10;

bool is_redirect(int status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}
bool is_for_good(int status) noexcept { return status == 301 || status == 308; }

// A place that was good for a while answers so when it is not any more.
bool is_gone(int status) noexcept { return status == 403 || status == 404 || status == 410; }

}  // namespace

// One request of a fetch.
class HttpFetch::Attempt final : public net::HttpExchange {
 public:
  Attempt(HttpFetch& fetch, FetchCrew& crew, net::HttpRequest request)
      : fetch_(fetch),
        crew_(crew),
        progress_before_(fetch.progress()),
        request_(std::move(request)) {}

  net::HttpRequest request() override { return std::move(request_); }

  bool on_head(const net::HttpHead& head) override {
    status = head.status;
    if (status >= 300) refusal.head = head;
    if (is_redirect(status) && fetch_.place_->follows_redirects()) {
      location = head.find("Location").value_or("");
      return true;
    }
    if (net::is_passing(status)) return true;
    const auto accepted = fetch_.accept(head);
    is_accepted = accepted.has_value();
    is_wanted_ = is_accepted && *accepted == Body::wanted;
    if (!is_accepted) failure = accepted.error();
    return true;
  }

  bool on_body(std::span<const std::byte> piece) override {
    if (!is_wanted_) {
      const std::size_t room = fetch_.place_->words_wanted() - refusal.body.size();
      refusal.body.append(reinterpret_cast<const char*>(piece.data()),
                          std::min(room, piece.size()));
      skipped_ += piece.size();
      return skipped_ <= kMostSkipped;
    }
    if (fetch_.take(piece)) return true;
    failure = fetch_.too_much();
    return false;
  }

  void on_done(net::HttpOutcome how) noexcept override;

  HttpFetch& fetch() const noexcept { return fetch_; }
  bool has_progressed() const { return fetch_.progress() > progress_before_; }

  int status = 0;  // 0: there was no answer
  Refusal refusal;
  std::string location;
  bool is_accepted = false;
  std::optional<Error> failure;  // for good
  net::HttpOutcome outcome;
  bool is_over = false;  // the crew's: it has seen the outcome

 private:
  HttpFetch& fetch_;
  FetchCrew& crew_;
  const std::uint64_t progress_before_;
  net::HttpRequest request_;
  bool is_wanted_ = false;
  std::size_t skipped_ = 0;
};

HttpFetch::HttpFetch(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry)
    : place_(std::move(place)), url_(place_->now()), retry_options_(retry) {}

Error HttpFetch::error(ErrorCode code, std::string why, int status) const {
  Error error =
      Error(code, operation(), status).with_path(place_->shown(url_)).with_detail(std::move(why));
  if (const auto asked = range()) error = std::move(error).with_range(*asked);
  return error;
}

Error HttpFetch::error_of(int status) const {
  const auto told = [&](ErrorCode code, const char* why) {
    return error(code, "the server says " + std::to_string(status) + ": " + why, status);
  };
  switch (status) {
    case 401:
      return told(ErrorCode::unauthenticated, "it wants credentials, or others");
    case 403:
      return told(ErrorCode::permission, "it forbids it");
    case 404:
    case 410:
      return told(ErrorCode::not_found, "there is no such object");
    case 412:
      return told(ErrorCode::changed, "the object is not the version that was opened");
    case 407:
      return error(ErrorCode::unauthenticated,
                   "the proxy says 407: it wants credentials, or others", status);
    case 408:
    case 429:
      return told(ErrorCode::network, "it asks for patience");
    default:
      return told(ErrorCode::network, "it cannot");
  }
}

void HttpFetch::begin() {
  url_ = place_->now();
  redirects_ = 0;
  is_moved_for_good_ = true;
}

Result<net::HttpRequest> HttpFetch::request(const ReadOptions& options) {
  net::HttpRequest request{.method = method(), .url = url_, .headers = headers(), .body = body()};
  request.headers.emplace_back("Accept-Encoding", "identity");
  QUIRE_CHECK(place_->authorize(request, options));
  return request;
}

HttpFetch::Next HttpFetch::end(Result<void> result) {
  result_ = std::move(result);
  return std::nullopt;
}

HttpFetch::Next HttpFetch::after(const Attempt& attempt) {
  if (attempt.status >= 300) {
    if (const auto verdict = place_->judge(attempt.refusal)) {
      return after_refusal(attempt, *verdict);
    }
  }
  if (attempt.failure) {
    // Perhaps only the place that an earlier redirect led to is gone.
    if (place_->follows_redirects() && is_gone(attempt.status) && redirects_ == 0 &&
        url_.text() != place_->given().text()) {
      place_->moved_to(place_->given());
      begin();
      return Clock::now();
    }
    return end(std::unexpected(*attempt.failure));
  }
  const net::HttpOutcome& outcome = attempt.outcome;
  // Also if the answer's words broke off.
  if (net::is_passing(attempt.status)) return try_again(error_of(attempt.status), attempt);
  if (!outcome.result) {
    Error why = Error(outcome.result.error()).with_path(place_->shown(url_));
    if (!outcome.may_pass) return end(std::unexpected(std::move(why)));
    return try_again(std::move(why), attempt);
  }
  if (is_redirect(attempt.status)) return follow(attempt);
  if (!attempt.is_accepted) {
    return try_again(error(ErrorCode::network, "the server's headers are no answer"), attempt);
  }
  if (!is_complete()) {
    return try_again(error(ErrorCode::network, "the answer ended too early"), attempt);
  }
  if (const auto refusal = late_refusal()) {
    const auto verdict = place_->judge(*refusal);
    return after_refusal(attempt, verdict.value_or(Verdict{.why = "the server failed after all"}));
  }
  if (redirects_ > 0 && is_moved_for_good_) place_->moved_to(url_);
  return end({});
}

HttpFetch::Next HttpFetch::after_refusal(const Attempt& attempt, const Verdict& verdict) {
  Error why = error(verdict.code, verdict.why, attempt.status);
  switch (verdict.then) {
    case Verdict::Then::retry:
      return try_again(std::move(why), attempt);
    case Verdict::Then::ask_again:
      if (has_asked_again_) break;
      has_asked_again_ = true;
      begin();
      return Clock::now();
    case Verdict::Then::give_up:
      break;
  }
  return end(std::unexpected(std::move(why)));
}

HttpFetch::Next HttpFetch::follow(const Attempt& attempt) {
  if (++redirects_ > kMostRedirects) {
    return end(std::unexpected(error(ErrorCode::network, "more than 5 redirects")));
  }
  if (attempt.location.empty()) {
    return end(std::unexpected(error(ErrorCode::network, "a redirect that leads nowhere")));
  }
  auto next = url_.resolve(attempt.location);
  if (!next) {
    return end(std::unexpected(error(
        next.error().code(), "it redirects to where nobody can go: " + next.error().detail())));
  }
  if (url_.is_secure() && !next->is_secure()) {
    return end(std::unexpected(
        error(ErrorCode::denied_by_policy, "it redirects from https to http: " + next->shown())));
  }
  is_moved_for_good_ = is_moved_for_good_ && is_for_good(attempt.status);
  url_ = *std::move(next);
  return Clock::now();
}

HttpFetch::Next HttpFetch::try_again(Error why, const Attempt& attempt) {
  const net::HttpOutcome& outcome = attempt.outcome;
  if (!retry_) retry_.emplace(retry_options_, std::random_device()());
  if (attempt.has_progressed()) retry_->progressed();
  std::optional<std::chrono::seconds> asked;
  if (outcome.retry_after) asked = std::chrono::seconds(*outcome.retry_after);
  const auto now = Clock::now();
  const auto wait = retry_->after_failure(now, asked, outcome.most_tries);
  if (!wait) {
    std::string detail = why.detail();
    detail.append("; given up after try ").append(std::to_string(retry_->failed_tries()));
    return end(std::unexpected(std::move(why).with_detail(std::move(detail))));
  }
  begin();
  return now + *wait;
}

// --- Many at once

// The attempts that are under way for one call. Whatever happens, it waits for all of them before it ends.
class FetchCrew {
 public:
  FetchCrew(net::HttpClient& client, std::size_t fetches) : client_(client) {
    under_way_.reserve(fetches);
    later_.reserve(fetches);
    finished_.reserve(fetches);
    seen_.reserve(fetches);
  }
  ~FetchCrew() { cancel_all(); }
  FetchCrew(const FetchCrew&) = delete;
  FetchCrew& operator=(const FetchCrew&) = delete;

  Result<void> run(std::span<HttpFetch* const> fetches, std::size_t most,
                   const ReadOptions& options);

  // On the client's thread. Room was reserved, so nothing is allocated.
  void finished(HttpFetch::Attempt& attempt) noexcept QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    finished_.push_back(&attempt);
    if (finished_.size() == 1) changed_.notify_one();  // who waits takes all
  }

 private:
  struct Later {
    HttpFetch* fetch;
    Clock::time_point when;
  };

  // Begins its next attempt. Errors: it cannot be begun, and the fetch is over.
  Result<void> start(HttpFetch& fetch, const ReadOptions& options);
  // Waits until something finished, or `until`, or the stop. What finished is in `seen_`.
  void wait(std::optional<Clock::time_point> until, const std::stop_token& stop) noexcept
      QUIRE_EXCLUDES(mutex_);
  void cancel_all() noexcept;
  std::optional<Clock::time_point> next_start() const;
  Result<void> start_what_is_due(std::size_t most, const ReadOptions& options);
  Result<void> give_up(HttpFetch& fetch, const ReadOptions& options) const;

  net::HttpClient& client_;
  std::vector<std::shared_ptr<HttpFetch::Attempt>> under_way_;
  std::vector<Later> later_;
  std::vector<HttpFetch::Attempt*> seen_;

  base::Mutex mutex_;
  base::Condition changed_;
  std::vector<HttpFetch::Attempt*> finished_ QUIRE_GUARDED_BY(mutex_);
};

void HttpFetch::Attempt::on_done(net::HttpOutcome how) noexcept {
  outcome = std::move(how);
  crew_.finished(*this);
}

Result<void> FetchCrew::start(HttpFetch& fetch, const ReadOptions& options) {
  if (const auto when = fetch.place_->not_before(); when > Clock::now()) {
    later_.push_back({&fetch, when});
    return {};
  }
  auto request = fetch.request(options);
  if (!request) {
    fetch.result_ = std::unexpected(request.error());
    return fetch.result_;
  }
  auto attempt = std::make_shared<HttpFetch::Attempt>(fetch, *this, *std::move(request));
  client_.start(attempt);
  under_way_.push_back(std::move(attempt));  // there is room
  return {};
}

void FetchCrew::wait(std::optional<Clock::time_point> until, const std::stop_token& stop) noexcept {
  const base::MutexLock lock(mutex_);
  while (finished_.empty() && !stop.stop_requested()) {
    if (!until) {
      changed_.wait(mutex_);
    } else if (!changed_.wait_until(mutex_, *until)) {
      break;
    }
  }
  seen_.clear();
  seen_.swap(finished_);
  for (HttpFetch::Attempt* attempt : seen_) attempt->is_over = true;
}

void FetchCrew::cancel_all() noexcept {
  const auto is_over = [](const auto& attempt) { return attempt->is_over; };
  for (const auto& attempt : under_way_) {
    if (!is_over(attempt)) client_.cancel(*attempt);
  }
  while (!std::ranges::all_of(under_way_, is_over)) wait(std::nullopt, {});
  under_way_.clear();
}

std::optional<Clock::time_point> FetchCrew::next_start() const {
  if (later_.empty()) return std::nullopt;
  return std::ranges::min(later_, {}, &Later::when).when;
}

Result<void> FetchCrew::start_what_is_due(std::size_t most, const ReadOptions& options) {
  const auto now = Clock::now();
  for (std::size_t i = later_.size(); i-- > 0 && under_way_.size() < most;) {
    if (later_[i].when > now) continue;
    HttpFetch& fetch = *later_[i].fetch;
    later_.erase(later_.begin() + static_cast<std::ptrdiff_t>(i));
    QUIRE_CHECK(start(fetch, options));  // which may put it behind the others again
  }
  return {};
}

Result<void> FetchCrew::give_up(HttpFetch& fetch, const ReadOptions& options) const {
  if (options.stop.stop_requested()) return std::unexpected(fetch.error(ErrorCode::cancelled, ""));
  return std::unexpected(fetch.error(ErrorCode::timeout, "the deadline passed"));
}

Result<void> FetchCrew::run(std::span<HttpFetch* const> fetches, std::size_t most,
                            const ReadOptions& options) {
  const std::stop_callback wake(options.stop, [this] {
    const base::MutexLock lock(mutex_);
    changed_.notify_one();
  });
  std::size_t next = 0;
  std::size_t left = fetches.size();
  while (left > 0) {
    QUIRE_CHECK(start_what_is_due(most, options));
    while (next < fetches.size() && under_way_.size() + later_.size() < most) {
      QUIRE_CHECK(start(*fetches[next++], options));
    }
    std::optional<Clock::time_point> until = next_start();
    if (options.deadline && (!until || *options.deadline < *until)) until = options.deadline;
    wait(until, options.stop);
    for (HttpFetch::Attempt* attempt : seen_) {
      HttpFetch& fetch = attempt->fetch();
      const HttpFetch::Next again = fetch.after(*attempt);
      std::erase_if(under_way_, [&](const auto& one) { return one.get() == attempt; });
      if (again) {
        later_.push_back({&fetch, *again});
      } else {
        --left;
        if (!fetch.result_) return fetch.result_;
      }
    }
    const bool is_late = options.deadline && Clock::now() >= *options.deadline;
    if (left > 0 && (is_late || options.stop.stop_requested())) {
      return give_up(under_way_.empty() ? *fetches.front() : under_way_.front()->fetch(), options);
    }
  }
  return {};
}

Result<void> run_fetches(net::HttpClient& client, std::span<HttpFetch* const> fetches,
                         std::size_t most, const ReadOptions& options) {
  return FetchCrew(client, fetches.size()).run(fetches, std::max<std::size_t>(most, 1), options);
}

}  // namespace quire::remote
