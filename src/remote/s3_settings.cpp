#include "remote/s3_settings.hpp"

#include <utility>

#include "base/try.hpp"
#include "remote/aws_environment.hpp"
#include "remote/aws_profile.hpp"

namespace quire::remote {

namespace {

constexpr std::string_view kDefaultRegion = "us-east-1";

}  // namespace

Result<S3Settings> S3Settings::of(const S3Options& options) {
  S3Settings settings{.endpoint = options.endpoint, .region = options.region};
  QUIRE_TRY(settings.credentials, Credentials::with({.access_key = options.access_key,
                                                     .secret_key = options.secret_key,
                                                     .session_token = options.session_token,
                                                     .profile = options.profile,
                                                     .anonymous = options.anonymous,
                                                     .use_environment = options.use_environment}));
  // A profile that is asked for by its name counts before the environment; the one that is there by default, after it.
  const AwsEnvironment environment =
      options.use_environment ? AwsEnvironment::of_process() : AwsEnvironment();
  AwsProfile profile;
  if (options.use_environment || !options.profile.empty()) {
    QUIRE_TRY(profile, AwsProfile::load(AwsEnvironment::of_process(), options.profile));
  }
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
  return settings;
}

}  // namespace quire::remote
