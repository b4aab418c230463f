#include "quire/s3.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>

#include "quire/remote.hpp"
#include "remote/s3_server_fixture.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;
using source::pattern;
using testing::HasSubstr;
using testing::Not;

class S3BucketTest : public testing::Test {
 protected:
  S3Options options() const {
    return {.endpoint = server_.endpoint(),
            .access_key = server_.keys().access_key,
            .secret_key = server_.keys().secret_key,
            .use_environment = false,
            .http = {.allow_private_network = true}};
  }
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
  std::string etag(const std::string& key) const { return bucket_.stat(key).value().etag; }

  S3Server& server_ = S3Server::shared();
  const std::string name_ = server_.make_bucket();
  const S3Bucket bucket_ = S3Bucket::open(name_, options()).value();
};

// What a signer, or whoever cleans paths, gets wrong.
const std::vector<std::string> kOddKeys = {
    "plain",      "with space", "a+b",   "100%",       "%2F",        "a//b",
    "/front",     "back/",      "../up", "./here",     "a/../b",     "ümläut/日本",
    "quote'\"",   "(paren)!*",  "a=b&c", "q?x=1#y",    "semi;colon", "tilde~under_score-dot.",
    "[brackets]", "a:b@c",      "{}|^`", "back\\slash"};

TEST_F(S3BucketTest, KeepsObjectsUnderOddKeys) {
  for (const std::string& key : kOddKeys) {
    EXPECT_EQ(put(bucket_, key, "bytes of " + key), "ok") << key;
  }
  for (const std::string& key : kOddKeys) {
    EXPECT_EQ(get(bucket_, key), "bytes of " + key) << key;
    EXPECT_EQ(bucket_.stat(key).value().size, key.size() + 9) << key;
  }
  const S3Page page = bucket_.list().value();
  std::vector<std::string> listed;
  for (const S3Object& object : page.objects) listed.push_back(object.key);
  std::vector<std::string> expected = kOddKeys;
  std::ranges::sort(expected);
  EXPECT_EQ(listed, expected);
  for (const std::string& key : kOddKeys) {
    EXPECT_EQ(code_of(bucket_.remove(key)), "ok") << key;
    EXPECT_EQ(get(bucket_, key), "not_found") << key;
    EXPECT_EQ(code_of(bucket_.remove(key)), "ok") << key;
  }
}

TEST_F(S3BucketTest, ListsPageByPage) {
  for (int i = 0; i < 25; ++i) ASSERT_EQ(put(bucket_, "a/" + std::to_string(100 + i), "x"), "ok");
  ASSERT_EQ(put(bucket_, "b/1", "x"), "ok");
  ASSERT_EQ(put(bucket_, "top", "xyz"), "ok");
  std::vector<std::string> keys;
  S3ListOptions what{.prefix = "a/", .max_keys = 10};
  int pages = 0;
  do {
    const S3Page page = bucket_.list(what).value();
    EXPECT_LE(page.objects.size(), 10);
    for (const S3Object& object : page.objects) keys.push_back(object.key);
    what.token = page.next;
    ++pages;
  } while (!what.token.empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(keys.size(), 25);
  EXPECT_TRUE(std::ranges::is_sorted(keys));

  const S3Page top = bucket_.list({.delimiter = "/"}).value();
  EXPECT_EQ(top.prefixes, (std::vector<std::string>{"a/", "b/"}));
  ASSERT_EQ(top.objects.size(), 1);
  EXPECT_EQ(top.objects[0].key, "top");
  EXPECT_EQ(top.objects[0].size, 3);
  EXPECT_EQ(top.objects[0].etag, etag("top"));
  const auto age = std::chrono::system_clock::now() - top.objects[0].modified;
  EXPECT_LT(std::chrono::abs(age), std::chrono::minutes(5));
}

TEST_F(S3BucketTest, WritesInPartsWhatIsLong) {
  const std::string bytes = pattern((12 << 20) + 12'345);
  EXPECT_EQ(put(bucket_, "long", bytes, {.part_bytes = 5 << 20}), "ok");
  EXPECT_TRUE(get(bucket_, "long") == bytes);
  EXPECT_THAT(etag("long"), HasSubstr("-3"));
  // A part exactly, and nothing behind it.
  EXPECT_EQ(
      put(bucket_, "exact", std::string_view(bytes).substr(0, 5 << 20), {.part_bytes = 5 << 20}),
      "ok");
  EXPECT_THAT(etag("exact"), Not(HasSubstr("-")));
}

TEST_F(S3BucketTest, ReadsOverTheEdgesOfParts) {
  const std::string bytes = pattern(11 << 20);
  ASSERT_EQ(put(bucket_, "long", bytes, {.part_bytes = 5 << 20}), "ok");
  const auto source = bucket_.open_source("long").value();
  EXPECT_EQ(source->read((5 << 20) - 3, 6).value().text(), bytes.substr((5 << 20) - 3, 6));
  EXPECT_EQ(source->read((5 << 20) - 1, 1).value().text(), bytes.substr((5 << 20) - 1, 1));
  EXPECT_EQ(source->identity().strength, IdentityStrength::strong);
}

TEST_F(S3BucketTest, ReplacesOnlyTheVersionThatIsExpected) {
  ASSERT_EQ(put(bucket_, "key", "first"), "ok");
  const std::string first = etag("key");
  EXPECT_EQ(put(bucket_, "key", "second", {.if_etag = first}), "ok");
  EXPECT_EQ(put(bucket_, "key", "third", {.if_etag = first}), "changed");
  EXPECT_EQ(get(bucket_, "key"), "second");
  const std::string bytes = pattern(6 << 20);
  EXPECT_EQ(put(bucket_, "key", bytes, {.if_etag = first, .part_bytes = 5 << 20}), "changed");
  EXPECT_EQ(put(bucket_, "key", bytes, {.if_exists = IfExists::fail, .part_bytes = 5 << 20}),
            "exists");
  EXPECT_EQ(put(bucket_, "none", "x", {.if_etag = first}), "changed");
  EXPECT_EQ(code_of(bucket_.open_sink("key", {.if_exists = IfExists::fail, .if_etag = first})),
            "invalid_argument");
}

TEST_F(S3BucketTest, ForgetsThePartsOfUploadsThatDidNotEnd) {
  {
    auto sink = bucket_.open_sink("key", {.part_bytes = 5 << 20}).value();
    ASSERT_TRUE(sink->append(std::as_bytes(std::span(pattern(11 << 20)))));
    EXPECT_EQ(bucket_.abort_uploads("key", std::chrono::hours(1)), std::uint64_t{0});
    EXPECT_EQ(bucket_.abort_uploads("ke", std::chrono::seconds(-60)), std::uint64_t{0});
    EXPECT_EQ(bucket_.abort_uploads("key", std::chrono::seconds(-60)), std::uint64_t{1});
    const auto committed = sink->commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code(), ErrorCode::not_found) << committed.error().message();
  }
  EXPECT_EQ(get(bucket_, "key"), "not_found");
}

TEST_F(S3BucketTest, SaysWhatIsWrong) {
  EXPECT_EQ(get(bucket_, "missing"), "not_found");
  EXPECT_EQ(code_of(bucket_.stat("missing")), "not_found");
  const auto no_bucket = S3Bucket::open("no-such-bucket", options()).value();
  const auto missing = no_bucket.open_source("key");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("there is no such bucket"));
  EXPECT_THAT(missing.error().message(), HasSubstr("s3://no-such-bucket/key"));

  S3Options wrong = options();
  wrong.secret_key = "another secret";
  const auto refused = S3Bucket::open(name_, wrong).value().open_source("key");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
  EXPECT_THAT(refused.error().message(), HasSubstr("SignatureDoesNotMatch"));
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("another secret")));

  wrong.access_key = "NOBODY";
  EXPECT_EQ(get(S3Bucket::open(name_, wrong).value(), "key"), "unauthenticated");
  wrong = options();
  wrong.access_key = wrong.secret_key = "";
  wrong.anonymous = true;
  EXPECT_EQ(get(S3Bucket::open(name_, wrong).value(), "key"), "permission");
  wrong.anonymous = false;
  EXPECT_EQ(get(S3Bucket::open(name_, wrong).value(), "key"), "unauthenticated");

  EXPECT_EQ(code_of(bucket_.open_source("")), "invalid_argument");
  EXPECT_EQ(code_of(bucket_.open_source(std::string(1'025, 'x'))), "invalid_argument");
  EXPECT_EQ(code_of(bucket_.open_source(std::string_view("a\0b", 3))), "invalid_argument");
  for (const char* name : {"", "a/b", "a?b", "a b", "ab"}) {
    EXPECT_EQ(code_of(S3Bucket::open(name, options())), "invalid_argument") << name;
  }
  for (const char* endpoint : {"http://", "ftp://host", "http://host/?x=1", "http://me:pw@host"}) {
    S3Options bad = options();
    bad.endpoint = endpoint;
    const auto opened = S3Bucket::open(name_, bad);
    ASSERT_FALSE(opened) << endpoint;
    EXPECT_THAT(opened.error().message(), Not(HasSubstr("pw")));
  }
  S3Options bad = options();
  bad.region = "no region";
  EXPECT_EQ(code_of(S3Bucket::open(name_, bad)), "invalid_argument");
}

TEST_F(S3BucketTest, AnEndpointThatIsNotPublicNeedsLeave) {
  S3Options strict = options();
  strict.http.allow_private_network = false;
  EXPECT_EQ(get(S3Bucket::open(name_, strict).value(), "key"), "denied_by_policy");
}

TEST_F(S3BucketTest, BucketsAreFoundInTheHostToo) {
  ASSERT_EQ(put(bucket_, "a b/c", "bytes"), "ok");
  S3Options in_host = options();
  in_host.endpoint = "http://localhost:" + std::to_string(server_.port());
  in_host.addressing = S3Addressing::virtual_host;
  const auto bucket = S3Bucket::open(name_, in_host).value();
  EXPECT_EQ(get(bucket, "a b/c"), "bytes");
  EXPECT_EQ(bucket.list().value().objects.size(), 1);
  EXPECT_EQ(code_of(S3Bucket::open("with.dots", in_host)), "invalid_argument");
}

TEST_F(S3BucketTest, WhoHasASignedUrlCanRead) {
  const std::string key = "odd key+/100%";
  ASSERT_EQ(put(bucket_, key, "bytes"), "ok");
  const std::string url = bucket_.presigned_get(key, std::chrono::minutes(5)).value();
  const auto source = open_http_source(url, {.allow_private_network = true});
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->read(0, 5).value().text(), "bytes");
  EXPECT_THAT((*source)->name(), Not(HasSubstr("Signature=")));
  EXPECT_EQ(code_of(bucket_.presigned_get(key, std::chrono::hours(24 * 8))), "invalid_argument");
  EXPECT_EQ(code_of(bucket_.presigned_get(key, std::chrono::seconds(0))), "invalid_argument");
  // Signed for reading, it does not write: the method is part of it.
  EXPECT_NE(bucket_.presigned_put(key, std::chrono::minutes(5)).value(), url);
}

TEST_F(S3BucketTest, SessionsAreSignedToo) {
  const S3Keys keys = server_.session_keys();
  S3Options session = options();
  session.access_key = keys.access_key;
  session.secret_key = keys.secret_key;
  session.session_token = keys.session_token;
  ASSERT_EQ(put(bucket_, "key", "bytes"), "ok");
  EXPECT_EQ(get(S3Bucket::open(name_, session).value(), "key"), "bytes");
  session.session_token = "";
  EXPECT_NE(get(S3Bucket::open(name_, session).value(), "key"), "bytes");
}

// The server's log is the witness.
TEST_F(S3BucketTest, OpeningIsOneRequest) {
  const std::string bytes = pattern(1 << 20);
  ASSERT_EQ(put(bucket_, "key", bytes), "ok");
  const std::string target = "/" + name_ + "/key";
  EXPECT_EQ(server_.requests(target).size(), 1);
  const auto source = bucket_.open_source("key").value();
  EXPECT_EQ(source->read(0, 100).value().text(), bytes.substr(0, 100));
  const auto opened = server_.requests(target);
  ASSERT_EQ(opened.size(), 2);
  EXPECT_EQ(opened.back(), "GET " + target + " 206");
  EXPECT_EQ(source->read(200'000, 100).value().text(), bytes.substr(200'000, 100));
  EXPECT_EQ(server_.requests(target).size(), 3);
}

TEST_F(S3BucketTest, OpenSourceKnowsThem) {
  ASSERT_EQ(put(bucket_, "a b", "bytes"), "ok");
  const auto source = open_source("S3://" + name_ + "/a b", {.s3 = options()});
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->name(), "s3://" + name_ + "/a b");
  EXPECT_EQ((*source)->read(1, 3).value().text(), "yte");
  EXPECT_EQ(code_of(open_source("s3://" + name_, {.s3 = options()})), "invalid_argument");
  EXPECT_EQ(code_of(open_source("s3:///key", {.s3 = options()})), "invalid_argument");
}

}  // namespace
}  // namespace quire::remote
