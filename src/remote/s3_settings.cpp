#include "remote/s3_settings.hpp"

#include <utility>

#include "base/try.hpp"
#include "remote/aws_environment.hpp"
#include "remote/aws_profile.hpp"

namespace quire::remote {

namespace {

constexpr std::string_view kDefaultRegion = "us-east-1";

// Another user's home may not be read, as a service's often is: it says nothing then, unless someone asked for it.
Result<AwsProfile> profile_of(const S3Options& options, const AwsEnvironment& process) {
  if (!options.use_environment && options.profile.empty()) return AwsProfile();
  auto profile = AwsProfile::load(process, options.profile);
  const bool is_asked_for = !options.profile.empty() || process.find("AWS_PROFILE") ||
                            process.find("AWS_CONFIG_FILE") ||
                            process.find("AWS_SHARED_CREDENTIALS_FILE");
  if (!profile && !is_asked_for && profile.error().code() == ErrorCode::permission) {
    return AwsProfile();
  }
  return profile;
}

}  // namespace

Result<S3Settings> S3Settings::of(const S3Options& options) {
  QUIRE_TRY(S3Settings settings, of(options, AwsEnvironment::of_process()));
  QUIRE_TRY(settings.credentials, Credentials::with({.access_key = options.access_key,
                                                     .secret_key = options.secret_key,
                                                     .session_token = options.session_token,
                                                     .profile = options.profile,
                                                     .anonymous = options.anonymous,
                                                     .use_environment = options.use_environment}));
  return settings;
}

// A profile that is asked for by its name counts before the environment; the one that is there by default, after it.
Result<S3Settings> S3Settings::of(const S3Options& options, const AwsEnvironment& process) {
  S3Settings settings{
      .endpoint = options.endpoint, .region = options.region, .ca_file = options.http.ca_file};
  const AwsEnvironment environment = options.use_environment ? process : AwsEnvironment();
  QUIRE_TRY(const AwsProfile profile, profile_of(options, process));
  const auto look = [&](std::string& setting, std::optional<std::string> in_profile,
                        std::initializer_list<const char*> variables) {
    if (!setting.empty()) return;
    if (!options.profile.empty() && in_profile) setting = *in_profile;
    for (const char* variable : variables) {
      if (setting.empty()) setting = environment.find(variable).value_or("");
    }
    if (setting.empty()) setting = in_profile.value_or("");
  };
  look(settings.endpoint, profile.endpoint_url(), {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  look(settings.region, profile.profile_setting("region"), {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (settings.region.empty()) settings.region = kDefaultRegion;
  if (settings.ca_file.empty()) settings.ca_file = environment.find("AWS_CA_BUNDLE").value_or("");
  return settings;
}

}  // namespace quire::remote
