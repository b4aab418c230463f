#include "net/address_policy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace quire::net {

namespace {

struct V4Block {
  std::uint32_t first;  // host order
  unsigned bits;

  constexpr bool holds(std::uint32_t address) const noexcept {
    return (address ^ first) >> (32 - bits) == 0;
  }
};

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c) noexcept {
  return a << 24U | b << 16U | c << 8U;
}

constexpr std::array kNotPublicV4{
    V4Block{v4(0, 0, 0), 8},        // this network; 0.0.0.0 is the machine itself
    V4Block{v4(10, 0, 0), 8},       // private
    V4Block{v4(100, 64, 0), 10},    // behind a carrier's NAT
    V4Block{v4(127, 0, 0), 8},      // loopback
    V4Block{v4(169, 254, 0), 16},   // link-local, where clouds have their metadata
    V4Block{v4(172, 16, 0), 12},    // private
    V4Block{v4(192, 0, 0), 24},     // protocol assignments
    V4Block{v4(192, 0, 2), 24},     // documentation
    V4Block{v4(192, 88, 99), 24},   // relays of 6to4
    V4Block{v4(192, 168, 0), 16},   // private
    V4Block{v4(198, 18, 0), 15},    // benchmarks
    V4Block{v4(198, 51, 100), 24},  // documentation
    V4Block{v4(203, 0, 113), 24},   // documentation
    V4Block{v4(224, 0, 0), 4},      // multicast
    V4Block{v4(240, 0, 0), 4},      // reserved, and broadcast
};

struct V6Block {
  std::array<std::uint8_t, 4> first;
  unsigned bits;  // at most 32

  constexpr bool holds(const std::uint8_t* address) const noexcept {
    for (unsigned bit = 0; bit < bits; ++bit) {
      if (((address[bit / 8] ^ first[bit / 8]) >> (7 - bit % 8) & 1U) != 0) return false;
    }
    return true;
  }
};

// All global unicast addresses so far. Outside lie ::, ::1, mapped and compatible IPv4, NAT64, unique local,
// link-local, site-local, multicast.
constexpr V6Block kGlobalUnicast{{0x20, 0, 0, 0}, 3};
constexpr std::array kNotPublicV6{
    V6Block{{0x20, 0x01, 0x00, 0x00}, 23},  // protocol assignments, Teredo among them
    V6Block{{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    V6Block{{0x20, 0x02, 0, 0}, 16},        // 6to4
    V6Block{{0x3f, 0xff, 0, 0}, 20},        // documentation
};

}  // namespace

bool is_public(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    const std::uint32_t number = ntohl(in.sin_addr.s_addr);
    return std::ranges::none_of(kNotPublicV4,
                                [&](const V4Block& block) { return block.holds(number); });
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    const std::uint8_t* bytes = in.sin6_addr.s6_addr;
    return kGlobalUnicast.holds(bytes) &&
           std::ranges::none_of(kNotPublicV6,
                                [&](const V6Block& block) { return block.holds(bytes); });
  }
  return false;
}

bool is_private_literal(const std::string& host) noexcept {
  const std::string_view name =
      std::string_view(host).substr(0, host.size() - (host.ends_with('.') ? 1 : 0));
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    return !is_public(reinterpret_cast<const sockaddr&>(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  return inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1 &&
         !is_public(reinterpret_cast<const sockaddr&>(v6));
}

std::string to_text(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

}  // namespace quire::net
