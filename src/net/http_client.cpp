#include "net/http_client.hpp"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <map>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "net/address_policy.hpp"

namespace quire::net {

namespace {

using Clock = std::chrono::steady_clock;

constexpr long kBufferBytes = 64L << 10;  // the fastest of 16 to 512 KiB on a local server
constexpr std::chrono::milliseconds kLongestSleep{1'000};  // between looks for stalls
constexpr std::size_t kMostIdleHandles = 64;

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

void append(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list.release();  // NOLINT(bugprone-unused-return-value): it is the front of the longer one
  list.reset(longer);
}

struct CloseEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, CloseEasy>;

struct CloseMulti {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
using Multi = std::unique_ptr<CURLM, CloseMulti>;

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  // A fault here is one of this file; but for memory.
  if (curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
}

std::string first_of_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

// One exchange that is under way.
struct Transfer {
  std::shared_ptr<HttpExchange> exchange;
  const HttpClientOptions& options;
  Easy easy;
  List headers;
  HttpHead head = {};
  bool has_head = false;
  bool ended_by_receiver = false;
  bool ran_out_of_memory = false;
  std::string denied_address = {};
  Clock::time_point last_byte = Clock::now();
  std::string shown_url = {};
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' ||
                           text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

// What a receiver does must not throw through libcurl. False ends the exchange.
template <class Work>
bool run_receiver(Transfer& transfer, const Work& work) noexcept {
  try {
    if (work()) return true;
    transfer.ended_by_receiver = true;
  } catch (...) {
    transfer.ran_out_of_memory = true;
  }
  return false;
}

bool take_header_line(Transfer& transfer, std::string_view line) {
  if (transfer.has_head) return true;  // a trailer
  if (line.starts_with("HTTP/")) {
    transfer.head = {};
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      const std::string_view status = line.substr(space + 1);
      std::from_chars(status.data(), status.data() + status.size(), transfer.head.status);
    }
    return true;
  }
  line = trimmed(line);
  if (line.empty()) {
    if (transfer.head.status < 200) return true;  // an interim answer
    transfer.has_head = true;
    return transfer.exchange->on_head(transfer.head);
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  transfer.head.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  return true;
}

std::size_t on_header(char* data, std::size_t /*one*/, std::size_t length,
                      void* argument) noexcept {
  auto& transfer = *static_cast<Transfer*>(argument);
  transfer.last_byte = Clock::now();
  const std::string_view line(data, length);
  return run_receiver(transfer, [&] { return take_header_line(transfer, line); }) ? length : 0;
}

std::size_t on_body(char* data, std::size_t /*one*/, std::size_t length, void* argument) noexcept {
  auto& transfer = *static_cast<Transfer*>(argument);
  transfer.last_byte = Clock::now();
  const auto piece = std::as_bytes(std::span(data, length));
  return run_receiver(transfer, [&] { return transfer.exchange->on_body(piece); }) ? length : 0;
}

// The policy is asked about the address that is really connected to.
curl_socket_t open_socket(void* argument, curlsocktype /*purpose*/,
                          curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<Transfer*>(argument);
  if (!transfer.options.allow_private_network && !is_public(address->addr)) {
    try {
      transfer.denied_address = to_text(address->addr);
    } catch (...) {
      transfer.ran_out_of_memory = true;
    }
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool is_about_certificates(CURLcode code) noexcept {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
         code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
         code == CURLE_SSL_INVALIDCERTSTATUS || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
}

}  // namespace

// What belongs to the client's thread.
class HttpClient::Engine {
 public:
  explicit Engine(const HttpClientOptions& options) : options_(options), multi_(curl_multi_init()) {
    if (multi_ == nullptr) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                      static_cast<long>(options.max_connections));
    idle_.reserve(kMostIdleHandles);  // so that keeping one cannot fail
    ca_file_ = options.ca_file.empty() ? first_of_environment({"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
                                       : options.ca_file;
    for (const std::string& answer : options.resolve) append(resolve_, answer);
  }

  void wake() const noexcept { curl_multi_wakeup(multi_.get()); }

  void run(HttpClient& client) noexcept {
    std::deque<std::shared_ptr<HttpExchange>> waiting;
    while (true) {
      std::vector<std::shared_ptr<HttpExchange>> cancelling;
      bool stopping = false;
      {
        const base::MutexLock lock(client.mutex_);
        while (!client.starting_.empty()) {
          waiting.push_back(std::move(client.starting_.front()));
          client.starting_.pop_front();
        }
        cancelling.swap(client.cancelling_);
        stopping = client.stopping_;
      }
      if (stopping) cancel_all(waiting);
      for (const auto& exchange : cancelling) cancel(*exchange, waiting);
      cancelling.clear();
      if (stopping && transfers_.empty() && waiting.empty()) return;
      while (!waiting.empty() && transfers_.size() < options_.max_connections) {
        const auto exchange = std::move(waiting.front());
        waiting.pop_front();
        begin(exchange);
      }
      perform();
      end_stalled();
      const auto sleep =
          transfers_.empty()
              ? std::chrono::milliseconds(std::chrono::hours(1))
              : std::min(kLongestSleep, options_.stall_timeout / 4 + std::chrono::milliseconds(1));
      if (!transfers_.empty() || waiting.empty()) {
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(sleep.count()), nullptr);
      }
    }
  }

 private:
  using Transfers = std::map<CURL*, std::unique_ptr<Transfer>>;

  void begin(const std::shared_ptr<HttpExchange>& exchange) noexcept {
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

  bool try_to_begin(const std::shared_ptr<HttpExchange>& exchange) {
    auto transfer = std::make_unique<Transfer>(exchange, options_, take_easy());
    set_up(*transfer, exchange->request());
    CURL* easy = transfer->easy.get();
    const auto placed = transfers_.emplace(easy, std::move(transfer)).first;
    if (curl_multi_add_handle(multi_.get(), easy) == CURLM_OK) return true;
    transfers_.erase(placed);
    return false;
  }

  Easy take_easy() {
    if (!idle_.empty()) {
      Easy easy = std::move(idle_.back());
      idle_.pop_back();
      return easy;
    }
    Easy easy(curl_easy_init());
    if (easy == nullptr) throw std::bad_alloc();
    return easy;
  }

  void set_up(Transfer& transfer, const HttpRequest& request) {
    CURL* easy = transfer.easy.get();
    transfer.shown_url = request.url.shown();
    set(easy, CURLOPT_URL, request.url.text().c_str());
    set(easy, CURLOPT_PATH_AS_IS, 1L);
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_QUICK_EXIT, 1L);  // a slow name server stops nobody
    set(easy, CURLOPT_PROXY, options_.proxy.c_str());
    set(easy, CURLOPT_HTTP_VERSION,
        static_cast<long>(options_.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_PIPEWAIT, options_.http2 ? 1L : 0L);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
    set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
    if (!ca_file_.empty()) set(easy, CURLOPT_CAINFO, ca_file_.c_str());
    if (!options_.client_certificate.empty()) {
      set(easy, CURLOPT_SSLCERT, options_.client_certificate.c_str());
      set(easy, CURLOPT_SSLKEY, options_.client_key.c_str());
    }
    if (resolve_ != nullptr) set(easy, CURLOPT_RESOLVE, resolve_.get());
    set(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set(easy, CURLOPT_OPENSOCKETDATA, static_cast<void*>(&transfer));
    set(easy, CURLOPT_HEADERFUNCTION, &on_header);
    set(easy, CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
    set(easy, CURLOPT_WRITEFUNCTION, &on_body);
    set(easy, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));

    if (request.method == HttpMethod::head) {
      set(easy, CURLOPT_NOBODY, 1L);
    } else if (request.method == HttpMethod::put || request.method == HttpMethod::post) {
      set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      const auto* body = reinterpret_cast<const char*>(request.body.data());
      set(easy, CURLOPT_POSTFIELDS, body == nullptr ? "" : body);
    }
    if (request.method != HttpMethod::get && request.method != HttpMethod::head) {
      set(easy, CURLOPT_CUSTOMREQUEST, std::string(to_string(request.method)).c_str());
    }
    // What libcurl would add by itself.
    append(transfer.headers, "Accept:");
    append(transfer.headers, "Expect:");
    append(transfer.headers, "Content-Type:");
    for (const auto& [name, value] : request.headers) {
      append(transfer.headers, value.empty() ? name + ";" : name + ": " + value);
    }
    set(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
  }

  void perform() noexcept {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      finish(transfers_.find(message->easy_handle),
             [&](const Transfer& transfer) { return outcome_of(transfer, code); });
    }
  }

  void end_stalled() noexcept {
    const auto now = Clock::now();
    for (auto at = transfers_.begin(); at != transfers_.end();) {
      const auto one = at++;
      if (now - one->second->last_byte < options_.stall_timeout) continue;
      finish(one, [&](const Transfer& transfer) {
        return HttpOutcome{
            .result = failure(
                transfer, ErrorCode::timeout,
                "nothing came for " + std::to_string(options_.stall_timeout.count()) + " ms"),
            .may_pass = true};
      });
    }
  }

  void cancel(const HttpExchange& exchange,
              std::deque<std::shared_ptr<HttpExchange>>& waiting) noexcept {
    const auto queued = std::ranges::find(waiting, &exchange, &std::shared_ptr<HttpExchange>::get);
    if (queued != waiting.end()) {
      const auto kept = std::move(*queued);
      waiting.erase(queued);
      kept->on_done({.result = std::unexpected(Error(ErrorCode::cancelled, "request"))});
      return;
    }
    const auto one = std::ranges::find(
        transfers_, &exchange, [](const auto& entry) { return entry.second->exchange.get(); });
    finish(one, [](const Transfer& transfer) {
      return HttpOutcome{.result = failure(transfer, ErrorCode::cancelled, {})};
    });
  }

  void cancel_all(std::deque<std::shared_ptr<HttpExchange>>& waiting) noexcept {
    while (!waiting.empty()) cancel(*waiting.front(), waiting);
    while (!transfers_.empty()) cancel(*transfers_.begin()->second->exchange, waiting);
  }

  // Nobody touches what the exchange owns any more when it is told.
  template <class Outcome>
  void finish(Transfers::iterator one, const Outcome& outcome) noexcept {
    if (one == transfers_.end()) return;
    const std::unique_ptr<Transfer> transfer = std::move(one->second);
    transfers_.erase(one);
    HttpOutcome told;
    try {
      told = outcome(*transfer);
    } catch (const std::bad_alloc&) {  // for the error's words
      told.result = std::unexpected(Error(ErrorCode::capacity, "request"));
    }
    curl_multi_remove_handle(multi_.get(), transfer->easy.get());
    curl_easy_reset(transfer->easy.get());
    if (idle_.size() < kMostIdleHandles) idle_.push_back(std::move(transfer->easy));
    transfer->exchange->on_done(std::move(told));
  }

  static std::unexpected<Error> failure(const Transfer& transfer, ErrorCode code, std::string why) {
    return std::unexpected(
        Error(code, "request").with_path(transfer.shown_url).with_detail(std::move(why)));
  }

  static HttpOutcome outcome_of(const Transfer& transfer, CURLcode code) {
    if (transfer.ran_out_of_memory || code == CURLE_OUT_OF_MEMORY) {
      return {.result = failure(transfer, ErrorCode::capacity, "no memory")};
    }
    if (code == CURLE_OK || transfer.ended_by_receiver) {
      HttpOutcome outcome;
      curl_off_t seconds = 0;
      curl_easy_getinfo(transfer.easy.get(), CURLINFO_RETRY_AFTER, &seconds);
      if (seconds > 0) outcome.retry_after = seconds;
      return outcome;
    }
    if (!transfer.denied_address.empty() && !transfer.has_head) {
      return {.result = failure(transfer, ErrorCode::denied_by_policy,
                                transfer.denied_address +
                                    " is no public address; allow_private_network allows it")};
    }
    std::string why = curl_easy_strerror(code);
    long system_error = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_OS_ERRNO, &system_error);
    if (code == CURLE_COULDNT_CONNECT && system_error != 0) {
      why.append(": ").append(std::generic_category().message(static_cast<int>(system_error)));
    }
    const bool is_late = code == CURLE_OPERATION_TIMEDOUT;
    return {.result = failure(transfer, is_late ? ErrorCode::timeout : ErrorCode::network, why),
            .may_pass = !is_about_certificates(code)};
  }

  const HttpClientOptions& options_;
  std::string ca_file_;
  List resolve_;
  Multi multi_;
  std::vector<Easy> idle_;
  Transfers transfers_;  // before the multi handle, which knows their handles
};

HttpClient::HttpClient(const HttpClientOptions& options)
    : options_(options),
      engine_(std::make_unique<Engine>(options_)),
      thread_([this] { engine_->run(*this); }) {}

HttpClient::~HttpClient() {
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  engine_->wake();
  thread_.join();
}

void HttpClient::start(std::shared_ptr<HttpExchange> exchange) {
  {
    const base::MutexLock lock(mutex_);
    starting_.push_back(std::move(exchange));
  }
  engine_->wake();
}

void HttpClient::cancel(std::shared_ptr<HttpExchange> exchange) {
  {
    const base::MutexLock lock(mutex_);
    cancelling_.push_back(std::move(exchange));
  }
  engine_->wake();
}

Result<std::shared_ptr<HttpClient>> HttpClient::with(const HttpClientOptions& options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static base::Mutex mutex;
  static std::map<HttpClientOptions, std::weak_ptr<HttpClient>> clients;
  for (const std::string* file :
       {&options.ca_file, &options.client_certificate, &options.client_key}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "open", errno)
                                 .with_path(*file)
                                 .with_detail("the certificate cannot be read"));
    }
  }
  if (initialised != CURLE_OK) return std::unexpected(Error(ErrorCode::capacity, "open"));
  const base::MutexLock lock(mutex);
  std::weak_ptr<HttpClient>& known = clients[options];
  if (auto client = known.lock()) return client;
  try {
    std::shared_ptr<HttpClient> client(new HttpClient(options));
    known = client;
    return client;
  } catch (const std::system_error& error) {
    return std::unexpected(Error(ErrorCode::capacity, "open", error.code().value())
                               .with_detail("no thread for the network"));
  }
}

}  // namespace quire::net
