// ProxyChoice: through which proxy a URL is asked for, if any.
//
// libcurl is never left to choose: the URL policy has to know whether a connection is to a proxy, which may be anywhere, or to
// a host that the URL names.
#pragma once

#include <compare>
#include <string>

#include "net/url.hpp"

namespace quire::net {

// A value. What it holds may be secret: a proxy's URL has its user and password.
struct ProxyChoice {
  std::string for_http = {};  // a proxy as libcurl's CURLOPT_PROXY has it; empty: none
  std::string for_https = {};
  // Hosts that are asked without a proxy: names, which stand for what is below them too, addresses and blocks of
  // addresses ("10.0.0.0/8"), with commas or blanks between them; or "*" for all.
  std::string direct = {};

  [[nodiscard]] static ProxyChoice always(const std::string& proxy);
  // What the environment says, as libcurl reads it: http_proxy, in small letters only since a CGI script's HTTP_PROXY is of
  // who asks it; https_proxy; all_proxy for either; no_proxy.
  [[nodiscard]] static ProxyChoice of_environment();

  // Empty: none.
  [[nodiscard]] std::string proxy_for(const Url& url) const;

  auto operator<=>(const ProxyChoice&) const = default;
};

}  // namespace quire::net
