#include "remote/metadata_credentials.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/ascii.hpp"
#include "base/try.hpp"
#include "quire/bytes.hpp"
#include "quire/file_operations.hpp"
#include "remote/credentials_json.hpp"
#include "remote/text_fetch.hpp"

namespace quire::remote {

namespace {

using Found = CredentialsProvider::Found;

constexpr std::array<std::string_view, 3> kContainerServers{"169.254.170.2", "169.254.170.23",
                                                            "fd00:ec2::23"};
constexpr std::array<std::string_view, 2> kInstanceServers{"169.254.169.254", "fd00:ec2::254"};

// They are near. Where there are none nobody shall wait long.
constexpr std::chrono::milliseconds kTimeout{1'000};
constexpr unsigned kTries = 3;
constexpr unsigned kTriesWhereNobodyMayBe = 2;
constexpr std::chrono::milliseconds kMaxTime{5'000};

constexpr std::uint64_t kMostTokenBytes = std::uint64_t{64} << 10;
constexpr const char* kTokenHeader = "X-aws-ec2-metadata-token";
constexpr const char* kTokenLifetimeHeader = "X-aws-ec2-metadata-token-ttl-seconds";
constexpr const char* kTokenLifetime = "300";  // it is used at once
constexpr std::string_view kRolesPath = "/latest/meta-data/iam/security-credentials/";

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return std::unexpected(Error(code, "authenticate").with_detail(std::move(why)));
}

// "127.evil.example" is a name; what is neither that nor an address is no connection's.
bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F; });
}

// The URL a variable says, if it may be asked.
Result<net::Url> allowed_url(const std::string& text, std::string_view variable,
                             std::span<const std::string_view> servers) {
  const auto url = net::Url::parse(text);
  if (!url) {
    return refuse(ErrorCode::invalid_argument, std::string(variable) + " is no http URL");
  }
  const bool is_known =
      is_loopback(url->host()) || std::ranges::find(servers, url->host()) != servers.end();
  if (url->is_secure() || !is_known) {
    return refuse(ErrorCode::denied_by_policy,
                  std::string(variable) + " names " + url->shown() +
                      "; it may name only http at this machine or at a cloud's own address");
  }
  return url;
}

// One that asks only who it was made for.
class MetadataClient {
 public:
  static Result<MetadataClient> of(const net::Url& url, net::HttpHeaders headers) {
    std::vector<std::string> addresses{url.host()};
    if (url.host() == "localhost") addresses = {"127.0.0.1", "::1"};
    QUIRE_TRY(auto client, net::HttpClient::with({.connect_timeout = kTimeout,
                                                  .stall_timeout = kTimeout,
                                                  .only_addresses = std::move(addresses)}));
    return MetadataClient(std::move(client), std::move(headers));
  }

  Result<std::string> ask(net::HttpMethod method, const net::Url& url, unsigned tries,
                          const ReadOptions& options) const {
    const net::RetryOptions retry{.max_tries = tries, .max_time = kMaxTime};
    QUIRE_TRY(auto answer, fetch_text(*client_, std::make_shared<Place>(url, headers_), retry,
                                      {.method = method}, options));
    return std::move(answer.text);
  }
  Result<std::string> get(const net::Url& url, const ReadOptions& options) const {
    return ask(net::HttpMethod::get, url, kTries, options);
  }

 private:
  // A redirect is an answer that is not taken.
  class Place final : public HttpPlace {
   public:
    using HttpPlace::HttpPlace;
    bool follows_redirects() const noexcept override { return false; }
  };

  MetadataClient(std::shared_ptr<net::HttpClient> client, net::HttpHeaders headers)
      : client_(std::move(client)), headers_(std::move(headers)) {}

  std::shared_ptr<net::HttpClient> client_;
  net::HttpHeaders headers_;
};

Result<Found> found_in(const std::string& text, const net::Url& url) {
  auto credentials = credentials_of_json(text);
  if (!credentials) return std::unexpected(std::move(credentials).error().with_path(url.shown()));
  return Found{.credentials = *std::move(credentials)};
}

// Of a request of which nothing came back.
bool is_without_answer(const Error& error) {
  return error.system_code() == 0 &&
         (error.code() == ErrorCode::network || error.code() == ErrorCode::timeout);
}

bool has_given_up(const ReadOptions& options) {
  return options.stop.stop_requested() ||
         (options.deadline && std::chrono::steady_clock::now() >= *options.deadline);
}

// "Authorization" for the container's server, empty if it wants none.
Result<std::string> container_token(const AwsEnvironment& environment) {
  const auto file = environment.find("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  std::string token = environment.find("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (file) {  // read anew each time: whoever writes it changes it
    QUIRE_TRY(const Bytes bytes, read_file(*file, {.max_bytes = kMostTokenBytes}));
    token = trimmed(bytes.text());
  }
  if (!is_header_value(token)) {
    return refuse(ErrorCode::invalid_argument,
                  std::string(file ? "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
                                   : "AWS_CONTAINER_AUTHORIZATION_TOKEN") +
                      " has bytes that no token has");
  }
  return token;
}

Result<net::Url> instance_url(const AwsEnvironment& environment) {
  constexpr std::string_view kVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
  if (const auto endpoint = environment.find(kVariable)) {
    return allowed_url(*endpoint, kVariable, kInstanceServers);
  }
  const std::string mode =
      environment.find("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").value_or("IPv4");
  return net::Url::parse(base::is_equal_in_any_case(mode, "IPv6") ? "http://[fd00:ec2::254]/"
                                                                  : "http://169.254.169.254/");
}

bool is_role_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("+=,.@_-").contains(c);
  });
}

}  // namespace

Result<Found> ContainerCredentials::get(const ReadOptions& options) {
  constexpr std::string_view kRelative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  constexpr std::string_view kFull = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  const auto relative = environment_.find(kRelative);
  const auto full = environment_.find(kFull);
  if (!relative && !full) return Found{.lack = std::string(kRelative) + " is not set"};
  if (relative && !relative->starts_with('/')) {
    return refuse(ErrorCode::invalid_argument,
                  std::string(kRelative) + " does not begin with a slash");
  }
  QUIRE_TRY(const net::Url url, allowed_url(relative ? "http://169.254.170.2" + *relative : *full,
                                            relative ? kRelative : kFull, kContainerServers));
  QUIRE_TRY(std::string token, container_token(environment_));
  net::HttpHeaders headers;
  if (!token.empty()) headers.emplace_back("Authorization", std::move(token));
  QUIRE_TRY(const auto client, MetadataClient::of(url, std::move(headers)));
  QUIRE_TRY(const std::string text, client.get(url, options));
  return found_in(text, url);
}

Result<Found> InstanceCredentials::get(const ReadOptions& options) {
  if (base::is_equal_in_any_case(environment_.find("AWS_EC2_METADATA_DISABLED").value_or(""),
                                 "true")) {
    return Found{.lack = "AWS_EC2_METADATA_DISABLED is set"};
  }
  QUIRE_TRY(const net::Url server, instance_url(environment_));
  QUIRE_TRY(const net::Url token_url, server.resolve("/latest/api/token"));
  QUIRE_TRY(auto client, MetadataClient::of(server, {{kTokenLifetimeHeader, kTokenLifetime}}));
  const auto token = client.ask(net::HttpMethod::put, token_url, kTriesWhereNobodyMayBe, options);
  if (!token) {
    const Error& error = token.error();
    if (is_without_answer(error) && !has_given_up(options)) {
      return Found{.lack = server.shown() + " does not answer: " + error.detail()};
    }
    const int status = error.system_code();
    if (status == 403 || status == 404 || status == 405) {
      return Found{.lack = server.shown() + " gives no token of version 2: it says " +
                           std::to_string(status)};
    }
    return std::unexpected(error);
  }
  if (trimmed(*token).empty() || !is_header_value(trimmed(*token))) {
    return refuse(ErrorCode::network, token_url.shown() + " gives no token");
  }

  QUIRE_TRY(client, MetadataClient::of(server, {{kTokenHeader, std::string(trimmed(*token))}}));
  QUIRE_TRY(const net::Url roles_url, server.resolve(kRolesPath));
  const auto roles = client.get(roles_url, options);
  if (!roles && roles.error().code() != ErrorCode::not_found) {
    return std::unexpected(roles.error());
  }
  const std::string_view names = roles ? trimmed(*roles) : std::string_view();
  if (names.empty()) return Found{.lack = "this machine has no role"};
  const std::string role(trimmed(names.substr(0, names.find('\n'))));
  if (!is_role_name(role)) return refuse(ErrorCode::network, roles_url.shown() + " names no role");
  QUIRE_TRY(const net::Url role_url, server.resolve(std::string(kRolesPath) + role));
  QUIRE_TRY(const std::string text, client.get(role_url, options));
  return found_in(text, role_url);
}

}  // namespace quire::remote
