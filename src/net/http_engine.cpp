#include "net/http_engine.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace quire::net {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLongestSleep{1'000};  // between looks for stalls
constexpr std::chrono::milliseconds kAfterFailedSleep{10};
constexpr std::size_t kMostIdleHandles = 64;

std::string first_of_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

// A thread that begins meanwhile takes no signal that is meant for the process.
class WithoutSignals {
 public:
  WithoutSignals() noexcept {
    sigset_t blocked;
    sigfillset(&blocked);
    // These are of the thread that does what they tell of.
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT})
      sigdelset(&blocked, own);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_{};
};

TransferSettings settings_of(const HttpClientOptions& options, OpenSockets& sockets) {
  TransferSettings settings{.options = options, .sockets = sockets};
  // The curl command reads these, libcurl does not.
  settings.ca_file = options.ca_file.empty()
                         ? first_of_environment({"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
                         : options.ca_file;
  for (const std::string& answer : options.resolve) append(settings.resolve, answer);
  return settings;
}

CURLM* make_multi() {
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) throw std::bad_alloc();
  return multi;
}

}  // namespace

HttpEngine::HttpEngine(const HttpClientOptions& options)
    : settings_(settings_of(options, sockets_)), multi_(make_multi()) {
  idle_.reserve(kMostIdleHandles);  // so that keeping one cannot fail
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_connections));
  // Without descriptors libcurl makes a handle that nobody could wake.
  if (curl_multi_wakeup(multi_.get()) != CURLM_OK) {
    throw std::system_error(EMFILE, std::generic_category());
  }
  const WithoutSignals no_signals;
  thread_ = std::thread([this] { run(); });
}

HttpEngine::~HttpEngine() {
  {
    const base::MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake();
  thread_.join();
}

// A thread that is awake looks before it sleeps; to be woken it costs a call, and a round for nothing.
void HttpEngine::start(std::shared_ptr<HttpExchange> exchange) {
  bool is_asleep = false;
  {
    const base::MutexLock lock(mutex_);
    starting_.push_back(std::move(exchange));
    is_asleep = std::exchange(is_asleep_, false);
  }
  if (is_asleep) wake();
}

// True if it is time to stop.
bool HttpEngine::take_mail() {
  const base::MutexLock lock(mutex_);
  is_asleep_ = false;
  waiting_.splice(waiting_.end(), starting_);
  return is_stopping_;
}

void HttpEngine::run() noexcept {
  while (true) {
    const bool is_stopping = take_mail();
    cancel_what(is_stopping);
    if (is_stopping) return;
    while (!waiting_.empty() && transfers_.size() < settings_.options.max_connections) {
      const auto exchange = std::move(waiting_.front());
      waiting_.pop_front();
      begin(exchange);
    }
    perform();
    end_stalled();
    sleep();
  }
}

void HttpEngine::sleep() noexcept {
  // What ended may have made room for those that wait.
  if (!waiting_.empty() && transfers_.size() < settings_.options.max_connections) return;
  std::chrono::milliseconds longest = std::chrono::hours(1);
  if (!transfers_.empty()) {
    longest =
        std::min(kLongestSleep, settings_.options.stall_timeout / 4 + std::chrono::milliseconds(1));
  }
  {
    const base::MutexLock lock(mutex_);
    if (!starting_.empty()) return;
    is_asleep_ = true;
  }
  const CURLMcode polled =
      curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(longest.count()), nullptr);
  if (polled != CURLM_OK) std::this_thread::sleep_for(kAfterFailedSleep);
}

void HttpEngine::begin(const std::shared_ptr<HttpExchange>& exchange) noexcept {
  bool is_under_way = false;
  try {
    is_under_way = try_to_begin(exchange);
  } catch (const std::bad_alloc&) {
    is_under_way = false;
  }
  if (!is_under_way) {
    exchange->on_done({.result = std::unexpected(Error(ErrorCode::capacity, "request"))});
  }
}

bool HttpEngine::try_to_begin(const std::shared_ptr<HttpExchange>& exchange) {
  CurlEasy easy;
  if (idle_.empty()) {
    easy.reset(curl_easy_init());
    if (easy == nullptr) return false;
  } else {
    easy = std::move(idle_.back());
    idle_.pop_back();
  }
  CURL* const key = easy.get();
  auto transfer = std::make_unique<HttpTransfer>(exchange, std::move(easy), settings_);
  if (auto refusal = transfer->refusal()) {
    exchange->on_done(*std::move(refusal));
    return true;
  }
  const auto placed = transfers_.emplace(key, std::move(transfer)).first;
  if (curl_multi_add_handle(multi_.get(), key) == CURLM_OK) return true;
  transfers_.erase(placed);
  return false;
}

void HttpEngine::perform() noexcept {
  int running = 0;
  curl_multi_perform(multi_.get(), &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    finish(transfers_.find(message->easy_handle),
           [&](const HttpTransfer& transfer) { return transfer.outcome(code); });
  }
}

void HttpEngine::end_stalled() noexcept {
  const auto now = Clock::now();
  for (auto at = transfers_.begin(); at != transfers_.end();) {
    const auto one = at++;
    const auto longest = settings_.options.stall_timeout;
    if (now - one->second->last_byte() < longest) continue;
    finish(one, [&](const HttpTransfer& transfer) {
      return HttpOutcome{
          .result = transfer.failure(ErrorCode::timeout,
                                     "nothing came for " + std::to_string(longest.count()) + " ms"),
          .may_pass = true};
    });
  }
}

void HttpEngine::cancel_what(bool is_all) noexcept {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto one = at++;
    if (!is_all && !(*one)->cancel_is_wanted()) continue;
    const auto exchange = std::move(*one);
    waiting_.erase(one);
    exchange->on_done({.result = std::unexpected(Error(ErrorCode::cancelled, "request"))});
  }
  for (auto at = transfers_.begin(); at != transfers_.end();) {
    const auto one = at++;
    if (!is_all && !one->second->exchange().cancel_is_wanted()) continue;
    finish(one, [](const HttpTransfer& transfer) {
      return HttpOutcome{.result = transfer.failure(ErrorCode::cancelled, {})};
    });
  }
}

// Nobody touches what the exchange owns any more when it is told.
template <class Outcome>
void HttpEngine::finish(Transfers::iterator one, const Outcome& outcome) noexcept {
  if (one == transfers_.end()) return;
  const std::unique_ptr<HttpTransfer> transfer = std::move(one->second);
  transfers_.erase(one);
  HttpOutcome told;
  try {
    told = outcome(*transfer);
  } catch (const std::bad_alloc&) {  // for the error's words
    told.result = std::unexpected(Error(ErrorCode::capacity, "request"));
  }
  curl_multi_remove_handle(multi_.get(), transfer->easy());
  CurlEasy easy = transfer->take_easy();
  if (idle_.size() < kMostIdleHandles) idle_.push_back(std::move(easy));
  transfer->exchange().on_done(std::move(told));
}

}  // namespace quire::net
