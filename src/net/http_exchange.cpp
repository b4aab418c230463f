#include "net/http_exchange.hpp"

#include <charconv>

#include "base/ascii.hpp"

namespace quire::net {

std::string_view to_string(HttpMethod method) noexcept {
  switch (method) {
    case HttpMethod::get:
      return "GET";
    case HttpMethod::head:
      return "HEAD";
    case HttpMethod::put:
      return "PUT";
    case HttpMethod::post:
      return "POST";
    case HttpMethod::del:
      return "DELETE";
  }
  return "?";
}

std::optional<std::string_view> HttpHead::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers) {
    if (base::is_equal_in_any_case(key, name)) return value;
  }
  return std::nullopt;
}

bool HttpHead::tells_end() const noexcept {
  if (is_http2 || content_length()) return true;
  const std::string_view encoding = find("Transfer-Encoding").value_or("");
  return encoding.size() >= 7 &&
         base::is_equal_in_any_case(encoding.substr(encoding.size() - 7), "chunked");
}

std::optional<std::uint64_t> HttpHead::content_length() const noexcept {
  const auto text = find("Content-Length");
  if (!text) return std::nullopt;
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), length);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return length;
}

}  // namespace quire::net
