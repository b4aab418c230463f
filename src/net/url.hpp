// Url: an http or https URL in one form: what is requested, what is compared, and what people may see of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quire/error.hpp"

namespace quire::net {

// A value.
class Url {
 public:
  // Takes an absolute URL. The host becomes lower case, and an IPv4 address in any form that C libraries take
  // (0x7f.1, 2130706433) becomes four numbers. A fragment is dropped. The path stays as it is written, with "/../" and
  // escapes, but bytes that no URL may hold are escaped. Errors: invalid_argument (no URL, or a host that is not
  // ASCII), unsupported (another scheme).
  [[nodiscard]] static Result<Url> parse(std::string_view text);
  // Where a Location leads that this URL's answer named. Errors: as parse.
  [[nodiscard]] Result<Url> resolve(std::string_view location) const;

  bool is_secure() const noexcept { return secure_; }
  // A name or an address; IPv6 without brackets.
  const std::string& host() const noexcept { return host_; }
  std::uint16_t port() const noexcept { return port_; }
  // Host, and the port where it is not the scheme's own, as the Host header has them.
  std::string authority() const;
  // Path and query, as they are requested. Begins with '/'.
  const std::string& target() const noexcept { return target_; }
  // The whole of it but user and password.
  std::string text() const;
  // From before the '@', with escapes undone; empty if there is none.
  const std::string& user() const noexcept { return user_; }
  const std::string& password() const noexcept { return password_; }

  // For messages: without user and password, and only the names of what the query says, since its values may
  // be signatures.
  std::string shown() const;

  // True if what is secret for one may be sent to the other.
  bool has_same_origin(const Url& other) const noexcept {
    return secure_ == other.secure_ && host_ == other.host_ && port_ == other.port_;
  }

 private:
  Url() = default;

  bool secure_ = false;
  std::uint16_t port_ = 0;
  std::string host_;
  std::string target_{'/'};
  std::string user_;
  std::string password_;
};

// With %XX undone. Nothing if an escape is none, or a zero.
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);

}  // namespace quire::net
