#include "net/http_client.hpp"

#include <curl/curl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <new>
#include <system_error>
#include <utility>

#include "net/http_engine.hpp"

namespace quire::net {

// The clients of the process. Thread-safe.
class ClientRegistry {
 public:
  // Never destroyed: a client may end later than it would.
  static ClientRegistry& of_process() {
    static auto& registry = *new ClientRegistry;  // NOLINT(cppcoreguidelines-owning-memory)
    return registry;
  }

  Result<std::shared_ptr<HttpClient>> client(const HttpClientOptions& options)
      QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    std::erase_if(clients_, [](const auto& client) { return client.second.expired(); });
    std::weak_ptr<HttpClient>& known = clients_[options];
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

 private:
  ClientRegistry() { pthread_atfork(&before_fork, &after_fork, &after_fork); }

  // A child has this thread only: nothing that it will use may be half done by another.
  static void before_fork() QUIRE_NO_THREAD_SAFETY_ANALYSIS {
    ClientRegistry& registry = of_process();
    registry.mutex_.lock();
    for (const auto& [options, known] : registry.clients_) {
      if (auto client = known.lock()) registry.held_.push_back(std::move(client));
    }
    for (const auto& client : registry.held_) {
      client->mutex_.lock();
      client->engine_->lock();
    }
  }
  static void after_fork() QUIRE_NO_THREAD_SAFETY_ANALYSIS {
    ClientRegistry& registry = of_process();
    std::vector<std::shared_ptr<HttpClient>> held = std::move(registry.held_);
    registry.held_.clear();
    for (const auto& client : held) {
      client->engine_->unlock();
      client->mutex_.unlock();
    }
    registry.mutex_.unlock();
  }

  base::Mutex mutex_;
  std::map<HttpClientOptions, std::weak_ptr<HttpClient>> clients_ QUIRE_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<HttpClient>> held_;  // during a fork
};

HttpClient::HttpClient(const HttpClientOptions& options)
    : options_(options), engine_(std::make_unique<HttpEngine>(options_)), process_(::getpid()) {}

HttpClient::~HttpClient() {
  const base::MutexLock lock(mutex_);
  if (process_ == ::getpid()) return;
  engine_->abandon();
  engine_.release();  // NOLINT(bugprone-unused-return-value): its thread is the parent's
}

Result<void> HttpClient::use_own_engine() {
  if (process_ == ::getpid()) return {};
  try {
    auto engine = std::make_unique<HttpEngine>(options_);
    engine_->abandon();
    engine_.release();  // NOLINT(bugprone-unused-return-value): its thread is the parent's
    engine_ = std::move(engine);
    process_ = ::getpid();
    return {};
  } catch (const std::system_error& error) {
    return std::unexpected(Error(ErrorCode::capacity, "request", error.code().value())
                               .with_detail("no thread for the network"));
  }
}

void HttpClient::start(const std::shared_ptr<HttpExchange>& exchange) {
  Result<void> ready;
  {
    const base::MutexLock lock(mutex_);
    ready = use_own_engine();
    if (ready) engine_->start(exchange);
  }
  if (!ready) exchange->on_done({.result = std::move(ready)});
}

void HttpClient::cancel(HttpExchange& exchange) noexcept {
  const base::MutexLock lock(mutex_);
  if (process_ == ::getpid()) engine_->cancel(exchange);
}

Result<std::shared_ptr<HttpClient>> HttpClient::with(const HttpClientOptions& options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return std::unexpected(Error(ErrorCode::capacity, "open"));
  for (const std::string* file :
       {&options.ca_file, &options.client_certificate, &options.client_key}) {
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "open", errno)
                                 .with_path(*file)
                                 .with_detail("the certificate cannot be read"));
    }
  }
  return ClientRegistry::of_process().client(options);
}

}  // namespace quire::net
