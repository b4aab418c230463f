// HttpTransfer: one exchange as libcurl sees it: what is set for it, and what its callbacks do.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.hpp"
#include "net/http_client.hpp"

namespace quire::net {

struct CloseEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, CloseEasy>;

struct FreeCurlList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, FreeCurlList>;
void append(CurlList& list, const std::string& line);

// The connections that are open. Thread-safe.
class OpenSockets {
 public:
  void add(int descriptor) QUIRE_EXCLUDES(mutex_);
  // Closes one, and returns what close() did.
  int close(int descriptor) noexcept QUIRE_EXCLUDES(mutex_);
  // Closes them all, whoever uses them.
  void close_all() noexcept QUIRE_EXCLUDES(mutex_);
  // Around a fork.
  void lock() QUIRE_ACQUIRE(mutex_) { mutex_.lock(); }
  void unlock() QUIRE_RELEASE(mutex_) { mutex_.unlock(); }

 private:
  base::Mutex mutex_;
  std::set<int> descriptors_ QUIRE_GUARDED_BY(mutex_);
};

// What all transfers of an engine share. Must outlive them and their connections.
struct TransferSettings {
  const HttpClientOptions& options;
  OpenSockets& sockets;
  std::string ca_file = {};  // empty: libcurl's own
  CurlList resolve = {};
};

// Belongs to one thread. Its address is libcurl's while it is under way.
class HttpTransfer {
 public:
  // Sets `easy`, which is fresh or reset, up for what the exchange asks for.
  HttpTransfer(std::shared_ptr<HttpExchange> exchange, CurlEasy easy,
               const TransferSettings& settings);
  ~HttpTransfer() = default;
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  CURL* easy() const noexcept { return easy_.get(); }
  HttpExchange& exchange() const noexcept { return *exchange_; }
  std::chrono::steady_clock::time_point last_byte() const noexcept { return last_byte_; }

  // What ends it before it begins: with a proxy, an address in the URL that the policy forbids.
  std::optional<HttpOutcome> refusal() const;
  // How it ended, by what libcurl says, …
  HttpOutcome outcome(CURLcode code) const;
  // … or by ourselves.
  std::unexpected<Error> failure(ErrorCode code, std::string why) const;

  // The handle, fit for another transfer. Nothing is called any more afterwards.
  CurlEasy take_easy() noexcept;

 private:
  void set_up(const HttpRequest& request);
  void set_up_connection();
  bool is_allowed(const sockaddr& address) const;
  HttpOutcome refused_by_proxy(long status) const;
  HttpOutcome denied() const;
  bool take_header_line(std::string_view line);
  template <class Work>
  bool run_receiver(const Work& work) noexcept;

  static std::size_t on_header(char* data, std::size_t one, std::size_t length,
                               void* self) noexcept;
  static std::size_t on_body(char* data, std::size_t one, std::size_t length, void* self) noexcept;
  static int on_progress(void* self, curl_off_t to_receive, curl_off_t received, curl_off_t to_send,
                         curl_off_t sent) noexcept;
  static curl_socket_t open_socket(void* self, curlsocktype purpose,
                                   curl_sockaddr* address) noexcept;
  static int close_socket(void* sockets, curl_socket_t descriptor) noexcept;

  const std::shared_ptr<HttpExchange> exchange_;
  CurlEasy easy_;
  const TransferSettings& settings_;
  CurlList headers_;
  std::string shown_url_;
  std::string proxy_;  // empty: none

  HttpHead head_;
  bool has_head_ = false;
  bool ended_by_receiver_ = false;
  bool ran_out_of_memory_ = false;
  bool has_tried_an_address_ = false;  // that the policy allows
  std::size_t header_bytes_ = 0;
  curl_off_t sent_ = 0;
  std::string denied_address_;
  std::chrono::steady_clock::time_point last_byte_ = std::chrono::steady_clock::now();
};

}  // namespace quire::net
