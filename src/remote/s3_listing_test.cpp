#include "remote/s3_listing.hpp"

#include <gtest/gtest.h>

#include "remote/s3_error.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::remote {
namespace {

using source::code_of;

TEST(S3ListingTest, ReadsAPage) {
  const auto page = parse_object_list(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>"
      "<EncodingType>url</EncodingType>"
      "<Contents><Key>a+b%2Bc%2F</Key><Size>12</Size><ETag>&quot;1f&quot;</ETag>"
      "<LastModified>2009-10-12T17:50:30.000Z</LastModified></Contents>"
      "<CommonPrefixes><Prefix>%C3%BC/</Prefix></CommonPrefixes></ListBucketResult>");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->next, "a&b");
  ASSERT_EQ(page->objects.size(), 1);
  EXPECT_EQ(page->objects[0].key, "a b+c/");
  EXPECT_EQ(page->objects[0].size, 12);
  EXPECT_EQ(page->objects[0].etag, "\"1f\"");
  EXPECT_EQ(page->objects[0].modified.time_since_epoch().count(), 1'255'369'830);
  EXPECT_EQ(page->prefixes, std::vector<std::string>{"ü/"});
}

// Where the server did not take it for a wish, keys are as they are.
TEST(S3ListingTest, UndoesNoEscapesThatAreNone) {
  const auto page = parse_object_list(
      "<ListBucketResult><Contents><Key>a+b%2B</Key><Size>1</Size></Contents></ListBucketResult>");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->objects.at(0).key, "a+b%2B");
}

TEST(S3ListingTest, RefusesWhatIsNoList) {
  for (const char* xml :
       {"", "<", "no xml", "<Other/>", "<ListBucketResult>", "<html><body>Sign in</body></html>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_EQ(code_of(parse_object_list(xml)), "network") << xml;
  }
  EXPECT_EQ(code_of(parse_upload_id("<InitiateMultipartUploadResult/>")), "network");
  EXPECT_EQ(code_of(parse_completion("<Error/>")), "network");
}

// Entities of a document type are not expanded, and depth is no recursion.
TEST(S3ListingTest, HostileDocumentsAreHarmless) {
  std::string bomb = "<!DOCTYPE l [<!ENTITY a \"lol\">";
  for (int i = 0; i < 20; ++i) bomb += "<!ENTITY b" + std::to_string(i) + " \"&a;&a;&a;&a;\">";
  bomb +=
      "]><ListBucketResult><Contents><Key>&b19;</Key><Size>1</Size></Contents></ListBucketResult>";
  if (const auto page = parse_object_list(bomb)) {
    EXPECT_LT(page->objects.at(0).key.size(), 100);
  }
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "<a>";
  EXPECT_EQ(code_of(parse_object_list(deep)), "network");
}

TEST(S3ListingTest, WritesACompletion) {
  EXPECT_EQ(
      completion_of({"\"a\"", "b<&"}),
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>"
      "<Part><PartNumber>2</PartNumber><ETag>b&lt;&amp;</ETag></Part></CompleteMultipartUpload>");
}

TEST(S3ListingTest, ReadsTimes) {
  EXPECT_EQ(parse_s3_time("1970-01-02T00:00:01.5Z")->time_since_epoch().count(), 86'401);
  for (const char* text :
       {"", "yesterday", "2009-13-01T00:00:00Z", "2009-02-30T00:00:00Z", "2009-01-01T24:00:00Z",
        "99999999999-01-01T00:00:00Z", "9000-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_s3_time(text)) << text;
  }
}

TEST(S3ErrorTest, KeepsWordsOnly) {
  Refusal refusal{.head = {},
                  .body = "<Error><Code>Access<b/>Denied</Code><Region>eu\nwest</Region></Error>"};
  EXPECT_EQ(S3Error::of(refusal).region, "");
  refusal.body =
      "<Error><Code>NoSuchKey</Code><Message>secret</Message><Region>eu-west-1</Region></Error>";
  EXPECT_EQ(S3Error::of(refusal).code, "NoSuchKey");
  EXPECT_EQ(S3Error::of(refusal).region, "eu-west-1");
  refusal.head.headers = {{"X-Amz-Bucket-Region", "us-west-2"}};
  EXPECT_EQ(S3Error::of(refusal).region, "us-west-2");
  refusal.body = "<Error><Code>" + std::string(65, 'x') + "</Code></Error>";
  EXPECT_EQ(S3Error::of(refusal).code, "");
}

TEST(S3ErrorTest, TellsThemApart) {
  const auto code = [](int status, const char* name) {
    const auto verdict = verdict_of(status, {.code = name});
    return verdict ? to_string(verdict->code) : "none";
  };
  EXPECT_EQ(code(403, "AccessDenied"), "permission");
  EXPECT_EQ(code(403, "RequestTimeTooSkewed"), "unauthenticated");
  EXPECT_EQ(code(404, "NoSuchBucket"), "not_found");
  EXPECT_EQ(code(403, "InvalidObjectState"), "unsupported");
  EXPECT_EQ(code(301, ""), "network");
  EXPECT_EQ(code(418, "Teapot"), "invalid_argument");
  EXPECT_EQ(code(403, "Teapot"), "permission");
  EXPECT_EQ(code(200, "Teapot"), "network");
  EXPECT_EQ(code(404, ""), "none");
  EXPECT_EQ(code(412, "PreconditionFailed"), "none");
  EXPECT_EQ(verdict_of(400, {.code = "RequestTimeout"})->then, Verdict::Then::retry);
  EXPECT_EQ(verdict_of(503, {.code = "Odd"})->then, Verdict::Then::retry);
  EXPECT_EQ(verdict_of(404, {.code = "Odd"})->then, Verdict::Then::give_up);
}

}  // namespace
}  // namespace quire::remote
