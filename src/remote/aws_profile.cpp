#include "remote/aws_profile.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/ascii.hpp"
#include "base/try.hpp"
#include "quire/bytes.hpp"
#include "quire/file_operations.hpp"

namespace quire::remote {

namespace {

constexpr std::uint64_t kMostFileBytes = std::uint64_t{1} << 20;
constexpr std::string_view kSpaces = " \t\r\v\f";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// What follows '='. A comment needs a space before it, else it belongs to the value.
std::string_view value_of(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (kSpaces.contains(text[i]) && (text[i + 1] == '#' || text[i + 1] == ';')) {
      return trimmed(text.substr(0, i));
    }
  }
  return trimmed(text);
}

// Of "[profile 'a b']  # mine": "profile a b". Nothing if it is no section.
std::optional<std::string> section_name(std::string_view line) {
  const std::size_t end = line.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view rest = trimmed(line.substr(end + 1));
  if (!rest.empty() && rest.front() != '#' && rest.front() != ';') return std::nullopt;
  const std::string_view inside = trimmed(line.substr(1, end - 1));
  const std::size_t space = inside.find_first_of(kSpaces);
  std::string_view kind = inside.substr(0, std::min(space, inside.size()));
  std::string_view name = trimmed(inside.substr(kind.size()));
  std::string_view& last = name.empty() ? kind : name;
  if (last.size() >= 2 && last.front() == last.back() &&
      (last.front() == '"' || last.front() == '\'')) {
    last = last.substr(1, last.size() - 2);
  }
  if (last.empty()) return std::nullopt;
  std::string result(kind);
  if (!name.empty()) result.append(" ").append(name);
  return result;
}

// The lines of such a file, one after the other.
class Parser {
 public:
  void take(std::string_view line) {
    const std::string_view body = trimmed(line);
    if (body.empty() || body.front() == '#' || body.front() == ';') return;
    if (body.front() == '[') {
      begin(section_name(body));
    } else if (section_ != nullptr) {
      take_setting(body, line.find_first_not_of(kSpaces));
    }
  }
  AwsSections& sections() { return sections_; }

 private:
  void begin(const std::optional<std::string>& name) {
    section_ = name ? &sections_[*name] : nullptr;
    indent_.reset();
    parent_.clear();
  }

  void take_setting(std::string_view body, std::size_t indent) {
    const bool is_inside = indent_ && indent > *indent_;
    if (is_inside && parent_.empty()) return;  // goes on with a value: none that is used here does
    const std::size_t equals = body.find('=');
    if (equals == std::string_view::npos || equals == 0) return;
    const std::string key = base::lower(trimmed(body.substr(0, equals)));
    const std::string_view value = value_of(body.substr(equals + 1));
    if (is_inside) {
      (*section_)[parent_ + "." + key] = value;
      return;
    }
    (*section_)[key] = value;
    indent_ = indent;
    parent_ = value.empty() ? key : std::string();
  }

  AwsSections sections_;
  AwsSettings* section_ = nullptr;
  std::optional<std::size_t> indent_;  // of the last setting that is inside no other
  std::string parent_;                 // its name, if others may be inside
};

Result<AwsSections> read_sections(const std::string& path) {
  if (path.empty()) return AwsSections();
  const auto bytes = read_file(path, {.max_bytes = kMostFileBytes});
  if (!bytes) {
    if (bytes.error().code() == ErrorCode::not_found) return AwsSections();
    return std::unexpected(bytes.error());
  }
  return parse_aws_sections(bytes->text());
}

// Empty: nobody says where.
std::string path_of(const AwsEnvironment& environment, std::string_view variable,
                    const char* in_home) {
  const auto home = environment.find("HOME");
  if (auto path = environment.find(variable)) {
    if (home && path->starts_with("~/")) return *home + path->substr(1);
    return *path;
  }
  return home ? *home + in_home : std::string();
}

std::optional<std::string> find(const AwsSettings& settings, std::string_view name) {
  const auto found = settings.find(name);
  if (found == settings.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

}  // namespace

AwsSections parse_aws_sections(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Parser parser;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(parser.sections());
}

Result<AwsProfile> AwsProfile::load(const AwsEnvironment& environment, std::string_view name) {
  AwsProfile profile;
  profile.name_ =
      name.empty() ? environment.find("AWS_PROFILE").value_or("default") : std::string(name);
  const std::string credentials_path =
      path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  const std::string config_path = path_of(environment, "AWS_CONFIG_FILE", "/.aws/config");
  for (const std::string& path : {credentials_path, config_path}) {
    if (!path.empty()) profile.files_.append(profile.files_.empty() ? "" : " and ").append(path);
  }
  QUIRE_TRY(const AwsSections credentials, read_sections(credentials_path));
  QUIRE_TRY(const AwsSections config, read_sections(config_path));

  const auto take = [](const AwsSections& from, const std::string& section, AwsSettings& to) {
    const auto found = from.find(section);
    if (found == from.end()) return false;
    to = found->second;
    return true;
  };
  profile.exists_ = take(credentials, profile.name_, profile.credentials_);
  bool is_configured = take(config, "profile " + profile.name_, profile.config_);
  if (!is_configured && profile.name_ == "default") {
    is_configured = take(config, "default", profile.config_);
  }
  profile.exists_ = profile.exists_ || is_configured;
  if (const auto services = profile.profile_setting("services")) {
    take(config, "services " + *services, profile.services_);
  }
  return profile;
}

std::optional<std::string> AwsProfile::profile_setting(std::string_view setting) const {
  if (auto value = find(credentials_, setting)) return value;
  return find(config_, setting);
}

std::optional<std::string> AwsProfile::endpoint_url() const {
  if (auto url = find(services_, "s3.endpoint_url")) return url;
  return profile_setting("endpoint_url");
}

Result<std::optional<net::SigningKey>> AwsProfile::key() const {
  for (const AwsSettings* settings : {&credentials_, &config_}) {
    const auto access_key = find(*settings, "aws_access_key_id");
    const auto secret_key = find(*settings, "aws_secret_access_key");
    if (!access_key && !secret_key) continue;
    if (!access_key || !secret_key) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "authenticate")
                                 .with_path(files_)
                                 .with_detail("profile " + name_ +
                                              " has only one of aws_access_key_id and " +
                                              "aws_secret_access_key"));
    }
    return net::SigningKey{.access_key = *access_key,
                           .secret_key = *secret_key,
                           .session_token = find(*settings, "aws_session_token").value_or("")};
  }
  return std::nullopt;
}

}  // namespace quire::remote
