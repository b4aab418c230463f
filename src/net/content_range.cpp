#include "net/content_range.hpp"

#include <charconv>

#include "base/ascii.hpp"

namespace quire::net {

namespace {

// Takes the number at the front of `text`, all digits.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, std::string_view expected) noexcept {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool take_unit(std::string_view& text) noexcept {
  constexpr std::string_view kUnit = "bytes ";
  if (!base::starts_with_in_any_case(text, kUnit)) return false;
  text.remove_prefix(kUnit.size());
  return true;
}

}  // namespace

std::optional<ContentRange> ContentRange::parse(std::string_view text) noexcept {
  if (!take_unit(text)) return std::nullopt;
  ContentRange result;
  if (!take(text, "*")) {
    const auto first = take_number(text);
    if (!first || !take(text, "-")) return std::nullopt;
    const auto last = take_number(text);
    if (!last || *last < *first || *last - *first == UINT64_MAX) return std::nullopt;
    result.range = ByteRange{*first, *last - *first + 1};
  }
  if (!take(text, "/")) return std::nullopt;
  if (!take(text, "*")) {
    result.size = take_number(text);
    if (!result.size) return std::nullopt;
  }
  if (!text.empty() || (!result.range && !result.size)) return std::nullopt;
  if (result.range && result.size && !result.range->fits(*result.size)) return std::nullopt;
  return result;
}

}  // namespace quire::net
