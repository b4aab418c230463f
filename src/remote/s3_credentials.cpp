#include "remote/s3_credentials.hpp"

#include <algorithm>
#include <new>
#include <stop_token>
#include <utility>

#include "base/try.hpp"
#include "os/process.hpp"
#include "remote/aws_environment.hpp"
#include "remote/credentials_places.hpp"

namespace quire::remote {

namespace {

constexpr std::chrono::seconds kRefreshAhead{300};
constexpr std::chrono::seconds kBackoff{30};

std::chrono::sys_seconds system_time() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Error failure(ErrorCode code, std::string why = {}) {
  return Error(code, "authenticate").with_detail(std::move(why));
}

bool is_same(const net::SigningKey& a, const net::SigningKey& b) {
  return a.access_key == b.access_key && a.secret_key == b.secret_key &&
         a.session_token == b.session_token;
}

// These parts are sent in headers, where a line's end would begin another.
bool is_sendable(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

bool is_late(const ReadOptions& options) {
  return options.deadline && std::chrono::steady_clock::now() >= *options.deadline;
}

bool has_given_up(const ReadOptions& options) {
  return options.stop.stop_requested() || is_late(options);
}

}  // namespace

Result<std::shared_ptr<Credentials>> Credentials::with(const CredentialsOptions& options) {
  QUIRE_TRY(auto places, credentials_places(options, AwsEnvironment::of_process()));
  return std::make_shared<Credentials>(std::move(places));
}

Credentials::Credentials(std::vector<std::unique_ptr<CredentialsProvider>> places)
    : Credentials(std::move(places), &system_time) {}

Credentials::Credentials(std::vector<std::unique_ptr<CredentialsProvider>> places, Clock clock)
    : clock_(std::move(clock)), places_(std::move(places)) {}

Credentials::Need Credentials::need() const {
  if (!current_ || is_refused_) return Need::now;
  if (!current_->expires) return Need::none;
  const auto now = clock_();
  if (now >= *current_->expires) return Need::now;
  return now >= next_search_ ? Need::soon : Need::none;
}

bool Credentials::is_searching() const { return searcher_ == os::process_id(); }

Result<net::SigningKey> Credentials::key(const ReadOptions& options) {
  if (auto result = wait(options)) return *std::move(result);
  Result<S3Credentials> found = std::unexpected(Error(ErrorCode::capacity, "authenticate"));
  try {
    found = search(options);
  } catch (...) {
    // Those who wait must learn of it: it stays `capacity`.
    return finish(std::move(found), options);
  }
  return finish(std::move(found), options);
}

std::optional<Result<net::SigningKey>> Credentials::wait(const ReadOptions& options) {
  const std::stop_callback wake(options.stop, [this] {
    const base::MutexLock lock(mutex_);
    changed_.notify_all();
  });
  const base::MutexLock lock(mutex_);
  const std::uint64_t failures_before = failures_;
  while (true) {
    const Need need = this->need();
    if (need == Need::none || (need == Need::soon && is_searching())) return current_->key;
    if (failures_ != failures_before) return std::unexpected(*last_failure_);
    if (options.stop.stop_requested()) return std::unexpected(failure(ErrorCode::cancelled));
    if (is_late(options)) {
      return std::unexpected(failure(ErrorCode::timeout, "the deadline passed"));
    }
    if (!is_searching()) break;
    if (options.deadline) {
      changed_.wait_until(mutex_, *options.deadline);
    } else {
      changed_.wait(mutex_);
    }
  }
  searcher_ = os::process_id();
  return std::nullopt;
}

Result<S3Credentials> Credentials::search(const ReadOptions& options) {
  std::string looked;
  for (auto& place : places_) {
    QUIRE_TRY(CredentialsProvider::Found found, place->get(options));
    if (!found.credentials) {
      looked.append(looked.empty() ? "" : "; ").append(place->name()).append(": ");
      looked.append(found.lack);
      continue;
    }
    const net::SigningKey& key = found.credentials->key;
    if (!is_sendable(key.access_key) || !is_sendable(key.session_token)) {
      return std::unexpected(failure(ErrorCode::invalid_argument,
                                     place->name() + ": a key or session token with a space or a "
                                                     "byte that cannot be sent"));
    }
    if (found.credentials->expires && *found.credentials->expires <= clock_()) {
      return std::unexpected(failure(ErrorCode::unauthenticated,
                                     place->name() + ": the credentials have run out already"));
    }
    std::unique_ptr<CredentialsProvider> only = std::move(place);
    places_.clear();
    places_.push_back(std::move(only));  // there is room
    return *std::move(found.credentials);
  }
  return std::unexpected(
      failure(ErrorCode::unauthenticated, looked.empty() ? "no credentials are given"
                                                         : "no credentials were found: " + looked));
}

Result<net::SigningKey> Credentials::finish(Result<S3Credentials> found,
                                            const ReadOptions& options) {
  const base::MutexLock lock(mutex_);
  searcher_.reset();
  changed_.notify_all();
  if (found) {
    current_ = *std::move(found);
    is_refused_ = false;
    if (current_->expires) {
      next_search_ = std::max(*current_->expires - kRefreshAhead, clock_() + kBackoff);
    }
    return current_->key;
  }
  const ErrorCode code = found.error().code();
  const bool is_own_end =
      (code == ErrorCode::cancelled || code == ErrorCode::timeout) && has_given_up(options);
  if (!is_own_end) {
    ++failures_;
    last_failure_ = found.error();
  }
  if (need() == Need::now) return std::unexpected(std::move(found).error());
  if (!is_own_end) next_search_ = clock_() + kBackoff;
  return current_->key;
}

bool Credentials::refresh_after(const net::SigningKey& refused) {
  const base::MutexLock lock(mutex_);
  if (!current_ || !is_same(current_->key, refused)) return true;
  if (refused.access_key.empty()) return false;
  if (is_refused_) return true;  // someone said so before, and nobody has looked yet
  const auto now = clock_();
  if (refused_at_ && now < *refused_at_ + kBackoff) return false;
  refused_at_ = now;
  is_refused_ = true;
  return true;
}

}  // namespace quire::remote
