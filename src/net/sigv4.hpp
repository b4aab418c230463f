// Signature Version 4, as S3 and what speaks its language check it (AWS General Reference, "Create a signed AWS API
// request"; S3 API Reference, "Authenticating Requests"). In S3's variant the path is escaped once and never
// normalised: "/a/../b" is the name of an object.
//
// What is signed is what must be sent: paths and queries come from `canonical_path` and `canonical_query`, and go out
// byte by byte as they are.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quire::net {

// Names and values.
using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct SigningKey {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty if there is none
};

// Hash of an empty body, and what stands in its place where the body is not hashed.
inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigningScope {
  std::string region;
  std::string service = "s3";
  std::chrono::sys_seconds time;
};

struct RequestToSign {
  std::string method;
  std::string path;     // canonical
  NamedValues query;    // not escaped
  NamedValues headers;  // Host among them; all are signed
  std::string payload =
      std::string(kEmptyPayload);  // SHA-256 of the body in hex, or kUnsignedPayload
};

// All bytes but A-Z a-z 0-9 - . _ ~ become %XX.
[[nodiscard]] std::string escaped(std::string_view text);
// A key as a path: '/' stays.
[[nodiscard]] std::string canonical_path(std::string_view unescaped);
// "a=1&b=", sorted, escaped.
[[nodiscard]] std::string canonical_query(const NamedValues& query);

[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

// The headers that a request needs besides those it has: Authorization, x-amz-date, x-amz-content-sha256, and
// x-amz-security-token where there is a session.
[[nodiscard]] NamedValues sign(const RequestToSign& request, const SigningKey& key,
                               const SigningScope& scope);

// The query, canonical, with which a URL can be used by whoever has it for `valid_for` (at most a week). Only the Host header
// must be sent as it is in `request.headers`.
[[nodiscard]] std::string presigned_query(const RequestToSign& request, const SigningKey& key,
                                          const SigningScope& scope,
                                          std::chrono::seconds valid_for);

}  // namespace quire::net
