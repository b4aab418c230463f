#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "base/ascii.hpp"
#include "base/try.hpp"
#include "quire/s3.hpp"
#include "remote/s3_call.hpp"
#include "remote/s3_listing.hpp"
#include "remote/s3_sink.hpp"

namespace quire {

namespace remote {
namespace {

Result<std::string> checked(const S3Connection& connection, std::string_view key) {
  if (!key.empty()) return std::string(key);
  return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                             .with_path("s3://" + connection.bucket())
                             .with_detail("no object has an empty key"));
}

// What came is not what the request was for; says for which.
std::unexpected<Error> at(Error error, const S3Connection& connection, const std::string& key) {
  return std::unexpected(std::move(error).with_path("s3://" + connection.bucket() + "/" + key));
}

std::chrono::sys_seconds parse_http_time(std::string_view text) {
  const std::time_t time = curl_getdate(std::string(text).c_str(), nullptr);
  return std::chrono::sys_seconds(std::chrono::seconds(std::max<std::time_t>(time, 0)));
}

Result<S3UploadPage> list_uploads(const std::shared_ptr<S3Connection>& connection,
                                  const std::string& key, const S3UploadPage& before,
                                  const ReadOptions& options) {
  net::NamedValues query{{"uploads", ""}, {"prefix", key}, {"encoding-type", "url"}};
  if (!before.next_key.empty()) query.emplace_back("key-marker", before.next_key);
  if (!before.next_id.empty()) query.emplace_back("upload-id-marker", before.next_id);
  const S3Request request{.operation = "list", .query = std::move(query)};
  QUIRE_TRY(const S3Answer answer, call_s3(connection, request, options));
  auto page = parse_upload_list(answer.body);
  if (!page) return at(std::move(page.error()), *connection, key);
  return page;
}

// When the last part of an upload came; nothing if there is none.
Result<std::optional<std::chrono::sys_seconds>> last_part(
    const std::shared_ptr<S3Connection>& connection, const std::string& key, const std::string& id,
    const ReadOptions& options) {
  std::optional<std::chrono::sys_seconds> latest;
  std::string marker;
  while (true) {
    net::NamedValues query{{"uploadId", id}};
    if (!marker.empty()) query.emplace_back("part-number-marker", marker);
    const S3Request request{.operation = "list", .key = key, .query = std::move(query)};
    const auto answer = call_s3(connection, request, options);
    // It ended meanwhile.
    if (!answer && answer.error().code() == ErrorCode::not_found) return std::nullopt;
    if (!answer) return std::unexpected(answer.error());
    auto page = parse_part_list(answer->body);
    if (!page) return at(std::move(page.error()), *connection, key);
    if (page->latest && (!latest || *page->latest > *latest)) latest = page->latest;
    if (page->is_last || page->next == marker) return latest;
    marker = page->next;
  }
}

}  // namespace
}  // namespace remote

inline namespace v0 {

S3Bucket::S3Bucket(std::shared_ptr<remote::S3Connection> connection)
    : connection_(std::move(connection)) {}

Result<S3Bucket> S3Bucket::open(std::string_view name, const S3Options& options) {
  QUIRE_TRY(auto connection, remote::S3Connection::open(std::string(name), options));
  return S3Bucket(std::move(connection));
}

const std::string& S3Bucket::name() const noexcept { return connection_->bucket(); }
std::string S3Bucket::region() const { return connection_->region(); }

Result<std::shared_ptr<const ByteSource>> S3Bucket::open_source(std::string_view key) const {
  QUIRE_TRY(std::string checked, remote::checked(*connection_, key));
  QUIRE_TRY(auto place, remote::S3ObjectPlace::of(connection_, std::move(checked)));
  return remote::open_place(connection_->http(), std::move(place), connection_->source_options());
}

Result<std::unique_ptr<ByteSink>> S3Bucket::open_sink(std::string_view key,
                                                      const S3SinkOptions& options) const {
  QUIRE_TRY(std::string checked, remote::checked(*connection_, key));
  return remote::open_s3_sink(connection_, std::move(checked), options);
}

Result<S3Object> S3Bucket::stat(std::string_view key, const ReadOptions& options) const {
  QUIRE_TRY(std::string checked, remote::checked(*connection_, key));
  const remote::S3Request request{
      .operation = "stat", .method = net::HttpMethod::head, .key = std::move(checked)};
  QUIRE_TRY(const remote::S3Answer answer, remote::call_s3(connection_, request, options));
  const auto size = answer.head.content_length();
  if (!size) {
    return remote::at(
        Error(ErrorCode::network, "stat").with_detail("the server tells no size of it"),
        *connection_, request.key);
  }
  return S3Object{
      .key = request.key,
      .size = *size,
      .etag = std::string(answer.head.find("ETag").value_or("")),
      .modified = remote::parse_http_time(answer.head.find("Last-Modified").value_or(""))};
}

Result<void> S3Bucket::remove(std::string_view key, const ReadOptions& options) const {
  QUIRE_TRY(std::string checked, remote::checked(*connection_, key));
  const remote::S3Request request{
      .operation = "remove", .method = net::HttpMethod::del, .key = std::move(checked)};
  QUIRE_CHECK(remote::call_s3(connection_, request, options));
  return {};
}

Result<S3Page> S3Bucket::list(const S3ListOptions& what, const ReadOptions& options) const {
  net::NamedValues query{{"list-type", "2"},
                         {"encoding-type", "url"},
                         {"max-keys", std::to_string(std::clamp(what.max_keys, 1U, 1'000U))}};
  if (!what.prefix.empty()) query.emplace_back("prefix", what.prefix);
  if (!what.delimiter.empty()) query.emplace_back("delimiter", what.delimiter);
  if (!what.token.empty()) query.emplace_back("continuation-token", what.token);
  const remote::S3Request request{.operation = "list", .query = std::move(query)};
  QUIRE_TRY(const remote::S3Answer answer, remote::call_s3(connection_, request, options));
  auto page = remote::parse_object_list(answer.body);
  if (!page) return remote::at(std::move(page.error()), *connection_, what.prefix);
  if (!page->next.empty() && page->next == what.token) {
    return remote::at(
        Error(ErrorCode::network, "list").with_detail("the server lists the same page again"),
        *connection_, what.prefix);
  }
  return page;
}

Result<std::uint64_t> S3Bucket::abort_uploads(std::string_view key, std::chrono::seconds idle,
                                              const ReadOptions& options) const {
  QUIRE_TRY(const std::string checked, remote::checked(*connection_, key));
  constexpr std::chrono::seconds kMostIdle = std::chrono::years(100);
  const auto latest = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) -
                      std::clamp(idle, -kMostIdle, kMostIdle);
  std::uint64_t aborted = 0;
  remote::S3UploadPage page;
  do {
    QUIRE_TRY(auto next, remote::list_uploads(connection_, checked, page, options));
    if (!next.is_last && next.next_key == page.next_key && next.next_id == page.next_id) {
      return remote::at(
          Error(ErrorCode::network, "list").with_detail("the server lists the same page again"),
          *connection_, checked);
    }
    page = std::move(next);
    for (const remote::S3Upload& upload : page.uploads) {
      // One of which nobody knows how old it is may be somebody's.
      if (upload.key != checked || !upload.initiated || *upload.initiated > latest) continue;
      QUIRE_TRY(const auto last_part, remote::last_part(connection_, checked, upload.id, options));
      if (last_part && *last_part > latest) continue;
      QUIRE_CHECK(remote::abort_upload(connection_, checked, upload.id, options));
      ++aborted;
    }
  } while (!page.is_last);
  return aborted;
}

Result<std::string> S3Bucket::presigned_get(std::string_view key,
                                            std::chrono::seconds valid_for) const {
  QUIRE_TRY(const std::string checked, remote::checked(*connection_, key));
  return connection_->presigned(net::HttpMethod::get, checked, valid_for);
}

Result<std::string> S3Bucket::presigned_put(std::string_view key,
                                            std::chrono::seconds valid_for) const {
  QUIRE_TRY(const std::string checked, remote::checked(*connection_, key));
  return connection_->presigned(net::HttpMethod::put, checked, valid_for);
}

Result<S3Location> S3Location::parse(std::string_view text) {
  constexpr std::string_view kScheme = "s3://";
  const auto refuse = [&](const char* why) {
    return std::unexpected(
        Error(ErrorCode::invalid_argument, "open").with_path(std::string(text)).with_detail(why));
  };
  if (!base::starts_with_in_any_case(text, kScheme)) return refuse("this is no s3:// place");
  text.remove_prefix(kScheme.size());
  const std::size_t slash = text.find('/');
  S3Location location{.bucket = std::string(text.substr(0, slash)), .key = {}};
  if (slash != std::string_view::npos) location.key = text.substr(slash + 1);
  if (location.bucket.empty()) return refuse("this names no bucket");
  return location;
}

}  // namespace v0
}  // namespace quire
