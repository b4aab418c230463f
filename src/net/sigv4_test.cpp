#include "net/sigv4.hpp"

#include <gtest/gtest.h>

namespace quire::net {
namespace {

// The examples of the S3 API Reference, "Signature Calculations for the Authorization Header" and "Authenticating
// Requests: Using Query Parameters": with the key, the time and the signatures that stand there.
const SigningKey kExampleKey{.access_key = "AKIAIOSFODNN7EXAMPLE",
                             .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                             .session_token = ""};
const SigningScope kExampleScope{
    .region = "us-east-1",
    .service = "s3",
    .time = std::chrono::sys_days(std::chrono::year(2013) / std::chrono::May / 24)};

std::string value_of(const NamedValues& headers, const std::string& name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

std::string signature_in(const NamedValues& headers) {
  const std::string authorization = value_of(headers, "Authorization");
  return authorization.substr(authorization.rfind('=') + 1);
}

RequestToSign example_request() {
  return {.method = "GET",
          .path = "/",
          .query = {},
          .headers = {{"Host", "examplebucket.s3.amazonaws.com"}}};
}

TEST(SigV4Test, SignsARangedGetAsTheReferenceDoes) {
  RequestToSign request = example_request();
  request.path = "/test.txt";
  request.headers.emplace_back("Range", "bytes=0-9");
  const NamedValues added = sign(request, kExampleKey, kExampleScope);
  EXPECT_EQ(value_of(added, "Authorization"),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(value_of(added, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(value_of(added, "x-amz-content-sha256"), kEmptyPayload);
}

TEST(SigV4Test, SignsAPutAsTheReferenceDoes) {
  const std::string body = "Welcome to Amazon S3.";
  RequestToSign request = example_request();
  request.method = "PUT";
  request.path = canonical_path("/test$file.text");
  request.headers.emplace_back("Date", "Fri, 24 May 2013 00:00:00 GMT");
  request.headers.emplace_back("x-amz-storage-class", "REDUCED_REDUNDANCY");
  request.payload = sha256_hex(std::as_bytes(std::span(body)));
  EXPECT_EQ(request.path, "/test%24file.text");
  EXPECT_EQ(signature_in(sign(request, kExampleKey, kExampleScope)),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4Test, SignsAQueryWithoutValueAsTheReferenceDoes) {
  RequestToSign request = example_request();
  request.query = {{"lifecycle", ""}};
  EXPECT_EQ(signature_in(sign(request, kExampleKey, kExampleScope)),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4Test, SignsAListAsTheReferenceDoes) {
  RequestToSign request = example_request();
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(signature_in(sign(request, kExampleKey, kExampleScope)),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4Test, PresignsAsTheReferenceDoes) {
  RequestToSign request = example_request();
  request.path = "/test.txt";
  EXPECT_EQ(presigned_query(request, kExampleKey, kExampleScope, std::chrono::hours(24)),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4Test, SignsTheTokenOfASession) {
  SigningKey key = kExampleKey;
  key.session_token = "token/with+signs=";
  const NamedValues added = sign(example_request(), key, kExampleScope);
  EXPECT_EQ(value_of(added, "x-amz-security-token"), key.session_token);
  EXPECT_NE(value_of(added, "Authorization").find(";x-amz-security-token,"), std::string::npos);
  EXPECT_NE(presigned_query(example_request(), key, kExampleScope, std::chrono::hours(1))
                .find("X-Amz-Security-Token=token%2Fwith%2Bsigns%3D"),
            std::string::npos);
}

TEST(SigV4Test, TakesHeadersInAnyOrderAndCaseAndSpacing) {
  RequestToSign request = example_request();
  request.headers.emplace_back("x-amz-meta-a", "one two");
  request.headers.emplace_back("x-amz-meta-b", "three");
  RequestToSign other = example_request();
  other.headers.insert(other.headers.begin(), {{"X-Amz-Meta-B", " three\t"}});
  other.headers.emplace_back("X-AMZ-meta-a", "one   two ");
  EXPECT_EQ(signature_in(sign(request, kExampleKey, kExampleScope)),
            signature_in(sign(other, kExampleKey, kExampleScope)));
}

TEST(SigV4Test, EscapesPathsOnceAndQueriesInOrder) {
  EXPECT_EQ(canonical_path("/a b/+%/\xc3\xa9/../~x//"), "/a%20b/%2B%25/%C3%A9/../~x//");
  EXPECT_EQ(canonical_query({{"b", "/"}, {"a", "x y"}, {"a", ""}, {"A", "="}}),
            "A=%3D&a=&a=x%20y&b=%2F");
}

}  // namespace
}  // namespace quire::net
