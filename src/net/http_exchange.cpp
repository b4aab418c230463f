#include "net/http_exchange.hpp"

#include <algorithm>
#include <charconv>

namespace quire::net {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_same_name(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

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
    if (is_same_name(key, name)) return value;
  }
  return std::nullopt;
}

bool HttpHead::tells_end() const noexcept {
  if (is_http2 || content_length()) return true;
  const std::string_view encoding = find("Transfer-Encoding").value_or("");
  return encoding.size() >= 7 && is_same_name(encoding.substr(encoding.size() - 7), "chunked");
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
