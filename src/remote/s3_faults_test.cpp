// An S3 server that misbehaves: right bytes or a right error, and never a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "quire/s3.hpp"
#include "remote/s3_server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using namespace std::chrono_literals;
using source::code_of;
using source::pattern;
using testing::HasSubstr;
using testing::Not;

class S3FaultsTest : public testing::Test {
 protected:
  S3FaultsTest() { script("[]"); }

  void script(const std::string& rules) const { server().script(name_, rules); }
  S3Options options() const {
    return {.endpoint = server().endpoint(),
            .access_key = "access",
            .secret_key = "top-secret",
            .use_environment = false,
            .http = {.allow_private_network = true,
                     .stall_timeout = 1s,
                     .max_tries = 4,
                     .max_retry_time = 20s}};
  }
  S3Bucket bucket() const { return S3Bucket::open(name_, options()).value(); }
  static std::string put(const S3Bucket& bucket, const std::string& key, std::string_view bytes,
                         const S3SinkOptions& options = {}) {
    auto sink = bucket.open_sink(key, options);
    if (!sink) return code_of(sink);
    if (auto done = (*sink)->append(std::as_bytes(std::span(bytes))); !done) return code_of(done);
    return code_of((*sink)->commit());
  }
  static std::string get(const S3Bucket& bucket, const std::string& key) {
    const auto source = bucket.open_source(key);
    if (!source) return code_of(source);
    return source::outcome((*source)->read(0, (*source)->size()));
  }
  std::size_t requests(const std::string& begin) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        server().log(name_), [&](const std::string& line) { return line.starts_with(begin); }));
  }
  std::string log_text() const {
    std::string text;
    for (const std::string& line : server().log(name_)) text += line + "\n";
    return text;
  }
  static const S3FaultServer& server() {
    static const S3FaultServer server;
    return server;
  }

  const std::string name_ = "bucket-" + std::to_string(++buckets_);

 private:
  static inline int buckets_ = 0;
};

constexpr std::uint64_t kPart = 5 << 20;
const std::string kLong = pattern(11 << 20);

TEST_F(S3FaultsTest, AskingForPatienceIsObeyed) {
  ASSERT_EQ(put(bucket(), "key", "bytes"), "ok");
  script(R"([{"action": "SlowDown", "times": 2}])");
  EXPECT_EQ(get(bucket(), "key"), "bytes");
  script(R"([{"action": "SlowDown"}])");
  S3Options hasty = options();
  hasty.http.max_tries = 2;
  const auto refused = S3Bucket::open(name_, hasty).value().open_source("key");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::network);
  EXPECT_THAT(refused.error().message(), HasSubstr("503 SlowDown"));
}

// One request that is told to be slower holds back those of others to the bucket.
TEST_F(S3FaultsTest, AskingForPatienceHoldsBackTheWholeBucket) {
  const S3Bucket shared = bucket();
  ASSERT_EQ(put(shared, "key", "bytes"), "ok");
  script(R"([{"key": "slow", "action": "SlowDown", "headers": {"Retry-After": "2"}, "times": 1}])");
  auto slow = std::async(std::launch::async, [&] { return get(shared, "slow"); });
  while (requests("GET") < 1) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(100ms);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(get(shared, "key"), "bytes");
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_EQ(slow.get(), "not_found");
}

TEST_F(S3FaultsTest, TheRegionIsFoundFromWhatTheServerSays) {
  ASSERT_EQ(put(bucket(), "key", "bytes"), "ok");
  for (const char* rules :
       {R"([{"action": "wrong_region", "region": "eu-west-9", "unless_region": "eu-west-9"}])",
        R"([{"action": "PermanentRedirect", "unless_region": "eu-west-9",
             "headers": {"x-amz-bucket-region": "eu-west-9", "Location": "http://127.0.0.1:1/"}}])",
        R"([{"action": "TemporaryRedirect", "unless_region": "eu-west-9",
             "fields": {"Region": "eu-west-9"}, "headers": {"Location": "http://127.0.0.1:1/"}}])"}) {
    script(rules);
    const S3Bucket moved = bucket();
    EXPECT_EQ(moved.region(), "us-east-1");
    EXPECT_EQ(get(moved, "key"), "bytes") << rules;
    EXPECT_EQ(moved.region(), "eu-west-9");
    EXPECT_EQ(moved.stat("key").value().size, 5);
    EXPECT_EQ(put(bucket(), "new", "bytes"), "ok") << rules;
  }
}

TEST_F(S3FaultsTest, NoRedirectIsFollowed) {
  script(
      R"([{"action": "PermanentRedirect", "headers": {"Location": "http://127.0.0.1:1/other"}}])");
  const auto lost = bucket().open_source("key");
  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().message(), HasSubstr("the bucket is elsewhere"));
  // One that names a region which does not answer either is asked once.
  script(R"([{"action": "PermanentRedirect", "headers": {"x-amz-bucket-region": "eu-west-9"}}])");
  EXPECT_EQ(code_of(bucket().open_source("key")), "network");
  EXPECT_EQ(requests("GET /" + name_ + "/key 301"), 3);
}

TEST_F(S3FaultsTest, TellsRefusalsApart) {
  const std::vector<std::pair<const char*, const char*>> refusals = {
      {"AccessDenied", "permission"},
      {"RequestTimeTooSkewed", "unauthenticated"},
      {"InvalidObjectState", "unsupported"},
      {"ExpiredToken", "unauthenticated"},
      {"NoSuchBucket", "not_found"},
      {"InvalidAccessKeyId", "unauthenticated"},
      {"SignatureDoesNotMatch", "unauthenticated"}};
  for (const auto& [action, code] : refusals) {
    script(std::string(R"([{"action": ")") + action + R"("}])");
    const auto refused = bucket().open_source("key");
    ASSERT_FALSE(refused) << action;
    EXPECT_EQ(to_string(refused.error().code()), code) << action;
    EXPECT_THAT(refused.error().message(), HasSubstr(action));
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("top-secret")));
  }
  script(R"([{"action": "RequestTimeTooSkewed"}])");
  EXPECT_THAT(bucket().open_source("key").error().message(), HasSubstr("clock"));
}

TEST_F(S3FaultsTest, WhatPassesIsTriedAgain) {
  for (const char* action : {"InternalError", "RequestTimeout", "OperationAborted",
                             "ServiceUnavailable", "reset", "reset_request", "silent"}) {
    script(std::string(R"([{"action": ")") + action + R"(", "times": 1}])");
    EXPECT_EQ(put(bucket(), "key", "bytes"), "ok") << action;
    script(std::string(R"([{"action": ")") + action + R"(", "times": 1}])");
    EXPECT_EQ(get(bucket(), "key"), "bytes") << action;
  }
}

TEST_F(S3FaultsTest, APartThatFailsOnceIsSentAgain) {
  for (const char* action : {"InternalError", "SlowDown", "reset", "BadDigest", "do_then_reset"}) {
    script(std::string(R"([{"method": "PUT", "query": "partNumber=2", "times": 1, "action": ")") +
           action + R"("}])");
    EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "ok") << action;
    EXPECT_TRUE(get(bucket(), "key") == kLong) << action;
    EXPECT_EQ(server().uploads(name_), "[]");
  }
}

TEST_F(S3FaultsTest, AnUploadThatFailsLeavesNothing) {
  script(R"([{"method": "PUT", "query": "partNumber=2", "action": "AccessDenied"}])");
  EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "permission");
  EXPECT_EQ(server().uploads(name_), "[]");
  script(R"([{"method": "POST", "query": "uploads", "action": "AccessDenied"}])");
  EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "permission");
  script(R"([{"method": "POST", "query": "uploadId", "action": "EntityTooSmall"}])");
  EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "invalid_argument");
  EXPECT_EQ(server().uploads(name_), "[]");
  EXPECT_EQ(get(bucket(), "key"), "not_found");
}

// The answer to the last request is lost, and what was asked is done: the object tells that it is ours.
TEST_F(S3FaultsTest, ALostAnswerIsNoFailure) {
  script(R"([{"method": "PUT", "action": "do_then_reset", "times": 1}])");
  EXPECT_EQ(put(bucket(), "key", "bytes", {.if_exists = IfExists::fail}), "ok");
  const std::string etag = bucket().stat("key").value().etag;
  script(R"([{"method": "PUT", "action": "do_then_reset", "times": 1}])");
  EXPECT_EQ(put(bucket(), "key", "others", {.if_etag = etag}), "ok");
  script(R"([{"method": "POST", "query": "uploadId", "action": "do_then_reset", "times": 1}])");
  EXPECT_EQ(put(bucket(), "long", kLong, {.part_bytes = kPart}), "ok");
  EXPECT_TRUE(get(bucket(), "long") == kLong);
}

TEST_F(S3FaultsTest, SomeoneElsesObjectIsNotTakenForOurs) {
  ASSERT_EQ(put(bucket(), "key", "theirs"), "ok");
  script(R"([{"method": "PUT", "action": "reset_request", "times": 1}])");
  EXPECT_EQ(put(bucket(), "key", "mine", {.if_exists = IfExists::fail}), "exists");
  ASSERT_EQ(put(bucket(), "same", "bytes"), "ok");
  EXPECT_EQ(put(bucket(), "same", "bytes", {.if_exists = IfExists::fail}), "exists");
  EXPECT_EQ(get(bucket(), "key"), "theirs");
}

// A server that does not look at conditions is asked first what there is.
TEST_F(S3FaultsTest, ConditionsHoldWithServersThatDoNotKnowThem) {
  ASSERT_EQ(put(bucket(), "key", "theirs"), "ok");
  const std::string etag = bucket().stat("key").value().etag;
  script(R"([{"action": "ignore_conditions"}])");
  EXPECT_EQ(put(bucket(), "key", "mine", {.if_exists = IfExists::fail}), "exists");
  EXPECT_EQ(put(bucket(), "key", "mine", {.if_etag = "\"another\""}), "changed");
  EXPECT_EQ(put(bucket(), "none", "mine", {.if_etag = etag}), "changed");
  EXPECT_EQ(get(bucket(), "key"), "theirs");
  EXPECT_EQ(put(bucket(), "key", "mine", {.if_etag = etag}), "ok");
}

// The server reads slowly, and says nothing meanwhile: bytes that go out are life.
TEST_F(S3FaultsTest, ASlowUploadIsNotTakenForAStalledOne) {
  S3Options slow = options();
  slow.http.stall_timeout = 1500ms;
  script(R"([{"method": "PUT", "action": "slow_request", "seconds": 4}])");
  // So long that it does not fit the system's buffers.
  EXPECT_EQ(
      put(S3Bucket::open(name_, slow).value(), "key", pattern(48 << 20), {.part_bytes = 64 << 20}),
      "ok");
  EXPECT_EQ(requests("PUT"), 1);
}

TEST_F(S3FaultsTest, HeadersOfAStrangersChoiceAreRefused) {
  EXPECT_EQ(code_of(bucket().open_sink("key", {.content_type = "text/plain\r\nx-evil: 1"})),
            "invalid_argument");
  EXPECT_EQ(code_of(bucket().open_sink("key", {.if_etag = "\"a\"\r\nx-evil: 1"})),
            "invalid_argument");
  EXPECT_EQ(code_of(bucket().open_sink("key", {.headers = {{"x-amz-meta-a", "b\nc"}}})),
            "invalid_argument");
}

TEST_F(S3FaultsTest, OnlyIdleUploadsAreEnded) {
  {
    // Of a process that was killed: nobody ends it.
    script(R"([{"method": "DELETE", "action": "AccessDenied"}])");
    auto sink = bucket().open_sink("key", {.part_bytes = kPart}).value();
    ASSERT_TRUE(sink->append(std::as_bytes(std::span(kLong))));
  }
  script("[]");
  EXPECT_EQ(bucket().abort_uploads("key", 600s), std::uint64_t{0});
  server().make_uploads_older(name_, 500);
  EXPECT_EQ(bucket().abort_uploads("key", 600s), std::uint64_t{0});
  server().make_uploads_older(name_, 500);
  EXPECT_EQ(bucket().abort_uploads("key", 600s), std::uint64_t{1});
  EXPECT_EQ(server().uploads(name_), "[]");
}

TEST_F(S3FaultsTest, ARefusalInTheEndIsTold) {
  script(
      R"([{"method": "POST", "query": "uploadId", "action": "error_in_200", "error": "AccessDenied"}])");
  EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "permission");
  EXPECT_EQ(requests("POST /" + name_ + "/key?uploadId"), 1);
}

TEST_F(S3FaultsTest, AStopEndsAnUpload) {
  std::stop_source stop;
  script(R"([{"method": "PUT", "action": "silent"}])");
  auto sink = bucket().open_sink("key", {.part_bytes = kPart, .stop = stop.get_token()}).value();
  ASSERT_TRUE(sink->append(std::as_bytes(std::span(kLong))));
  stop.request_stop();
  EXPECT_EQ(code_of(sink->commit()), "cancelled");
  sink.reset();
  EXPECT_EQ(server().uploads(name_), "[]");
}

TEST_F(S3FaultsTest, WhatCannotBeConfirmedIsUnknown) {
  script(R"([{"method": "PUT", "action": "silent"}])");
  EXPECT_EQ(put(bucket(), "key", "bytes"), "outcome_unknown");
}

// 200, and an error in the body: the server found out too late.
TEST_F(S3FaultsTest, AFailureAfterSuccessIsSeen) {
  script(R"([{"method": "POST", "query": "uploadId", "action": "error_in_200", "times": 1}])");
  EXPECT_EQ(put(bucket(), "key", kLong, {.part_bytes = kPart}), "ok");
  EXPECT_TRUE(get(bucket(), "key") == kLong);
  script(R"([{"method": "POST", "query": "uploadId", "action": "error_in_200"}])");
  EXPECT_EQ(put(bucket(), "other", kLong, {.part_bytes = kPart}), "outcome_unknown");
  EXPECT_EQ(get(bucket(), "other"), "not_found");
}

TEST_F(S3FaultsTest, AnObjectThatChangesWhileItIsReadIsNoticed) {
  ASSERT_EQ(put(bucket(), "key", pattern(1 << 20)), "ok");
  const auto source = bucket().open_source("key").value();
  ASSERT_EQ(put(bucket(), "key", pattern(1 << 20) + "x"), "ok");
  EXPECT_EQ(source::outcome(source->read(500'000, 10)), "changed");
  // Also where the server does not look at conditions.
  script(R"([{"method": "GET", "action": "ignore_conditions"}])");
  EXPECT_EQ(source::outcome(source->read(500'000, 10)), "changed");
}

TEST_F(S3FaultsTest, AServerThatGivesAllForARangeIsRefused) {
  ASSERT_EQ(put(bucket(), "key", pattern(1 << 20)), "ok");
  const auto source = bucket().open_source("key").value();
  script(R"([{"method": "GET", "action": "ignore_range"}])");
  EXPECT_EQ(source::outcome(source->read(500'000, 10)), "unsupported");
}

TEST_F(S3FaultsTest, AListThatIsNoneIsAnError) {
  ASSERT_EQ(put(bucket(), "key", "bytes"), "ok");
  for (const char* action : {"truncate_xml", "garbage_xml", "deep_xml", "huge_xml", "no_token"}) {
    script(std::string(R"([{"query": "list-type", "action": ")") + action + R"("}])");
    const auto page = bucket().list();
    ASSERT_FALSE(page) << action;
    EXPECT_EQ(page.error().code(), ErrorCode::network) << action << page.error().message();
    EXPECT_THAT(page.error().message(), HasSubstr("s3://" + name_)) << action;
  }
  script(R"([{"query": "list-type", "action": "same_token"}])");
  const auto first = bucket().list();
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(code_of(bucket().list({.token = first->next})), "network");
  script(R"([{"query": "list-type", "action": "entities_xml"}])");
  if (const auto page = bucket().list()) {
    EXPECT_TRUE(page->objects.empty());
  }
}

TEST_F(S3FaultsTest, AStalledServerIsLeft) {
  ASSERT_EQ(put(bucket(), "key", pattern(200'000)), "ok");
  script(R"([{"method": "GET", "action": "stall", "at": 100, "times": 1}])");
  EXPECT_EQ(get(bucket(), "key").size(), 200'000);
  script(R"([{"action": "silent"}])");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of(bucket().stat("key", {.deadline = begin + 300ms})), "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(S3FaultsTest, WhatIsSentCanBeChecked) {
  ASSERT_EQ(put(bucket(), "key", "bytes"), "ok");
  EXPECT_THAT(
      log_text(),
      HasSubstr(
          "x-amz-content-sha256=277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"));
  EXPECT_THAT(log_text(), Not(HasSubstr("expect=")));
}

}  // namespace
}  // namespace quire::remote
