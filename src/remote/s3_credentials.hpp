// Credentials: the key that requests to S3 are signed with, found where AWS's own tools find it, and renewed before it
// runs out.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "net/sigv4.hpp"
#include "quire/byte_source.hpp"

namespace quire::remote {

struct S3Credentials {
  net::SigningKey key;  // an empty access key: anonymous, nothing is signed
  std::optional<std::chrono::sys_seconds> expires = std::nullopt;
};

// One place where credentials may be. Single-thread.
class CredentialsProvider {
 public:
  CredentialsProvider() = default;
  virtual ~CredentialsProvider() = default;
  CredentialsProvider(const CredentialsProvider&) = delete;
  CredentialsProvider& operator=(const CredentialsProvider&) = delete;

  // For messages: "the environment".
  virtual std::string name() const = 0;

  struct Found {
    std::optional<S3Credentials> credentials = std::nullopt;
    std::string lack = {};  // if there are none: what would have been needed; without secrets
  };
  // Looks now. An error says that nobody shall look elsewhere: what there is cannot be used, or not reached.
  virtual Result<Found> get(const ReadOptions& options) = 0;
};

struct CredentialsOptions {
  std::string access_key = {};
  std::string secret_key = {};
  std::string session_token = {};
  std::string profile = {};  // of the shared files; then it alone is asked
  bool anonymous = false;
  // Else only what is said here counts. A profile is read in any case.
  bool use_environment = true;
};

// Thread-safe.
//
// 1. Whoever needs a key while there is a good one gets it at once.
// 2. From 5 minutes before it runs out, one caller at a time asks for another; the others go on with the old one. If that fails,
//    all do, and it is tried again 30 s later.
// 3. Where there is no good key, one caller asks and all wait, each as long as it likes; what came of it is for all of them. If
//    the asking caller gives up, another asks.
// 4. Places are asked in their order until one has credentials; from then on only that one is asked: who asks S3 never
//    changes unnoticed.
class Credentials {
 public:
  using Clock = std::function<std::chrono::sys_seconds()>;

  // In this order: what the options say, and then nothing else; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the shared files;
  // the container's server; the machine's (instance metadata, version 2). Reads the environment now, and asks nobody yet.
  // Errors: invalid_argument (half a key, or a key and `anonymous`).
  [[nodiscard]] static Result<std::shared_ptr<Credentials>> with(const CredentialsOptions& options);

  explicit Credentials(std::vector<std::unique_ptr<CredentialsProvider>> places);
  Credentials(std::vector<std::unique_ptr<CredentialsProvider>> places, Clock clock);

  // The key to sign with now; an empty access key: do not sign. May wait for servers: not for the network's thread.
  // Errors: unauthenticated (no place has any, and what each lacks), unsupported (a profile that wants what is not built),
  // invalid_argument, denied_by_policy (a server's address that nobody may ask), permission and io (of files), network,
  // timeout, cancelled. None shows a secret.
  [[nodiscard]] Result<net::SigningKey> key(const ReadOptions& options) QUIRE_EXCLUDES(mutex_);

  // The server says that `refused` has run out, whatever the clock says. True if it is worth asking for a key once more: there
  // is another by now, or `key` will look for one. False for who was told so less than 30 s ago, and for the anonymous.
  [[nodiscard]] bool refresh_after(const net::SigningKey& refused) QUIRE_EXCLUDES(mutex_);

 private:
  enum class Need : std::uint8_t { none, soon, now };

  Need need() const QUIRE_REQUIRES(mutex_);
  bool is_searching() const QUIRE_REQUIRES(mutex_);
  // Nothing: it is up to the caller to search.
  std::optional<Result<net::SigningKey>> wait(const ReadOptions& options) QUIRE_EXCLUDES(mutex_);
  Result<S3Credentials> search(const ReadOptions& options);
  Result<net::SigningKey> finish(Result<S3Credentials> found, const ReadOptions& options)
      QUIRE_EXCLUDES(mutex_);

  const Clock clock_;
  // Of whoever searches.
  std::vector<std::unique_ptr<CredentialsProvider>> places_;

  base::Mutex mutex_;
  base::Condition changed_;
  std::optional<S3Credentials> current_ QUIRE_GUARDED_BY(mutex_);
  // The process in which someone searches; in a child of fork() nobody of the parent's does.
  std::optional<std::int64_t> searcher_ QUIRE_GUARDED_BY(mutex_);
  std::chrono::sys_seconds next_search_ QUIRE_GUARDED_BY(mutex_);  // if `current_` expires
  bool is_refused_ QUIRE_GUARDED_BY(mutex_) = false;               // `current_`, by the server
  std::optional<std::chrono::sys_seconds> refused_at_ QUIRE_GUARDED_BY(mutex_);
  std::uint64_t failures_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::optional<Error> last_failure_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::remote
