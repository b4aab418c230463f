// The environment's variables of proxies, for tests that set them.
#pragma once

#include <stdlib.h>

#include <map>
#include <optional>
#include <string>

namespace quire::net {

// While it lives none of them is set but by it; then all are as before. Not while another thread reads the environment.
class ProxyVariables {
 public:
  ProxyVariables() {
    for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                             "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      const char* value = ::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
    }
    clear();
  }
  ~ProxyVariables() {
    clear();
    for (const auto& [name, value] : before_) {
      if (value) set(name, *value);
    }
  }
  ProxyVariables(const ProxyVariables&) = delete;
  ProxyVariables& operator=(const ProxyVariables&) = delete;

  static void set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  void clear() const {
    for (const auto& [name, value] : before_) ::unsetenv(name.c_str());
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace quire::net
