#include "remote/credentials_places.hpp"

#include <optional>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "remote/aws_profile.hpp"
#include "remote/metadata_credentials.hpp"

namespace quire::remote {

namespace {

using Found = CredentialsProvider::Found;

std::unexpected<Error> refuse(ErrorCode code, std::string why) {
  return std::unexpected(Error(code, "authenticate").with_detail(std::move(why)));
}

class GivenKey final : public CredentialsProvider {
 public:
  explicit GivenKey(net::SigningKey key) : key_(std::move(key)) {}
  std::string name() const override { return "the options"; }
  Result<Found> get(const ReadOptions& /*options*/) override {
    return Found{.credentials = S3Credentials{.key = key_}};
  }

 private:
  const net::SigningKey key_;
};

class KeyOfEnvironment final : public CredentialsProvider {
 public:
  explicit KeyOfEnvironment(const AwsEnvironment& environment) : environment_(environment) {}
  std::string name() const override { return "the environment"; }
  Result<Found> get(const ReadOptions& /*options*/) override {
    const auto access_key = environment_.find("AWS_ACCESS_KEY_ID");
    const auto secret_key = environment_.find("AWS_SECRET_ACCESS_KEY");
    if (access_key && secret_key) {
      return Found{
          .credentials = S3Credentials{
              .key = {.access_key = *access_key,
                      .secret_key = *secret_key,
                      .session_token = environment_.find("AWS_SESSION_TOKEN").value_or("")}}};
    }
    if (access_key || secret_key) {
      return refuse(ErrorCode::invalid_argument,
                    "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set");
    }
    // Whoever is meant to be this role must not become the machine's.
    if (environment_.find("AWS_WEB_IDENTITY_TOKEN_FILE")) {
      return refuse(ErrorCode::unsupported,
                    "AWS_WEB_IDENTITY_TOKEN_FILE asks for a web identity, which is not supported");
    }
    return Found{.lack = "AWS_ACCESS_KEY_ID is not set"};
  }

 private:
  const AwsEnvironment environment_;
};

class KeyOfProfile final : public CredentialsProvider {
 public:
  // An empty name: the environment's, or the default.
  KeyOfProfile(const AwsEnvironment& environment, std::string name)
      : environment_(environment),
        name_(std::move(name)),
        is_named_(!name_.empty() || environment.find("AWS_PROFILE")) {}
  std::string name() const override { return "the shared files"; }
  Result<Found> get(const ReadOptions& /*options*/) override {
    QUIRE_TRY(const AwsProfile profile, AwsProfile::load(environment_, name_));
    if (profile.files().empty()) return Found{.lack = "HOME is not set"};
    const std::string place = "profile " + profile.name() + " in " + profile.files();
    if (!profile.exists()) {
      const std::string lack = "there is no " + place;
      if (is_named_) return refuse(ErrorCode::unauthenticated, lack);
      return Found{.lack = lack};
    }
    // The role is what is wanted, also where there is a key, with which to ask for it.
    if (profile.profile_setting("role_arn")) return refuse_setting(place, "role_arn");
    QUIRE_TRY(auto key, profile.key());
    if (key) return Found{.credentials = S3Credentials{.key = *std::move(key)}};
    for (const char* setting : {"credential_process", "sso_session", "sso_start_url",
                                "sso_account_id", "web_identity_token_file", "login_session"}) {
      if (profile.profile_setting(setting)) return refuse_setting(place, setting);
    }
    return Found{.lack = place + " has no aws_access_key_id"};
  }

 private:
  static std::unexpected<Error> refuse_setting(const std::string& place, const char* setting) {
    return refuse(ErrorCode::unsupported, place + " has " + setting + ", which is not supported");
  }

  const AwsEnvironment environment_;
  const std::string name_;
  const bool is_named_;
};

}  // namespace

Result<std::vector<std::unique_ptr<CredentialsProvider>>> credentials_places(
    const CredentialsOptions& options, const AwsEnvironment& environment) {
  const bool has_part =
      !options.access_key.empty() || !options.secret_key.empty() || !options.session_token.empty();
  if (has_part && (options.access_key.empty() || options.secret_key.empty())) {
    return refuse(ErrorCode::invalid_argument, "the access key and its secret go together");
  }
  if (has_part && options.anonymous) {
    return refuse(ErrorCode::invalid_argument, "a key is given to who shall be anonymous");
  }
  std::vector<std::unique_ptr<CredentialsProvider>> places;
  if (has_part || options.anonymous) {
    places.push_back(
        std::make_unique<GivenKey>(net::SigningKey{.access_key = options.access_key,
                                                   .secret_key = options.secret_key,
                                                   .session_token = options.session_token}));
  } else if (!options.profile.empty()) {
    places.push_back(std::make_unique<KeyOfProfile>(environment, options.profile));
  } else if (options.use_environment) {
    places.push_back(std::make_unique<KeyOfEnvironment>(environment));
    places.push_back(std::make_unique<KeyOfProfile>(environment, ""));
    places.push_back(std::make_unique<ContainerCredentials>(environment));
    places.push_back(std::make_unique<InstanceCredentials>(environment));
  }
  return places;
}

}  // namespace quire::remote
