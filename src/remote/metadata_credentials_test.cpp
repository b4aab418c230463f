#include "remote/metadata_credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "remote/credentials_fixture.hpp"
#include "remote/text_fetch.hpp"

namespace quire::remote {
namespace {

using namespace std::chrono_literals;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// One server for all tests: it takes longer to start than they do.
class MetadataTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (shared_ == nullptr) shared_ = std::make_unique<MetadataServer>();
  }
  MetadataTest() { server_.forget(); }

  const MetadataServer& server_ = *shared_;
  Home home_;

 private:
  static inline std::unique_ptr<MetadataServer> shared_;
};

class InstanceCredentialsTest : public MetadataTest {
 protected:
  InstanceCredentialsTest() {
    home_.unset("AWS_EC2_METADATA_DISABLED");
    home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url("/"));
  }
};

TEST_F(InstanceCredentialsTest, AreFoundWithAToken) {
  const auto key = home_.key();
  EXPECT_EQ(outcome(key), "AKIAMETADATA1");
  EXPECT_EQ(key->secret_key, "hidden-secret-1");
  EXPECT_EQ(key->session_token, "hidden-token-1");
  EXPECT_EQ(server_.log(),
            "PUT /latest/api/token\n"
            "GET /latest/meta-data/iam/security-credentials/\n"
            "GET /latest/meta-data/iam/security-credentials/reader\n");
}

TEST_F(InstanceCredentialsTest, EndWhenTheServerSays) {
  server_.put("lifetime", "90");
  const auto found = InstanceCredentials(home_.environment()).get({});
  ASSERT_TRUE(found && found->credentials);
  const auto left = *found->credentials->expires - std::chrono::system_clock::now();
  EXPECT_GT(left, 60s);
  EXPECT_LE(left, 90s);
  server_.put("lifetime", "-5");
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
  EXPECT_THAT(home_.failure(), HasSubstr("run out"));
}

TEST_F(InstanceCredentialsTest, AreNeverAskedForWithoutAToken) {
  for (const char* status : {"403", "404", "405"}) {
    server_.put("token", status);
    EXPECT_EQ(outcome(home_.key()), "unauthenticated") << status;
    EXPECT_THAT(home_.failure(),
                HasSubstr(std::string("no token of version 2: it says ") + status));
  }
  EXPECT_THAT(server_.log(), Not(HasSubstr("GET")));
}

TEST_F(InstanceCredentialsTest, AreNoneWhereThereIsNoRole) {
  server_.put("roles", "404");
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
  EXPECT_THAT(home_.failure(), HasSubstr("no role"));
}

TEST_F(InstanceCredentialsTest, AreNoneWhereNobodyAnswers) {
  server_.put("token", "stall");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(home_.failure(), HasSubstr("does not answer"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);  // two tries of a second

  home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/");  // nobody listens there
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
  EXPECT_THAT(home_.failure(), HasSubstr("does not answer"));
}

TEST_F(InstanceCredentialsTest, EndWithTheCallersTime) {
  server_.put("token", "stall");
  auto places = credentials_places({}, home_.environment());
  Credentials credentials(*std::move(places));
  EXPECT_EQ(outcome(credentials.key({.deadline = std::chrono::steady_clock::now() + 100ms})),
            "timeout");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(outcome(credentials.key({.stop = stop.get_token()})), "cancelled");
  server_.remove("token");
  EXPECT_EQ(outcome(credentials.key({})), "AKIAMETADATA1");
}

TEST_F(InstanceCredentialsTest, AreAnErrorWhereTheAnswerIsStrange) {
  const struct {
    const char* request;
    const char* answer;
    const char* outcome;
  } kAnswers[] = {
      {"token", "401", "unauthenticated"},
      {"token", "400", "network"},
      {"token", "redirect", "network"},
      {"token", "a\rb", "network"},
      {"roles", "401", "unauthenticated"},
      {"roles", "redirect", "network"},
      {"roles", "../../x", "network"},
      {"roles", "<html>", "network"},
      {"role", "401", "unauthenticated"},
      {"role", "404", "not_found"},
      {"role", "redirect", "network"},
      {"role", "broken", "network"},
      {"role", "hidden words", "network"},
      {"role", R"({"Code": "Failed"})", "unauthenticated"},
      {"role", R"({"AccessKeyId": "A\r\nX: y", "SecretAccessKey": "hidden"})", "invalid_argument"},
  };
  for (const auto& [request, answer, expected] : kAnswers) {
    server_.put(request, answer);
    EXPECT_EQ(outcome(home_.key()), expected) << request << ": " << answer;
    server_.remove(request);
  }
  EXPECT_THAT(server_.log(), Not(HasSubstr("/good")));
}

TEST_F(InstanceCredentialsTest, AreAnErrorWhereTheAnswerIsHuge) {
  server_.put("role", "[\"" + std::string(70'000, 'x') + "\"]");
  EXPECT_EQ(outcome(home_.key()), "network");
  EXPECT_THAT(home_.failure(), HasSubstr("more than 65536 bytes"));
}

TEST_F(InstanceCredentialsTest, AreAskedForAgainWhereItPasses) {
  server_.put("role", "503");
  EXPECT_EQ(outcome(home_.key()), "network");
  EXPECT_THAT(home_.failure(), HasSubstr("given up after try 3"));
}

TEST_F(InstanceCredentialsTest, AreNoStrangersToGive) {
  for (const char* url : {"http://example.com/", "http://10.0.0.1/", "https://169.254.169.254/",
                          "http://169.254.169.254.example.com/", "http://127.0.0.1.example.com/",
                          "http://127.0.0.1@example.com/", "http://169.254.170.2/", "http://[::2]/",
                          "http://[::ffff:127.0.0.1]/", "http://192.168.0.1/", "http://0.0.0.0/"}) {
    home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    EXPECT_EQ(outcome(home_.key()), "denied_by_policy") << url;
  }
  for (const char* text : {"ftp://127.0.0.1/", "127.0.0.1", "http://", "hidden"}) {
    home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", text);
    EXPECT_EQ(outcome(home_.key()), "invalid_argument") << text;
  }
  home_.set("AWS_EC2_METADATA_DISABLED", "TRUE");
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
}

TEST_F(InstanceCredentialsTest, MayBeAtAName) {
  home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url("", "localhost"));
  EXPECT_EQ(outcome(home_.key()), "AKIAMETADATA1");
  // Looks like an address of this machine, and is none.
  home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1.5/");
  EXPECT_THAT(outcome(home_.key()),
              AnyOf("unauthenticated", "denied_by_policy", "invalid_argument"));
}

class ContainerCredentialsTest : public MetadataTest {
 protected:
  ContainerCredentialsTest() {
    home_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.url("/container"));
  }
};

TEST_F(ContainerCredentialsTest, AreFound) {
  EXPECT_EQ(outcome(home_.key()), "AKIAMETADATA1");
  EXPECT_EQ(server_.log(), "GET /container\n");
}

TEST_F(ContainerCredentialsTest, AreFoundWithAToken) {
  server_.put("authorization", "Basic hidden");
  EXPECT_EQ(outcome(home_.key()), "unauthenticated");
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic hidden");
  EXPECT_EQ(outcome(home_.key()), "AKIAMETADATA1");
}

TEST_F(ContainerCredentialsTest, AreFoundWithATokenOfAFileThatChanges) {
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one");
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", home_.path("token"));
  EXPECT_EQ(outcome(home_.key()), "not_found");
  home_.put("token", "hidden-1\n");
  server_.put("authorization", "hidden-1");
  ContainerCredentials place(home_.environment());
  EXPECT_TRUE(place.get({}));
  home_.put("token", "hidden-2");
  server_.put("authorization", "hidden-2");
  EXPECT_TRUE(place.get({}));
}

TEST_F(ContainerCredentialsTest, NeedATokenThatIsOne) {
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden\r\nX: y");
  EXPECT_EQ(outcome(home_.key()), "invalid_argument");
  home_.put("token", "hidden\nX: y\n");
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", home_.path("token"));
  EXPECT_EQ(outcome(home_.key()), "invalid_argument");
  EXPECT_EQ(server_.log(), "");
}

TEST_F(ContainerCredentialsTest, FailWhereTheContainerDoes) {
  home_.unset("AWS_EC2_METADATA_DISABLED");
  home_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url("/"));
  for (const auto& [answer, expected] :
       Variables{{"404", "not_found"}, {"redirect", "network"}, {"broken", "network"}}) {
    server_.put("container", answer);
    EXPECT_EQ(outcome(home_.key()), expected) << answer;
  }
  EXPECT_THAT(server_.log(), Not(HasSubstr("/latest")));
  EXPECT_THAT(server_.log(), Not(HasSubstr("/good")));
}

TEST_F(ContainerCredentialsTest, AreNoStrangersToGive) {
  home_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden");
  for (const char* url : {"http://example.com/", "https://example.com/", "http://10.0.0.1/",
                          "http://169.254.169.254/", "http://169.254.170.2.example.com/",
                          "http://hidden:hidden@example.com/?a=hidden", "http://[fd00:ec2::254]/",
                          "http://localhost.example.com/"}) {
    home_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    EXPECT_EQ(outcome(home_.key()), "denied_by_policy") << url;
  }
  for (const char* path : {"@example.com/", ":80@example.com/", "x", "http://example.com/"}) {
    home_.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path);
    EXPECT_EQ(outcome(home_.key()), "invalid_argument") << path;
  }
}

// --- The client that reaches them

class OnlyAddressesTest : public MetadataTest {
 protected:
  std::string outcome(const std::string& url, net::HttpClientOptions options) {
    const auto client = net::HttpClient::with(options);
    const auto place = std::make_shared<HttpPlace>(*net::Url::parse(url), net::HttpHeaders());
    const auto answer = fetch_text(**client, place, {.max_tries = 1}, {}, {});
    return answer ? "got it" : std::string(to_string(answer.error().code()));
  }
};

TEST_F(OnlyAddressesTest, AreReachedWhateverTheyAre) {
  EXPECT_EQ(outcome(server_.url("/good"), {.only_addresses = {"127.0.0.1"}}), "got it");
  EXPECT_EQ(outcome(server_.url("/good"), {}), "denied_by_policy");
}

TEST_F(OnlyAddressesTest, AreTheOnlyOnes) {
  EXPECT_EQ(outcome(server_.url("/good"), {.only_addresses = {"127.0.0.2", "::1"}}),
            "denied_by_policy");
  EXPECT_EQ(outcome(server_.url("/good"),
                    {.allow_private_network = true, .only_addresses = {"127.0.0.2"}}),
            "denied_by_policy");
  EXPECT_EQ(
      outcome("http://name:80/", {.resolve = {"name:80:1.2.3.4"}, .only_addresses = {"127.0.0.1"}}),
      "denied_by_policy");
}

TEST_F(OnlyAddressesTest, AreReachedWithoutAProxy) {
  EXPECT_EQ(outcome(server_.url("/good"), {.proxy = net::ProxyChoice::always("http://127.0.0.1:1"),
                                           .only_addresses = {"127.0.0.1"}}),
            "got it");
}

}  // namespace
}  // namespace quire::remote
