#include "net/http_transfer.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "net/address_policy.hpp"
#include "net/retry.hpp"

namespace quire::net {

namespace {

constexpr std::size_t kMostHeaderBytes = std::size_t{256} << 10;
// A server may ask for more; nobody waits as long.
constexpr curl_off_t kLongestRetryAfter = 86'400;
constexpr unsigned kTriesOfLookUps = 3;   // a name that is wrong stays so
constexpr long kBufferBytes = 64L << 10;  // the fastest of 16 to 512 KiB on a local server

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  // A fault here is one of this file; but for memory.
  if (curl_easy_setopt(easy, option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

bool is_about_certificates(CURLcode code) noexcept {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
         code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
         code == CURLE_SSL_INVALIDCERTSTATUS || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
}

// It would reach any address.
std::string proxy_for(const Url& url, const HttpClientOptions& options) {
  return options.only_addresses.empty() ? options.proxy.proxy_for(url) : std::string();
}

}  // namespace

void append(CurlList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list.release();  // NOLINT(bugprone-unused-return-value): it is the front of the longer one
  list.reset(longer);
}

void OpenSockets::add(int descriptor) {
  const base::MutexLock lock(mutex_);
  try {
    descriptors_.insert(descriptor);
  } catch (const std::bad_alloc&) {
    ::close(descriptor);
    throw;
  }
}

int OpenSockets::close(int descriptor) noexcept {
  const base::MutexLock lock(mutex_);
  descriptors_.erase(descriptor);
  return ::close(descriptor);
}

void OpenSockets::close_all() noexcept {
  const base::MutexLock lock(mutex_);
  for (const int descriptor : descriptors_) ::close(descriptor);
  descriptors_.clear();
}

HttpTransfer::HttpTransfer(std::shared_ptr<HttpExchange> exchange, CurlEasy easy,
                           const TransferSettings& settings)
    : exchange_(std::move(exchange)), easy_(std::move(easy)), settings_(settings) {
  set_up(exchange_->request());
}

void HttpTransfer::set_up(const HttpRequest& request) {
  CURL* easy = easy_.get();
  shown_url_ = request.url.shown();
  const HttpClientOptions& options = settings_.options;
  proxy_ = proxy_for(request.url, options);
  if (!proxy_.empty() && !options.allow_private_network && is_private_literal(request.url.host())) {
    denied_address_ = request.url.host();
  }
  set(easy, CURLOPT_URL, request.url.text().c_str());
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_HEADERFUNCTION, &on_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy, CURLOPT_WRITEFUNCTION, &on_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (!request.body.empty()) {
    set(easy, CURLOPT_NOPROGRESS, 0L);
    set(easy, CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(easy, CURLOPT_XFERINFODATA, static_cast<void*>(this));
  }
  set_up_connection();

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
  append(headers_, "Accept:");
  append(headers_, "Expect:");
  append(headers_, "Content-Type:");
  for (const auto& [name, value] : request.headers) {
    std::string line = name;
    line.append(value.empty() ? ";" : ": ").append(value);
    append(headers_, line);
  }
  set(easy, CURLOPT_HTTPHEADER, headers_.get());
}

void HttpTransfer::set_up_connection() {
  CURL* easy = easy_.get();
  const HttpClientOptions& options = settings_.options;
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);  // a slow name server stops nobody
  set(easy, CURLOPT_PROXY, proxy_.c_str());
  set(easy, CURLOPT_NOPROXY, "");  // the choice is made; else the environment's
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_HTTP_VERSION,
      static_cast<long>(options.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_PIPEWAIT, options.http2 ? 1L : 0L);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  if (!settings_.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, settings_.ca_file.c_str());
    set(easy, CURLOPT_CAPATH,
        static_cast<const char*>(nullptr));  // these authorities and no others
  }
  if (!options.client_certificate.empty()) {
    set(easy, CURLOPT_SSLCERT, options.client_certificate.c_str());
    if (!options.client_key.empty()) set(easy, CURLOPT_SSLKEY, options.client_key.c_str());
  }
  if (settings_.resolve != nullptr) set(easy, CURLOPT_RESOLVE, settings_.resolve.get());
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  // A connection outlives the transfer that made it.
  set(easy, CURLOPT_CLOSESOCKETFUNCTION, &close_socket);
  set(easy, CURLOPT_CLOSESOCKETDATA, static_cast<void*>(&settings_.sockets));
}

// What a receiver does must not throw through libcurl. False ends the exchange.
template <class Work>
bool HttpTransfer::run_receiver(const Work& work) noexcept {
  try {
    if (work()) return true;
    ended_by_receiver_ = true;
  } catch (const std::bad_alloc&) {
    ran_out_of_memory_ = true;
  }
  return false;
}

bool HttpTransfer::take_header_line(std::string_view line) {
  if (has_head_) return true;  // a trailer
  header_bytes_ += line.size();
  if (header_bytes_ > kMostHeaderBytes) return false;
  if (line.starts_with("HTTP/")) {
    head_ = {};
    head_.is_http2 = line.starts_with("HTTP/2");
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      const std::string_view status = line.substr(space + 1);
      std::from_chars(status.data(), status.data() + status.size(), head_.status);
    }
    return true;
  }
  if (line == "\r\n" || line == "\n") {
    if (head_.status < 200) return true;  // an interim answer
    has_head_ = true;
    return exchange_->on_head(head_);
  }
  const std::size_t colon = line.find(':');
  // A line that goes on with another's value is old, and none that is read here.
  if (colon == std::string_view::npos || line.front() == ' ' || line.front() == '\t') return true;
  head_.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  return true;
}

std::size_t HttpTransfer::on_header(char* data, std::size_t /*one*/, std::size_t length,
                                    void* self) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  transfer.last_byte_ = std::chrono::steady_clock::now();
  const std::string_view line(data, length);
  return transfer.run_receiver([&] { return transfer.take_header_line(line); }) ? length : 0;
}

std::size_t HttpTransfer::on_body(char* data, std::size_t /*one*/, std::size_t length,
                                  void* self) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  transfer.last_byte_ = std::chrono::steady_clock::now();
  const auto piece = std::as_bytes(std::span(data, length));
  return transfer.run_receiver([&] { return transfer.exchange_->on_body(piece); }) ? length : 0;
}

// What is sent counts as life too.
int HttpTransfer::on_progress(void* self, curl_off_t /*to_receive*/, curl_off_t /*received*/,
                              curl_off_t /*to_send*/, curl_off_t sent) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  if (sent != transfer.sent_) transfer.last_byte_ = std::chrono::steady_clock::now();
  transfer.sent_ = sent;
  return 0;
}

bool HttpTransfer::is_allowed(const sockaddr& address) const {
  const HttpClientOptions& options = settings_.options;
  if (!options.only_addresses.empty()) {
    return std::ranges::find(options.only_addresses, to_text(address)) !=
           options.only_addresses.end();
  }
  // With a proxy the connection is to it; where it goes on to, `refusal` has looked at.
  return options.allow_private_network || !proxy_.empty() || is_public(address);
}

// The policy is asked about the address that is really connected to.
curl_socket_t HttpTransfer::open_socket(void* self, curlsocktype /*purpose*/,
                                        curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  try {
    if (!transfer.is_allowed(address->addr)) {
      transfer.denied_address_ = to_text(address->addr);
      return CURL_SOCKET_BAD;
    }
    transfer.has_tried_an_address_ = true;
    const int descriptor =
        ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (descriptor < 0) return CURL_SOCKET_BAD;
    transfer.settings_.sockets.add(descriptor);
    return descriptor;
  } catch (const std::bad_alloc&) {
    transfer.ran_out_of_memory_ = true;
    return CURL_SOCKET_BAD;
  }
}

int HttpTransfer::close_socket(void* sockets, curl_socket_t descriptor) noexcept {
  return static_cast<OpenSockets*>(sockets)->close(descriptor);
}

std::unexpected<Error> HttpTransfer::failure(ErrorCode code, std::string why) const {
  return std::unexpected(Error(code, "request").with_path(shown_url_).with_detail(std::move(why)));
}

HttpOutcome HttpTransfer::denied() const {
  const char* why = settings_.options.only_addresses.empty()
                        ? " is no public address; allow_private_network allows it"
                        : " is none of the addresses that may be asked";
  return {.result = failure(ErrorCode::denied_by_policy, denied_address_ + why)};
}

std::optional<HttpOutcome> HttpTransfer::refusal() const {
  if (denied_address_.empty()) return std::nullopt;
  return denied();
}

// It made no way to the server.
HttpOutcome HttpTransfer::refused_by_proxy(long status) const {
  const std::string says = "the proxy says " + std::to_string(status);
  if (status == 407) {
    return {.result =
                failure(ErrorCode::unauthenticated, says + ": it wants credentials, or others")};
  }
  if (status == 403) return {.result = failure(ErrorCode::permission, says + ": it forbids it")};
  return {.result = failure(ErrorCode::network, says),
          .may_pass = is_passing(static_cast<int>(status))};
}

HttpOutcome HttpTransfer::outcome(CURLcode code) const {
  if (ran_out_of_memory_ || code == CURLE_OUT_OF_MEMORY) {
    return {.result = failure(ErrorCode::capacity, "no memory")};
  }
  if (code == CURLE_OK || ended_by_receiver_) {
    HttpOutcome outcome;
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0) outcome.retry_after = std::min(seconds, kLongestRetryAfter);
    return outcome;
  }
  if (!denied_address_.empty() && !has_tried_an_address_) return denied();
  long proxy_status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  if (proxy_status >= 300) return refused_by_proxy(proxy_status);
  std::string why = curl_easy_strerror(code);
  long system_error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &system_error);
  if (code == CURLE_COULDNT_CONNECT && system_error != 0) {
    why.append(": ").append(std::generic_category().message(static_cast<int>(system_error)));
  }
  const bool is_late = code == CURLE_OPERATION_TIMEDOUT;
  return {.result = failure(is_late ? ErrorCode::timeout : ErrorCode::network, why),
          .may_pass = !is_about_certificates(code) && code != CURLE_URL_MALFORMAT,
          .most_tries = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY
                            ? kTriesOfLookUps
                            : 0};
}

CurlEasy HttpTransfer::take_easy() noexcept {
  curl_easy_reset(easy_.get());
  return std::move(easy_);
}

}  // namespace quire::net
