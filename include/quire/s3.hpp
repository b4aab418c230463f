// Objects in S3, and in whatever speaks its language: read in ranges, written whole or not at all, listed, removed.
//
//     auto bucket = quire::S3Bucket::open("photos", {.region = "eu-central-1"});
//     if (!bucket) return report(bucket.error());
//     auto source = bucket->open_source("2024/index.quire");
//     auto rows = (*source)->read_many(ranges);
//
//     auto sink = bucket->open_sink("2024/index.quire");        // parts go up side by side while it is written
//     if (auto done = (*sink)->append(bytes); !done) return report(done.error());
//     if (auto done = (*sink)->commit(); !done) return report(done.error());   // now it is there, whole
//
// Where a user names the place, quire/remote.hpp opens "s3://bucket/key" as well as files and URLs.
//
// With credentials all that is sent is signed, bodies too (Signature Version 4): nothing can be changed on its way. Reading is as with
// quire/http_source.hpp: pinned to one version, taken up again where it broke, tried again with patience. A server that
// asks for patience (503 SlowDown) holds back all requests of the bucket's handle and its copies. A bucket in another region is found by what
// the server says, never by following where it redirects to.
//
// Part of the library quire::remote.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/byte_sink.hpp"
#include "quire/byte_source.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/http_source.hpp"
#include "quire/if_exists.hpp"

namespace quire {
namespace remote {
class S3Connection;
}
inline namespace v0 {

// Where a bucket's name stands in a URL.
enum class S3Addressing : std::uint8_t {
  automatic,  // in the host with Amazon's own endpoint and a name that can be there; else in the path
  path,       // https://endpoint/bucket/key
  virtual_host,  // https://bucket.endpoint/key
};

// What is empty here is looked up where the tools of Amazon look: the environment, then the shared files' profile. Nowhere
// else with `use_environment` false.
struct S3Options {
  // "https://host:port" of another server than Amazon's. Else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's.
  std::string endpoint = {};
  // Else AWS_REGION, AWS_DEFAULT_REGION, or the profile's; else us-east-1, until the server names another.
  std::string region = {};
  S3Addressing addressing = S3Addressing::automatic;

  // Credentials. Else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; the profile; those of the container
  // (AWS_CONTAINER_CREDENTIALS_…); those of the instance (metadata service, version 2). They are renewed before they
  // run out.
  std::string access_key = {};
  std::string secret_key = {};
  std::string session_token = {};
  std::string profile = {};  // of the shared files; else AWS_PROFILE, or "default"
  bool anonymous = false;    // without credentials, for what everybody may read
  bool use_environment = true;

  // How servers are spoken to, and how objects are read. AWS_CA_BUNDLE counts where no ca_file is given. Its headers go with each request, and are signed; an endpoint that is
  // not on the public internet needs allow_private_network.
  HttpSourceOptions http = {};
};

struct S3SinkOptions {
  // `fail` makes the object only if there is none: the server is asked whether there is, and told so (If-None-Match). With a
  // server that does not know how, someone may come between the two.
  IfExists if_exists = IfExists::replace;
  // Replaces only the version with this ETag, as `stat` gives it; commit() is `changed` if it is another by then. As above.
  std::string if_etag = {};
  // Objects up to one part go up in one request, longer ones in parts of this size, at least 5 MiB; at most 10,000 parts.
  std::uint64_t part_bytes = std::uint64_t{8} << 20;
  // How long it will be, if known: parts become large enough for it.
  std::uint64_t expected_bytes = 0;
  // Parts that go up side by side; each holds its part in memory.
  unsigned max_in_flight = 4;
  std::string content_type = "application/octet-stream";
  // Others that the object gets: Cache-Control, x-amz-meta-…, x-amz-storage-class and the like.
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Ends append() and commit() with `cancelled`.
  std::stop_token stop = {};
};

struct S3Object {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // in quotes, as the server wrote it
  std::chrono::sys_seconds modified{};
};

struct S3ListOptions {
  std::string prefix = {};  // only keys that begin so
  std::string delimiter =
      {};  // "/" lists as a folder: what goes on behind the next one is a prefix of the page
  std::string token = {};     // S3Page::next of the page before
  unsigned max_keys = 1'000;  // of the page; servers give at most 1,000
};

struct S3Page {
  std::vector<S3Object> objects;      // by key
  std::vector<std::string> prefixes;  // that have more behind the delimiter
  std::string next;                   // empty: this was the last page
};

// One bucket, and who asks for its objects. A handle: copies share the connection. Thread-safe.
//
// Keys are names of any bytes but "" and 0, up to 1024; "a//b" and "../x" are keys like others. Errors of all functions:
// invalid_argument (a key or bucket that cannot be one), not_found (no such bucket, or object), permission,
// unauthenticated (no credentials; refused ones), denied_by_policy (an endpoint that is not public), network, timeout,
// cancelled, capacity, unsupported (what the server does not know; an archived object). No error shows a secret.
class QUIRE_EXPORT S3Bucket {
 public:
  // Makes no request to the bucket; may ask the container or the instance for credentials when the first request is made.
  // Errors: also those of profiles that cannot be read.
  [[nodiscard]] static Result<S3Bucket> open(std::string_view name, const S3Options& options = {});

  const std::string& name() const noexcept;
  // By now.
  std::string region() const;

  // Reads an object; as open_http_source, whose options are S3Options::http.
  [[nodiscard]] Result<std::shared_ptr<const ByteSource>> open_source(std::string_view key) const;

  // Writes one. A sink that is dropped asks the server to forget its parts, and waits up to ten seconds for it. Those of a killed
  // process stay until `abort_uploads`, or a rule of the bucket.
  // commit() errors: exists, changed (see S3SinkOptions), outcome_unknown (the answer to the last request was lost).
  [[nodiscard]] Result<std::unique_ptr<ByteSink>> open_sink(
      std::string_view key, const S3SinkOptions& options = {}) const;

  [[nodiscard]] Result<S3Object> stat(std::string_view key, const ReadOptions& options = {}) const;
  // Well also if there is none.
  [[nodiscard]] Result<void> remove(std::string_view key, const ReadOptions& options = {}) const;
  [[nodiscard]] Result<S3Page> list(const S3ListOptions& what = {},
                                    const ReadOptions& options = {}) const;
  // Forgets the parts of uploads to `key` that did not end and to which nothing was added for at least `idle`, by this
  // machine's clock. Returns how many. One that is still written fails with not_found then.
  [[nodiscard]] Result<std::uint64_t> abort_uploads(std::string_view key, std::chrono::seconds idle,
                                                    const ReadOptions& options = {}) const;

  // A URL with which whoever has it can read, or write, the object for so long; at most a week, or as long as the
  // credentials live. It is a secret. It is of the bucket's region as far as that is known: give it, or make a request first.
  [[nodiscard]] Result<std::string> presigned_get(std::string_view key,
                                                  std::chrono::seconds valid_for) const;
  [[nodiscard]] Result<std::string> presigned_put(std::string_view key,
                                                  std::chrono::seconds valid_for) const;

 private:
  explicit S3Bucket(std::shared_ptr<remote::S3Connection> connection);
  std::shared_ptr<remote::S3Connection> connection_;
};

// "s3://bucket/key". What stands behind the bucket's "/" is the key, letter by letter: nothing is escaped in it.
struct S3Location {
  std::string bucket;
  std::string key;  // empty: the bucket itself

  // Errors: invalid_argument.
  [[nodiscard]] QUIRE_EXPORT static Result<S3Location> parse(std::string_view text);
};

}  // namespace v0
}  // namespace quire
