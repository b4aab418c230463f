// Which addresses a URL from a stranger may lead to.
//
// Server-side request forgery: who can choose a URL that a server reads can make it read what only the server
// reaches - its own loopback, the network behind the firewall, the metadata of its cloud. Names do not help, since whoever
// owns a name chooses its addresses and can change them between two look-ups. So the address is looked at, of each
// connection, when it is made.
#pragma once

#include <sys/socket.h>

#include <string>

namespace quire::net {

// True if `address` is a unicast address of the public internet: none of the IANA special-purpose registries' (RFC 6890
// and its successors), and no IPv6 address that carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo), which
// may lead to any IPv4 address. False also for what is neither IPv4 nor IPv6.
[[nodiscard]] bool is_public(const sockaddr& address) noexcept;

// True if `host` is an address, and not a public one, or the name that every machine has for itself (RFC 6761: localhost and
// what ends so); false for other names.
[[nodiscard]] bool is_private_literal(const std::string& host) noexcept;

// "127.0.0.1", "::1"; for messages.
[[nodiscard]] std::string to_text(const sockaddr& address);

}  // namespace quire::net
