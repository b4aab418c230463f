#include "net/sigv4.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <map>
#include <new>

#include "base/ascii.hpp"

namespace quire::net {

namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kHexDigits = "0123456789abcdef";

Digest sha256(std::span<const std::byte> bytes) {
  Digest digest{};
  unsigned length = 0;
  // The only way to fail is to find no memory.
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return digest;
}

Digest hmac(std::span<const unsigned char> key, std::string_view text) {
  Digest digest{};
  unsigned length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &length) == nullptr) {
    throw std::bad_alloc();
  }
  return digest;
}

std::span<const unsigned char> bytes_of(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

std::string hex(const Digest& digest) {
  std::string text;
  text.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    text += kHexDigits[byte >> 4U];
    text += kHexDigits[byte & 15U];
  }
  return text;
}

std::string escaped_but(std::string_view text, char kept) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_plain || (kept != '\0' && c == kept)) {
      result += c;
      continue;
    }
    result += '%';
    result += "0123456789ABCDEF"[byte >> 4U];
    result += "0123456789ABCDEF"[byte & 15U];
  }
  return result;
}

// Without spaces around it and with one for many inside.
std::string trimmed(std::string_view value) {
  std::string result;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else {
      result += c;
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

struct Stamp {
  std::string time;  // 20130524T000000Z
  std::string day;   // 20130524
};

Stamp stamp_of(std::chrono::sys_seconds time) {
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  std::string stamp = text.data();
  return {.time = stamp, .day = stamp.substr(0, 8)};
}

std::string scope_text(const Stamp& stamp, const SigningScope& scope) {
  return stamp.day + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

// Headers as they are signed: lower case, sorted; those of one name in one line.
struct CanonicalHeaders {
  std::string lines;
  std::string names;
};

CanonicalHeaders canonical_headers(const NamedValues& headers) {
  std::multimap<std::string, std::string> sorted;  // those of one name in their order
  for (const auto& [name, value] : headers) sorted.emplace(base::lower(name), trimmed(value));
  CanonicalHeaders canonical;
  for (auto at = sorted.begin(); at != sorted.end();) {
    const std::string& name = at->first;
    canonical.lines.append(name).append(1, ':').append(at->second);
    canonical.names.append(canonical.names.empty() ? "" : ";").append(name);
    for (++at; at != sorted.end() && at->first == name; ++at) {
      canonical.lines.append(1, ',').append(at->second);
    }
    canonical.lines += '\n';
  }
  return canonical;
}

std::string signature_of(const RequestToSign& request, const std::string& query,
                         const CanonicalHeaders& headers, const SigningKey& key, const Stamp& stamp,
                         const SigningScope& scope) {
  const std::string canonical = request.method + "\n" + request.path + "\n" + query + "\n" +
                                headers.lines + "\n" + headers.names + "\n" + request.payload;
  const std::string to_sign = std::string(kAlgorithm) + "\n" + stamp.time + "\n" +
                              scope_text(stamp, scope) + "\n" +
                              sha256_hex(std::as_bytes(std::span(canonical)));
  Digest signing = hmac(bytes_of("AWS4" + key.secret_key), stamp.day);
  signing = hmac(signing, scope.region);
  signing = hmac(signing, scope.service);
  signing = hmac(signing, "aws4_request");
  return hex(hmac(signing, to_sign));
}

}  // namespace

std::string escaped(std::string_view text) { return escaped_but(text, '\0'); }
std::string canonical_path(std::string_view unescaped) { return escaped_but(unescaped, '/'); }

std::string canonical_query(const NamedValues& query) {
  NamedValues sorted;
  sorted.reserve(query.size());
  for (const auto& [name, value] : query) sorted.emplace_back(escaped(name), escaped(value));
  std::ranges::sort(sorted);
  std::string text;
  for (const auto& [name, value] : sorted) {
    if (!text.empty()) text += '&';
    text += name;
    text += '=';
    text += value;
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) { return hex(sha256(bytes)); }

NamedValues sign(const RequestToSign& request, const SigningKey& key, const SigningScope& scope) {
  const Stamp stamp = stamp_of(scope.time);
  NamedValues added{{"x-amz-content-sha256", request.payload}, {"x-amz-date", stamp.time}};
  if (!key.session_token.empty()) added.emplace_back("x-amz-security-token", key.session_token);

  NamedValues all = request.headers;
  all.insert(all.end(), added.begin(), added.end());
  const CanonicalHeaders headers = canonical_headers(all);
  const std::string signature =
      signature_of(request, canonical_query(request.query), headers, key, stamp, scope);
  added.emplace_back("Authorization", std::string(kAlgorithm) + " Credential=" + key.access_key +
                                          "/" + scope_text(stamp, scope) + ",SignedHeaders=" +
                                          headers.names + ",Signature=" + signature);
  return added;
}

std::string presigned_query(const RequestToSign& request, const SigningKey& key,
                            const SigningScope& scope, std::chrono::seconds valid_for) {
  const Stamp stamp = stamp_of(scope.time);
  const CanonicalHeaders headers = canonical_headers(request.headers);
  NamedValues query = request.query;
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential", key.access_key + "/" + scope_text(stamp, scope));
  query.emplace_back("X-Amz-Date", stamp.time);
  query.emplace_back("X-Amz-Expires", std::to_string(valid_for.count()));
  query.emplace_back("X-Amz-SignedHeaders", headers.names);
  if (!key.session_token.empty()) query.emplace_back("X-Amz-Security-Token", key.session_token);
  RequestToSign unsigned_body = request;
  unsigned_body.payload = kUnsignedPayload;
  const std::string text = canonical_query(query);
  return text + "&X-Amz-Signature=" + signature_of(unsigned_body, text, headers, key, stamp, scope);
}

}  // namespace quire::net
