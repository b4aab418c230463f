// HttpEngine: the thread that moves an HttpClient's bytes.
//
// Invariants:
//   1. Only the engine's thread touches libcurl's handles, and the exchanges that are under way.
//   2. An exchange belongs to whoever starts it until `start`, then to the engine's thread until its on_done, which is
//      called once, whatever happens; afterwards the engine knows it no more.
//   3. In a child of fork() there is no such thread: the child abandons the engine, and never destroys it.
#pragma once

#include <curl/curl.h>

#include <list>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "net/http_exchange.hpp"
#include "net/http_transfer.hpp"

namespace quire::net {

// Thread-safe, but for abandon.
class HttpEngine {
 public:
  // Throws std::system_error if there can be no thread, std::bad_alloc. `options` must outlive it.
  explicit HttpEngine(const HttpClientOptions& options);
  // Cancels what is under way, and returns when all is done. Not on its own thread.
  ~HttpEngine();
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  void start(std::shared_ptr<HttpExchange> exchange) QUIRE_EXCLUDES(mutex_);
  // Ends it soon, with `cancelled`, if it is still under way.
  void cancel(HttpExchange& exchange) const noexcept {
    exchange.want_cancel();
    wake();
  }

  // Around a fork: nothing is half done meanwhile.
  void lock() QUIRE_NO_THREAD_SAFETY_ANALYSIS {
    mutex_.lock();
    sockets_.lock();
  }
  void unlock() QUIRE_NO_THREAD_SAFETY_ANALYSIS {
    sockets_.unlock();
    mutex_.unlock();
  }
  // In the child: closes the connections, without a goodbye, which would end the parent's too.
  void abandon() noexcept { sockets_.close_all(); }

 private:
  struct CloseMulti {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
  };
  using Transfers = std::map<CURL*, std::unique_ptr<HttpTransfer>>;
  // Lists, so that moving on from one to the other allocates nothing.
  using Exchanges = std::list<std::shared_ptr<HttpExchange>>;

  void run() noexcept;
  bool take_mail() QUIRE_EXCLUDES(mutex_);
  void begin(const std::shared_ptr<HttpExchange>& exchange) noexcept;
  // False if there is no memory for it.
  bool try_to_begin(const std::shared_ptr<HttpExchange>& exchange);
  void perform() noexcept;
  void end_stalled() noexcept;
  // Those who asked for it, or all.
  void cancel_what(bool is_all) noexcept;
  template <class Outcome>
  void finish(Transfers::iterator one, const Outcome& outcome) noexcept;
  void sleep() noexcept QUIRE_EXCLUDES(mutex_);
  void wake() const noexcept { curl_multi_wakeup(multi_.get()); }

  OpenSockets sockets_;
  const TransferSettings settings_;
  const std::unique_ptr<CURLM, CloseMulti> multi_;
  std::vector<CurlEasy> idle_;  // handles to use again
  Transfers transfers_;
  Exchanges waiting_;  // for one of them to end

  base::Mutex mutex_;
  Exchanges starting_ QUIRE_GUARDED_BY(mutex_);
  bool is_stopping_ QUIRE_GUARDED_BY(mutex_) = false;
  bool is_asleep_ QUIRE_GUARDED_BY(mutex_) = false;  // and looks for mail only if it is woken

  std::thread thread_;  // the last: it uses all others
};

}  // namespace quire::net
