#include "net/proxy_choice.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/ascii.hpp"

namespace quire::net {

namespace {

constexpr std::string_view kBetween = ", \t";

std::string first_of_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the caller sees to it.
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  unsigned bits = 0;  // 32 or 128

  static std::optional<Address> parse(const std::string& text) {
    Address address;
    if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) {
      address.bits = 32;
    } else if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) {
      address.bits = 128;
    } else {
      return std::nullopt;
    }
    return address;
  }

  bool begins_as(const Address& other, unsigned count) const noexcept {
    for (unsigned bit = 0; bit < count; ++bit) {
      const unsigned differing = bytes.at(bit / 8) ^ other.bytes.at(bit / 8);
      if ((differing >> (7 - bit % 8) & 1U) != 0) return false;
    }
    return true;
  }
};

// `entry` is an address or a block of addresses.
bool holds(std::string_view entry, const Address& address) {
  const std::size_t slash = entry.find('/');
  std::string_view front = entry.substr(0, slash);
  if (front.starts_with('[') && front.ends_with(']')) front = front.substr(1, front.size() - 2);
  const auto first = Address::parse(std::string(front));
  if (!first || first->bits != address.bits) return false;
  unsigned bits = 0;
  if (slash != std::string_view::npos) {
    const std::string_view number = entry.substr(slash + 1);
    std::from_chars(number.data(), number.data() + number.size(), bits);
  }
  if (bits > address.bits) return false;
  return address.begins_as(*first, bits == 0 ? address.bits : bits);
}

std::string_view without_last_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

// `entry` is a name.
bool is_of(std::string_view host, std::string_view entry) {
  host = without_last_dot(host);
  entry = without_last_dot(entry);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.empty() || host.size() < entry.size()) return false;
  const std::string_view above = host.substr(0, host.size() - entry.size());
  return (above.empty() || above.ends_with('.')) &&
         base::is_equal_in_any_case(host.substr(above.size()), entry);
}

bool is_listed(const std::string& host, std::string_view list) {
  if (list == "*") return true;
  const auto address = Address::parse(host);
  while (true) {
    const std::size_t begin = list.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return false;
    list.remove_prefix(begin);
    const std::string_view entry = list.substr(0, list.find_first_of(kBetween));
    if (address ? holds(entry, *address) : is_of(host, entry)) return true;
    list.remove_prefix(entry.size());
  }
}

}  // namespace

ProxyChoice ProxyChoice::always(const std::string& proxy) {
  return {.for_http = proxy, .for_https = proxy};
}

ProxyChoice ProxyChoice::of_environment() {
  return {
      .for_http = first_of_environment({"http_proxy", "all_proxy", "ALL_PROXY"}),
      .for_https = first_of_environment({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}),
      .direct = first_of_environment({"no_proxy", "NO_PROXY"})};
}

std::string ProxyChoice::proxy_for(const Url& url) const {
  const std::string& proxy = url.is_secure() ? for_https : for_http;
  return proxy.empty() || is_listed(url.host(), direct) ? std::string() : proxy;
}

}  // namespace quire::net
