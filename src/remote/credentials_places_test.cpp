#include "remote/credentials_places.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <concepts>
#include <ostream>

#include "remote/credentials_fixture.hpp"

namespace quire::remote {
namespace {

using testing::AllOf;
using testing::HasSubstr;

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<net::SigningKey> && !Printable<S3Credentials> &&
              !Printable<CredentialsOptions>);

constexpr const char* kDefaultKey =
    "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = hidden\n"
    "[dev]\naws_access_key_id = DEV\naws_secret_access_key = hidden\naws_session_token = token\n";

class CredentialsPlacesTest : public testing::Test {
 protected:
  void set_key(const std::string& access_key) {
    home_.set("AWS_ACCESS_KEY_ID", access_key);
    home_.set("AWS_SECRET_ACCESS_KEY", "hidden");
  }

  Home home_;
};

TEST_F(CredentialsPlacesTest, TheOptionsComeFirst) {
  set_key("ENVIRONMENT");
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key({.access_key = "GIVEN", .secret_key = "hidden"})), "GIVEN");
  EXPECT_EQ(home_.key({.anonymous = true})->access_key, "");
  EXPECT_EQ(outcome(home_.key({.profile = "dev"})), "DEV");
  EXPECT_EQ(home_.key({.profile = "dev"})->session_token, "token");
}

TEST_F(CredentialsPlacesTest, TheEnvironmentComesBeforeTheFiles) {
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key()), "DEFAULT");
  home_.set("AWS_PROFILE", "dev");
  EXPECT_EQ(outcome(home_.key()), "DEV");
  set_key("ENVIRONMENT");
  home_.set("AWS_SESSION_TOKEN", "session");
  EXPECT_EQ(outcome(home_.key()), "ENVIRONMENT");
  EXPECT_EQ(home_.key()->session_token, "session");
}

TEST_F(CredentialsPlacesTest, TheFilesComeBeforeTheContainer) {
  home_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/");
  EXPECT_EQ(outcome(home_.key()), "denied_by_policy");
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key()), "DEFAULT");
}

TEST_F(CredentialsPlacesTest, AProfileThatIsAskedForIsTheOnlyPlace) {
  set_key("ENVIRONMENT");
  home_.put(".aws/credentials", kDefaultKey);
  home_.put(".aws/config", "[profile empty]\nregion = a\n");
  EXPECT_EQ(outcome(home_.key({.profile = "empty"})), "unauthenticated");
  EXPECT_THAT(home_.failure({.profile = "other"}),
              AllOf(HasSubstr("unauthenticated"), HasSubstr("there is no profile other in "),
                    HasSubstr(home_.path(".aws/credentials"))));
}

TEST_F(CredentialsPlacesTest, AProfileOfTheEnvironmentMustExist) {
  home_.set("AWS_PROFILE", "missing");
  EXPECT_THAT(home_.failure(), HasSubstr("there is no profile missing"));
}

TEST_F(CredentialsPlacesTest, SaysWhereItLookedAndWhatWasLacking) {
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
  EXPECT_THAT(home_.failure(),
              AllOf(HasSubstr("the environment: AWS_ACCESS_KEY_ID is not set"),
                    HasSubstr("the shared files: there is no profile default in " +
                              home_.path(".aws/credentials") + " and "),
                    HasSubstr("the container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"),
                    HasSubstr("the instance metadata: AWS_EC2_METADATA_DISABLED is set")));
}

TEST_F(CredentialsPlacesTest, WithoutTheEnvironmentOnlyTheOptionsCount) {
  set_key("ENVIRONMENT");
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key({.use_environment = false})), "unauthenticated");
  EXPECT_EQ(outcome(home_.key({.profile = "dev", .use_environment = false})), "DEV");
}

TEST_F(CredentialsPlacesTest, RefusesHalfAKey) {
  EXPECT_EQ(outcome(home_.key({.access_key = "A"})), "invalid_argument");
  EXPECT_EQ(outcome(home_.key({.secret_key = "hidden"})), "invalid_argument");
  EXPECT_EQ(outcome(home_.key({.session_token = "hidden"})), "invalid_argument");
  EXPECT_EQ(outcome(home_.key({.access_key = "A", .secret_key = "hidden", .anonymous = true})),
            "invalid_argument");
  home_.put(".aws/credentials", "[default]\naws_secret_access_key = hidden\n");
  EXPECT_EQ(outcome(home_.key()), "invalid_argument");
  EXPECT_THAT(home_.failure(), HasSubstr("aws_access_key_id"));
  home_.set("AWS_SECRET_ACCESS_KEY", "hidden");
  EXPECT_EQ(outcome(home_.key()), "invalid_argument");
  EXPECT_THAT(home_.failure(), HasSubstr("AWS_ACCESS_KEY_ID"));
}

TEST_F(CredentialsPlacesTest, RefusesAKeyThatWouldBeginAHeader) {
  EXPECT_EQ(outcome(home_.key({.access_key = "A\r\nX: hidden", .secret_key = "hidden"})),
            "invalid_argument");
  EXPECT_EQ(outcome(home_.key(
                {.access_key = "A", .secret_key = "hidden", .session_token = "hidden\nX: y"})),
            "invalid_argument");
}

TEST_F(CredentialsPlacesTest, NamesTheSettingThatIsNotSupported) {
  for (const std::string setting : {"role_arn", "credential_process", "sso_session",
                                    "sso_start_url", "web_identity_token_file"}) {
    home_.put(".aws/config", "[default]\n" + setting + " = hidden\n");
    EXPECT_EQ(outcome(home_.key()), "unsupported");
    EXPECT_THAT(home_.failure(), HasSubstr(setting));
  }
  // A role beside a key: the key is there to ask for it.
  home_.put(".aws/config", "[default]\nrole_arn = hidden\nsource_profile = default\n");
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key()), "unsupported");
  home_.put(".aws/config", "[default]\nsso_session = hidden\n");
  EXPECT_EQ(outcome(home_.key()), "DEFAULT");
}

TEST_F(CredentialsPlacesTest, WhoShallHaveAWebIdentityBecomesNobodyElse) {
  home_.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/hidden");
  EXPECT_EQ(outcome(home_.key()), "unsupported");
  set_key("ENVIRONMENT");
  EXPECT_EQ(outcome(home_.key()), "ENVIRONMENT");
}

// Sets a variable of this process, and puts it back.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value, 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST_F(CredentialsPlacesTest, ReadsTheEnvironmentOnce) {
  std::shared_ptr<Credentials> credentials;
  {
    const Variable access_key("AWS_ACCESS_KEY_ID", "PROCESS");
    const Variable secret_key("AWS_SECRET_ACCESS_KEY", "hidden");
    credentials = *Credentials::with({});
  }
  EXPECT_EQ(outcome(credentials->key({})), "PROCESS");
}

TEST_F(CredentialsPlacesTest, AnEmptyVariableIsNone) {
  home_.set("AWS_ACCESS_KEY_ID", "");
  home_.set("AWS_PROFILE", "");
  home_.put(".aws/credentials", kDefaultKey);
  EXPECT_EQ(outcome(home_.key()), "DEFAULT");
}

}  // namespace
}  // namespace quire::remote
