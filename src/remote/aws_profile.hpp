// AwsProfile: what the shared files of the AWS tools say under one name ("Configuration and credential file settings",
// AWS SDKs and Tools Reference Guide).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "net/sigv4.hpp"
#include "quire/error.hpp"
#include "remote/aws_environment.hpp"

namespace quire::remote {

using AwsSettings = std::map<std::string, std::string, std::less<>>;
using AwsSections = std::map<std::string, AwsSettings, std::less<>>;

// The sections of such a file by what stands in their brackets, with one space for many: "default", "profile dev". Names of
// settings become lower case; a setting inside another's, indented deeper, is found as "s3.endpoint_url". Of what is said
// twice the last counts. A line that makes no sense is skipped, and one that begins a section with it all of that section.
[[nodiscard]] AwsSections parse_aws_sections(std::string_view text);

// A value. Holds secrets.
class AwsProfile {
 public:
  // Reads AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, and AWS_CONFIG_FILE or ~/.aws/config. An empty name is AWS_PROFILE's,
  // else "default". A file or profile that is not there is an empty one. Errors: what a file that is there but
  // cannot be read says, with its path; capacity (one of more than 1 MiB).
  [[nodiscard]] static Result<AwsProfile> load(const AwsEnvironment& environment,
                                               std::string_view name = {});

  const std::string& name() const noexcept { return name_; }
  bool exists() const noexcept { return exists_; }
  // Where it was looked for, for messages.
  const std::string& files() const noexcept { return files_; }

  // The setting's value, from the credentials file where both have it; nothing also if it is empty. "region", …
  [[nodiscard]] std::optional<std::string> profile_setting(std::string_view setting) const;
  // Where S3 is: what its services section says about s3, else endpoint_url.
  [[nodiscard]] std::optional<std::string> endpoint_url() const;
  // The key, all of it from one file. Errors: invalid_argument (half a key).
  [[nodiscard]] Result<std::optional<net::SigningKey>> key() const;

 private:
  std::string name_;
  std::string files_;
  bool exists_ = false;
  AwsSettings credentials_;
  AwsSettings config_;
  AwsSettings services_;
};

}  // namespace quire::remote
