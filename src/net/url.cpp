#include "net/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <utility>

#include "base/ascii.hpp"

namespace quire::net {

namespace {

struct FreeUrl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, FreeUrl>;

struct FreeText {
  void operator()(char* text) const noexcept { curl_free(text); }
};

// "/../" stays: signatures, and objects of that name, are of the path as it is written.
constexpr unsigned kParsing = CURLU_PATH_AS_IS | CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME;

Handle make_handle() {
  Handle handle(curl_url());
  if (handle == nullptr) throw std::bad_alloc();
  return handle;
}

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, FreeText> owner(text);
  return text;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

// libcurl takes "http:/x" and "http:///x" for a URL with host x; others see no host there.
bool has_odd_slashes(std::string_view location) {
  const std::size_t colon = location.find_first_of(":/?#");
  if (colon != std::string_view::npos && location[colon] == ':') {
    location.remove_prefix(colon + 1);
    if (!location.starts_with("//")) return true;
  }
  return location.starts_with("///");
}

// The values may be anything, so no part of what was given is shown.
std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return std::unexpected(Error(code, "open").with_detail(std::move(why)));
}

}  // namespace

Result<Url> Url::parse(std::string_view text) { return Url().resolve(text); }

Result<Url> Url::resolve(std::string_view location) const {
  const Handle handle = make_handle();
  if (!host_.empty() &&
      curl_url_set(handle.get(), CURLUPART_URL, text().c_str(), kParsing) != CURLUE_OK) {
    return refuse(ErrorCode::invalid_argument, "this is no URL");
  }
  if (location.find('\0') != std::string_view::npos) {
    return refuse(ErrorCode::invalid_argument, "this is no URL: it has a zero byte");
  }
  const CURLUcode parsed =
      curl_url_set(handle.get(), CURLUPART_URL, std::string(location).c_str(), kParsing);
  if (parsed == CURLUE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (parsed != CURLUE_OK) {
    return refuse(ErrorCode::invalid_argument,
                  std::string("this is no URL: ") + curl_url_strerror(parsed));
  }
  const std::string scheme = part_of(handle.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return refuse(ErrorCode::unsupported, "only http and https URLs are read, not " + scheme + ":");
  }
  if (has_odd_slashes(location)) {
    return refuse(ErrorCode::invalid_argument, "this is no URL: its scheme needs two slashes");
  }
  Url url;
  url.secure_ = scheme == "https";
  url.host_ = base::lower(part_of(handle.get(), CURLUPART_HOST));
  if (url.host_.empty() || !is_ascii(url.host_) || url.host_.find('%') != std::string::npos) {
    return refuse(ErrorCode::invalid_argument,
                  "the URL's host must be a name in ASCII, or an address");
  }
  if (url.host_.front() == '[') {
    if (!part_of(handle.get(), CURLUPART_ZONEID).empty()) {
      return refuse(ErrorCode::invalid_argument, "the URL's address names an interface");
    }
    url.host_ = url.host_.substr(1, url.host_.size() - 2);
  }
  const std::string port = part_of(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const auto number = std::from_chars(port.data(), port.data() + port.size(), url.port_);
  if (number.ec != std::errc() || url.port_ == 0) {
    return refuse(ErrorCode::invalid_argument, "the URL's port is none");
  }
  if (std::string path = part_of(handle.get(), CURLUPART_PATH); !path.empty()) {
    url.target_ = std::move(path);
  }
  if (const std::string query = part_of(handle.get(), CURLUPART_QUERY); !query.empty()) {
    url.target_.append(1, '?').append(query);
  }
  if (!is_ascii(url.target_)) {
    return refuse(ErrorCode::invalid_argument, "the URL has a byte that must be escaped");
  }
  url.user_ = part_of(handle.get(), CURLUPART_USER, CURLU_URLDECODE);
  url.password_ = part_of(handle.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  return url;
}

std::string Url::authority() const {
  const bool is_v6 = host_.find(':') != std::string::npos;
  std::string text;
  if (is_v6) text += '[';
  text += host_;
  if (is_v6) text += ']';
  if (port_ != (secure_ ? 443 : 80)) text.append(1, ':').append(std::to_string(port_));
  return text;
}

std::string Url::text() const { return (secure_ ? "https://" : "http://") + authority() + target_; }

std::string Url::shown() const {
  const std::size_t query = target_.find('?');
  std::string shown = secure_ ? "https://" : "http://";
  shown += authority();
  shown += std::string_view(target_).substr(0, query);
  if (query == std::string::npos) return shown;
  char separator = '?';
  for (std::size_t at = query + 1; at <= target_.size();) {
    const std::size_t end = std::min(target_.find('&', at), target_.size());
    const std::string_view parameter = std::string_view(target_).substr(at, end - at);
    // A parameter without a name may be a secret by itself, and so may one that ends in '=' as base64 does.
    const std::size_t equals = parameter.find('=');
    const bool has_value = parameter.find_first_not_of('=', equals) != std::string_view::npos;
    shown += separator;
    if (equals != std::string_view::npos && has_value)
      shown.append(parameter.substr(0, equals + 1));
    shown += "…";
    separator = '&';
    at = end + 1;
  }
  return shown;
}

std::optional<std::string> unescaped(std::string_view text) {
  const auto digit_of = [](char c) {
    const char low = base::lower(c);
    if (low >= '0' && low <= '9') return low - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

}  // namespace quire::net
