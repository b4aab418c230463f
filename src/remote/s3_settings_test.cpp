// Where requests go, and what says so.
#include "remote/s3_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "remote/s3_connection.hpp"
#include "remote/s3_server_fixture.hpp"
#include "remote/text_fetch.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;

using Variables = std::map<std::string, std::string, std::less<>>;

// "endpoint region"
std::string settings(const S3Options& options, const Variables& variables) {
  const auto found = S3Settings::of(options, AwsEnvironment(variables));
  return found ? found->endpoint + " " + found->region : code_of(found);
}

TEST(S3SettingsTest, OptionsCountBeforeTheEnvironmentAndThatBeforeTheProfile) {
  const ServerFolder folder;
  const std::string config = folder.root() / "config";
  std::ofstream(config) << "[default]\nregion = of-default\nendpoint_url = http://default\n"
                        << "[profile mine]\nregion = of-mine\nendpoint_url = http://mine\n";
  const Variables files{{"AWS_CONFIG_FILE", config}, {"AWS_SHARED_CREDENTIALS_FILE", "/nowhere"}};
  const auto with = [&](Variables more) {
    more.insert(files.begin(), files.end());
    return more;
  };
  EXPECT_EQ(settings({}, {}), " us-east-1");
  EXPECT_EQ(settings({}, files), "http://default of-default");
  EXPECT_EQ(settings({}, with({{"AWS_PROFILE", "mine"}})), "http://mine of-mine");
  EXPECT_EQ(settings({}, with({{"AWS_DEFAULT_REGION", "second"}})), "http://default second");
  EXPECT_EQ(settings({}, with({{"AWS_DEFAULT_REGION", "second"}, {"AWS_REGION", "first"}})),
            "http://default first");
  EXPECT_EQ(settings({}, with({{"AWS_ENDPOINT_URL", "http://all"}})), "http://all of-default");
  EXPECT_EQ(settings({}, with({{"AWS_ENDPOINT_URL", "http://all"},
                               {"AWS_ENDPOINT_URL_S3", "http://s3"}})),
            "http://s3 of-default");
  EXPECT_EQ(settings({.profile = "mine"}, with({{"AWS_REGION", "first"}})), "http://mine of-mine");
  EXPECT_EQ(settings({.endpoint = "http://given", .region = "given"},
                     with({{"AWS_REGION", "first"}, {"AWS_ENDPOINT_URL", "http://all"}})),
            "http://given given");
  EXPECT_EQ(settings({.use_environment = false}, with({{"AWS_REGION", "first"}})), " us-east-1");
  EXPECT_EQ(S3Settings::of({}, AwsEnvironment(Variables{{"AWS_CA_BUNDLE", "/ca.pem"}}))->ca_file,
            "/ca.pem");
  EXPECT_EQ(S3Settings::of({.http = {.ca_file = "/given.pem"}},
                           AwsEnvironment(Variables{{"AWS_CA_BUNDLE", "/ca.pem"}}))
                ->ca_file,
            "/given.pem");
}

std::string url(const std::string& bucket, S3Options options, const std::string& region = "") {
  options.anonymous = true;
  options.use_environment = false;
  const auto connection = S3Connection::open(bucket, options);
  if (!connection) return code_of(connection);
  if (!region.empty()) (void)(*connection)->move_to(region);
  return (*connection)->url_of("a b/c", "").value().text();
}

TEST(S3ConnectionTest, KnowsWhereAmazonsBucketsAre) {
  EXPECT_EQ(url("bucket", {}), "https://bucket.s3.us-east-1.amazonaws.com/a%20b/c");
  EXPECT_EQ(url("bucket", {.region = "eu-west-1"}),
            "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c");
  EXPECT_EQ(url("bucket", {.region = "cn-north-1"}),
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b/c");
  EXPECT_EQ(url("with.dots", {}), "https://s3.us-east-1.amazonaws.com/with.dots/a%20b/c");
  EXPECT_EQ(url("Capitals_", {}), "https://s3.us-east-1.amazonaws.com/Capitals_/a%20b/c");
  EXPECT_EQ(url("bucket", {.addressing = S3Addressing::path}),
            "https://s3.us-east-1.amazonaws.com/bucket/a%20b/c");
  EXPECT_EQ(url("with.dots", {.addressing = S3Addressing::virtual_host}), "invalid_argument");
  // The host goes with the region that the server names; what is no region makes no host.
  EXPECT_EQ(url("bucket", {}, "eu-west-1"), "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c");
  for (const char* region : {"evil.example/", "a.b", "@evil", "", "EU", "x y"}) {
    EXPECT_EQ(url("bucket", {}, region), "https://bucket.s3.us-east-1.amazonaws.com/a%20b/c")
        << region;
  }
}

TEST(S3ConnectionTest, KnowsOtherServers) {
  EXPECT_EQ(url("bucket", {.endpoint = "http://host:9000"}), "http://host:9000/bucket/a%20b/c");
  EXPECT_EQ(url("bucket", {.endpoint = "https://host/prefix/"}),
            "https://host/prefix/bucket/a%20b/c");
  EXPECT_EQ(url("bucket", {.endpoint = "https://host", .addressing = S3Addressing::virtual_host}),
            "https://bucket.host/a%20b/c");
  EXPECT_EQ(url("bucket", {.endpoint = "http://host"}, "eu-west-1"), "http://host/bucket/a%20b/c");
}

// A place that is elsewhere by now, and where nothing is: asked once, and not for ever.
class MovedPlace final : public HttpPlace {
 public:
  MovedPlace(const net::Url& given, net::Url now) : HttpPlace(given, {}), now_(std::move(now)) {}
  net::Url now() const override { return now_; }
  bool follows_redirects() const noexcept override { return false; }

 private:
  const net::Url now_;
};

TEST(S3ConnectionTest, WhatIsNotThereAfterAMoveIsAskedForOnce) {
  const FaultServer server;
  server.put("log", "");
  const auto place = std::make_shared<MovedPlace>(
      *net::Url::parse(server.url("before")), *net::Url::parse(server.url("missing", "key=moved")));
  const auto client = net::HttpClient::with({.allow_private_network = true});
  const auto answer =
      fetch_text(**client, place, {}, {},
                 {.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5)});
  EXPECT_EQ(code_of(answer), "not_found");
}

TEST(S3ConnectionTest, SpeaksTlsWithTheAuthoritiesThatAreGiven) {
  const Nginx certificates;  // only for its certificate
  const std::string folder = certificates.folder().path();
  S3Server server({"--bucket", "secure", "--tls", certificates.certificate(), folder + "/key.pem"});
  S3Options options{.endpoint = server.tls_endpoint(),
                    .access_key = server.keys().access_key,
                    .secret_key = server.keys().secret_key,
                    .use_environment = false,
                    .http = {.allow_private_network = true, .max_tries = 1}};
  const auto put = [&] {
    const auto sink = S3Bucket::open("secure", options).value().open_sink("key").value();
    return code_of(sink->commit());
  };
  EXPECT_NE(put(), "ok");
  options.http.ca_file = certificates.certificate();
  EXPECT_EQ(put(), "ok");
}

}  // namespace
}  // namespace quire::remote
