#include "remote/aws_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "remote/credentials_fixture.hpp"

namespace quire::remote {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(AwsSectionsTest, ReadsSectionsAndSettings) {
  EXPECT_THAT(
      parse_aws_sections("[default]\nregion = eu-west-1\n\n[profile dev]\na=b\n"),
      UnorderedElementsAre(Pair("default", UnorderedElementsAre(Pair("region", "eu-west-1"))),
                           Pair("profile dev", UnorderedElementsAre(Pair("a", "b")))));
}

TEST(AwsSectionsTest, ReadsOddForms) {
  const struct {
    const char* text;
    const char* section;
    const char* value;  // of "a"
  } kForms[] = {
      {"\xEF\xBB\xBF[x]\r\na = b\r\n", "x", "b"},            // made on Windows
      {"[x]\na=b", "x", "b"},                                // no end of the last line
      {"[x]\n  a = b\n", "x", "b"},                          // indented, inside nothing
      {"  [x]\na = b\n", "x", "b"},                          //
      {"[ profile \t x ]\na = b\n", "profile x", "b"},       // many spaces
      {"[profile \"x y\"]\na = b\n", "profile x y", "b"},    // quotes
      {"[profile 'x']\na = b\n", "profile x", "b"},          //
      {"[x] # mine\nA = b\n", "x", "b"},                     // comments; capitals
      {"[x]\n# a = c\n; a = c\na = b # not c\n", "x", "b"},  //
      {"[x]\na = b;c#d\n", "x", "b;c#d"},                    // no comments
      {"[x]\na = b=c==\n", "x", "b=c=="},                    // of keys
      {"[x]\na = c\na = b\n", "x", "b"},                     // the last counts
      {"[x]\na = c\n[y]\n[x]\na = b\n", "x", "b"},           //
      {"[x]\na = c\n  a = d\na = b\n", "x", "b"},            // goes on with a value
      {"[x]\na = b\n  a = d\n", "x", "b"},                   //
      {"[x]\nnonsense\n= c\na = b\n", "x", "b"},             // no settings
      {"[x]\na = b\n[y\na = c\n", "x", "b"},                 // no section, and nobody's setting
      {"[x]\na = b\n[y] z\na = c\n", "x", "b"},              //
      {"[x]\na = b\n[]\na = c\n", "x", "b"},                 //
      {"a = c\n[x]\na = b\n", "x", "b"},                     // of no section
      {"[x]\ns3 =\n  a = c\na = b\n", "x", "b"},             // inside another
      {"[x]\na = # nothing\n", "x", ""},                     //
  };
  for (const auto& form : kForms) {
    const AwsSections sections = parse_aws_sections(form.text);
    ASSERT_TRUE(sections.contains(form.section)) << form.text;
    const AwsSettings& settings = sections.at(form.section);
    ASSERT_TRUE(settings.contains("a")) << form.text;
    EXPECT_EQ(settings.at("a"), form.value) << form.text;
  }
}

TEST(AwsSectionsTest, KeepsSettingsInsideOthersApart) {
  const auto sections = parse_aws_sections(
      "[services x]\ns3 =\n  endpoint_url = http://a/\nec2 =\n  endpoint_url = b\n");
  EXPECT_EQ(sections.at("services x").at("s3.endpoint_url"), "http://a/");
  EXPECT_FALSE(sections.at("services x").contains("endpoint_url"));
}

TEST(AwsSectionsTest, TakesAnyBytes) {
  for (const std::string& text :
       {std::string("\0[\0]\n\0=\0", 8), std::string(1000, '['), std::string("[x]\n=\n"),
        std::string("[x]\n  =\n \t\n]"), std::string("\xEF\xBB\xBF"), std::string("\n\n\r\r")}) {
    EXPECT_LE(parse_aws_sections(text).size(), 1U);
  }
}

class AwsProfileTest : public testing::Test {
 protected:
  AwsProfile load(std::string_view name = {}) const {
    auto profile = AwsProfile::load(home_.environment(), name);
    EXPECT_TRUE(profile) << profile.error().message();
    return profile.value_or(AwsProfile());
  }

  Home home_;
};

TEST_F(AwsProfileTest, JoinsBothFiles) {
  home_.put(".aws/credentials", "[dev]\naws_access_key_id = A\naws_secret_access_key = S\n");
  home_.put(".aws/config", "[profile dev]\nregion = eu-west-1\nendpoint_url = http://a\n");
  const AwsProfile dev = load("dev");
  EXPECT_TRUE(dev.exists());
  EXPECT_EQ(dev.profile_setting("region"), "eu-west-1");
  EXPECT_EQ(dev.endpoint_url(), "http://a");
  EXPECT_EQ((*dev.key())->access_key, "A");
  EXPECT_FALSE(load().exists());
}

TEST_F(AwsProfileTest, TakesAKeyWholeFromOneFile) {
  home_.put(".aws/credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = S\n");
  home_.put(".aws/config",
            "[default]\naws_access_key_id=B\naws_secret_access_key=T\naws_session_token=old\n");
  EXPECT_EQ((*load().key())->access_key, "A");
  EXPECT_EQ((*load().key())->session_token, "");
}

TEST_F(AwsProfileTest, PrefersTheDefaultThatIsCalledAProfile) {
  home_.put(".aws/config", "[profile default]\nregion = a\n[default]\nregion = b\n");
  EXPECT_EQ(load().profile_setting("region"), "a");
}

TEST_F(AwsProfileTest, FindsWhereS3Is) {
  home_.put(
      ".aws/config",
      "[default]\nendpoint_url = http://all\nservices = mine\n"
      "[services mine]\ndynamodb =\n  endpoint_url = http://d\ns3 =\n  endpoint_url = http://s3\n");
  EXPECT_EQ(load().endpoint_url(), "http://s3");
}

TEST_F(AwsProfileTest, LooksWhereTheEnvironmentSays) {
  home_.put("keys", "[x]\nregion = a\n");
  home_.put("settings", "[profile x]\nregion = b\noutput = json\n");
  home_.set("AWS_SHARED_CREDENTIALS_FILE", home_.path("keys"));
  home_.set("AWS_CONFIG_FILE", "~/settings");
  home_.set("AWS_PROFILE", "x");
  EXPECT_EQ(load().profile_setting("region"), "a");
  EXPECT_EQ(load().profile_setting("output"), "json");
  EXPECT_FALSE(load("y").exists());
}

TEST_F(AwsProfileTest, NamesAFileThatCannotBeRead) {
  std::filesystem::create_directory(home_.path(".aws/config"));
  const auto folder = AwsProfile::load(home_.environment());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().path(), home_.path(".aws/config"));

  home_.put("large", std::string((1U << 20U) + 1, '#'));
  home_.set("AWS_CONFIG_FILE", home_.path("large"));
  const auto large = AwsProfile::load(home_.environment());
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), ErrorCode::capacity);
  EXPECT_EQ(large.error().path(), home_.path("large"));
}

TEST_F(AwsProfileTest, SaysWhenAFileIsForbidden) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read all";
  home_.put(".aws/credentials", "[default]\naws_secret_access_key = hidden\n");
  std::filesystem::permissions(home_.path(".aws/credentials"), std::filesystem::perms::none);
  EXPECT_EQ(outcome(home_.key()), "permission");
  EXPECT_THAT(home_.failure(), HasSubstr(home_.path(".aws/credentials")));
}

TEST_F(AwsProfileTest, IsEmptyWithoutFiles) {
  EXPECT_FALSE(load().exists());
  EXPECT_EQ(load().profile_setting("region"), std::nullopt);
  home_.unset("HOME");
  EXPECT_EQ(load().files(), "");
}

}  // namespace
}  // namespace quire::remote
