#include "remote/credentials_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace quire::remote {
namespace {

using namespace std::chrono;
using testing::HasSubstr;
using testing::Not;

TEST(CredentialsJsonTest, ReadsAKeyAndItsEnd) {
  const auto found = credentials_of_json(
      R"({"RoleArn": "x", "AccessKeyId": "A", "SecretAccessKey": "S/+", "Token": "T=",
          "Expiration": "2030-01-02T03:04:05Z"})");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key.access_key, "A");
  EXPECT_EQ(found->key.secret_key, "S/+");
  EXPECT_EQ(found->key.session_token, "T=");
  EXPECT_EQ(found->expires, sys_days(2030y / 1 / 2) + 3h + 4min + 5s);
}

TEST(CredentialsJsonTest, ReadsAKeyForEver) {
  const auto found =
      credentials_of_json(R"({"AccessKeyId": "A", "SecretAccessKey": "S", "Token": null})");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->expires, std::nullopt);
}

TEST(CredentialsJsonTest, RefusesAllElseWithoutShowingIt) {
  for (const std::string text : {
           "",
           "hidden",
           "{",
           "[]",
           "null",
           "{\"AccessKeyId\": \"hidden\"}",
           R"({"AccessKeyId": "hidden", "SecretAccessKey": ""})",
           R"({"AccessKeyId": "hidden", "SecretAccessKey": 7})",
           R"({"AccessKeyId": "", "SecretAccessKey": "hidden"})",
           R"({"AccessKeyId": "hidden", "SecretAccessKey": "hidden", "Token": 7})",
           R"({"AccessKeyId": "hidden", "SecretAccessKey": "hidden", "Expiration": "hidden"})",
           R"({"AccessKeyId": "hidden", "SecretAccessKey": "hidden", "Expiration": 7})",
           R"({"Code": "hidden words", "Message": "hidden"})",
           "{\"AccessKeyId\": \"hidden\xFF\", \"SecretAccessKey\": \"hidden\"}",
       }) {
    const auto found = credentials_of_json(text);
    ASSERT_FALSE(found) << text;
    EXPECT_THAT(found.error().message(), Not(HasSubstr("hidden")));
  }
  EXPECT_FALSE(credentials_of_json(std::string(60'000, '[')));
}

TEST(CredentialsJsonTest, TellsTheServersCode) {
  const auto found = credentials_of_json(R"({"Code": "AssumeRoleUnauthorizedAccess"})");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(found.error().message(), HasSubstr("AssumeRoleUnauthorizedAccess"));
}

TEST(CredentialsJsonTest, ReadsTimes) {
  const sys_seconds day = sys_days(2024y / 2 / 29);
  EXPECT_EQ(parse_time("2024-02-29T00:00:00Z"), day);
  EXPECT_EQ(parse_time("2024-02-29T00:00:00.123456Z"), day);
  EXPECT_EQ(parse_time("2024-02-29T02:30:00+02:30"), day);
  EXPECT_EQ(parse_time("2024-02-28T23:00:00-0100"), day);
  for (const char* text : {"", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-02-29",
                           "2024-02-29T00:00:00", "2024-02-29T24:00:00Z", "2024-02-29T00:60:00Z",
                           "2024-02-29 00:00:00Z", "2024-02-29T00:00:00Zx", "2024-13-01T00:00:00Z",
                           "-024-02-29T00:00:00Z", "1709164800", "2024-02-29T00:00:00+2"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace quire::remote
