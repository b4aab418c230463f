#include "remote/s3_sink.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "remote/s3_call.hpp"
#include "remote/s3_listing.hpp"
#include "remote/s3_parts.hpp"

namespace quire::remote {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastPart = 5 * kMiB;
constexpr std::uint64_t kLongestPart = 5'120 * kMiB;
constexpr std::uint64_t kMostParts = 10'000;
constexpr auto kAbortTime = 10s;

std::uint64_t part_bytes(const S3SinkOptions& options) {
  const std::uint64_t needed = (options.expected_bytes / kMostParts / kMiB + 1) * kMiB;
  const std::uint64_t least =
      options.expected_bytes > 0 ? std::max(needed, kLeastPart) : kLeastPart;
  return std::clamp(options.part_bytes, least, std::max(least, kLongestPart));
}

using Md5 = std::array<unsigned char, 16>;

// Nothing where it is forbidden.
std::optional<Md5> md5(std::span<const std::byte> bytes) {
  Md5 digest{};
  std::size_t length = digest.size();
  if (EVP_Q_digest(nullptr, "MD5", nullptr, bytes.data(), bytes.size(), digest.data(), &length) !=
      1) {
    return std::nullopt;
  }
  return digest;
}

std::string hex(const Md5& digest) {
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

std::string_view unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

// The ETag that a server gives an object of these parts, if it makes ETags as Amazon does: MD5 of the parts' MD5, and how
// many they are. Not documented, but what is seen everywhere.
std::string etag_of_parts(const std::vector<std::string>& etags) {
  std::vector<std::byte> digests;
  for (const std::string& quoted : etags) {
    const std::string_view etag = unquoted(quoted);
    if (etag.size() != 32) return {};
    for (std::size_t i = 0; i < etag.size(); i += 2) {
      const auto byte = net::unescaped("%" + std::string(etag.substr(i, 2)));
      digests.push_back(byte ? static_cast<std::byte>(byte->front()) : std::byte{0});
    }
  }
  const auto digest = md5(digests);
  return digest ? hex(*digest) + "-" + std::to_string(etags.size()) : std::string();
}

class S3Sink final : public ByteSink {
 public:
  S3Sink(std::shared_ptr<S3Connection> connection, std::string key, const S3SinkOptions& options)
      : ByteSink("s3://" + connection->bucket() + "/" + key),
        connection_(std::move(connection)),
        key_(std::move(key)),
        options_(options),
        part_bytes_(part_bytes(options)) {}
  ~S3Sink() override {
    if (!parts_) return;
    const std::string upload = parts_->upload();
    parts_.reset();
    try {
      ignore_error(abort_upload(connection_, key_, upload,
                                {.deadline = std::chrono::steady_clock::now() + kAbortTime}));
    } catch (const std::bad_alloc&) {
      return;  // it stays until someone aborts it
    }
  }
  S3Sink(const S3Sink&) = delete;
  S3Sink& operator=(const S3Sink&) = delete;

 private:
  Result<void> do_append(std::span<const std::byte> bytes) override;
  Result<void> do_commit() override;

  Error error(ErrorCode code, std::string why) const {
    return Error(code, "write").with_path(name()).with_detail(std::move(why));
  }
  // The headers that make the object appear only if it may.
  net::HttpHeaders conditions() const;
  ErrorCode unmet() const noexcept {
    return options_.if_exists == IfExists::fail ? ErrorCode::exists : ErrorCode::changed;
  }
  Result<void> begin_upload();
  Result<void> send_part();
  Result<void> put_whole();
  Result<void> complete();
  Result<void> check_before_completing() const;
  // The last request failed. It may have been carried out, which the object's ETag tells.
  Result<void> after_failure(const Error& why, unsigned failed_tries,
                             const std::string& etag) const;

  const std::shared_ptr<S3Connection> connection_;
  const std::string key_;
  const S3SinkOptions options_;
  const std::uint64_t part_bytes_;
  std::vector<std::byte> part_;  // the next one
  std::unique_ptr<S3Parts> parts_;
};

net::HttpHeaders S3Sink::conditions() const {
  net::HttpHeaders headers;
  if (options_.if_exists == IfExists::fail) headers.emplace_back("If-None-Match", "*");
  if (!options_.if_etag.empty()) headers.emplace_back("If-Match", options_.if_etag);
  return headers;
}

Result<void> S3Sink::do_append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (part_.size() == part_bytes_) QUIRE_CHECK(send_part());  // there is more, so it is not all
    const std::size_t taken =
        static_cast<std::size_t>(std::min<std::uint64_t>(part_bytes_ - part_.size(), bytes.size()));
    const auto front = bytes.first(taken);
    part_.insert(part_.end(), front.begin(), front.end());
    bytes = bytes.subspan(taken);
  }
  return {};
}

Result<void> S3Sink::begin_upload() {
  const S3Request request{.operation = "write",
                          .method = net::HttpMethod::post,
                          .key = key_,
                          .query = {{"uploads", ""}},
                          .headers = {{"Content-Type", options_.content_type}}};
  QUIRE_TRY(const S3Answer answer, call_s3(connection_, request, {}));
  auto upload = parse_upload_id(answer.body);
  if (!upload) return std::unexpected(std::move(upload.error()).with_path(name()));
  parts_ = std::make_unique<S3Parts>(connection_, key_, *std::move(upload),
                                     std::max(options_.max_in_flight, 1U));
  return {};
}

Result<void> S3Sink::send_part() {
  if (!parts_) QUIRE_CHECK(begin_upload());
  if (parts_->count() == kMostParts) {
    return std::unexpected(
        error(ErrorCode::capacity, "an object has at most 10000 parts, of " +
                                       std::to_string(part_bytes_) +
                                       " bytes here; expected_bytes makes them longer"));
  }
  QUIRE_CHECK(parts_->add(part_));
  part_.reserve(static_cast<std::size_t>(part_bytes_));
  return {};
}

Result<void> S3Sink::do_commit() {
  if (!parts_) return put_whole();
  QUIRE_CHECK(send_part());
  return complete();
}

Result<void> S3Sink::put_whole() {
  S3Request request{.operation = "write",
                    .method = net::HttpMethod::put,
                    .key = key_,
                    .headers = conditions(),
                    .body = part_,
                    .unmet = unmet()};
  request.headers.emplace_back("Content-Type", options_.content_type);
  unsigned failed_tries = 0;
  const auto answer = call_s3(connection_, request, {}, &failed_tries);
  if (answer) return {};
  const auto digest = md5(part_);
  return after_failure(answer.error(), failed_tries, digest ? hex(*digest) : "");
}

// Not all servers look at the conditions of a completion.
Result<void> S3Sink::check_before_completing() const {
  if (options_.if_exists != IfExists::fail && options_.if_etag.empty()) return {};
  const S3Request request{.operation = "write", .method = net::HttpMethod::head, .key = key_};
  const auto there = call_s3(connection_, request, {});
  if (!there && there.error().code() != ErrorCode::not_found) {
    return std::unexpected(there.error());
  }
  if (there && options_.if_exists == IfExists::fail) {
    return std::unexpected(error(ErrorCode::exists, "there is such an object already"));
  }
  if (!options_.if_etag.empty() && (!there || there->head.find("ETag") != options_.if_etag)) {
    return std::unexpected(
        error(ErrorCode::changed, "the object is not the version that was expected"));
  }
  return {};
}

Result<void> S3Sink::complete() {
  QUIRE_TRY(const std::vector<std::string> etags, parts_->finish());
  QUIRE_CHECK(check_before_completing());
  const std::string body = completion_of(etags);
  S3Request request{.operation = "write",
                    .method = net::HttpMethod::post,
                    .key = key_,
                    .query = {{"uploadId", parts_->upload()}},
                    .headers = conditions(),
                    .body = std::as_bytes(std::span(body)),
                    .unmet = unmet(),
                    .may_fail_late = true};
  request.headers.emplace_back("Content-Type", "application/xml");
  unsigned failed_tries = 0;
  const auto answer = call_s3(connection_, request, {}, &failed_tries);
  if (answer) {
    auto etag = parse_completed_etag(answer->body);
    if (!etag) {
      return after_failure(std::move(etag.error()).with_path(name()), 1, etag_of_parts(etags));
    }
  } else {
    QUIRE_CHECK(after_failure(answer.error(), failed_tries, etag_of_parts(etags)));
  }
  parts_.reset();
  return {};
}

Result<void> S3Sink::after_failure(const Error& why, unsigned failed_tries,
                                   const std::string& etag) const {
  const bool is_lost = why.code() == ErrorCode::network || why.code() == ErrorCode::timeout;
  if (failed_tries == 0 && !is_lost) return std::unexpected(why);
  const S3Request request{.operation = "write", .method = net::HttpMethod::head, .key = key_};
  const auto there =
      call_s3(connection_, request, {.deadline = std::chrono::steady_clock::now() + kAbortTime});
  if (there && !etag.empty() && unquoted(there->head.find("ETag").value_or("")) == etag) return {};
  return std::unexpected(error(ErrorCode::outcome_unknown,
                               "the answer to the last request was lost (" + why.detail() + ")"));
}

}  // namespace

Result<std::unique_ptr<ByteSink>> open_s3_sink(std::shared_ptr<S3Connection> connection,
                                               std::string key, const S3SinkOptions& options) {
  if (options.if_exists == IfExists::fail && !options.if_etag.empty()) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                               .with_path("s3://" + connection->bucket() + "/" + key)
                               .with_detail("an object cannot both be there and not"));
  }
  // That it can be named is seen before anything is written.
  QUIRE_CHECK(connection->url_of(key, ""));
  return std::make_unique<S3Sink>(std::move(connection), std::move(key), options);
}

Result<void> abort_upload(const std::shared_ptr<S3Connection>& connection, const std::string& key,
                          const std::string& id, const ReadOptions& options) {
  const S3Request request{.operation = "remove",
                          .method = net::HttpMethod::del,
                          .key = key,
                          .query = {{"uploadId", id}}};
  const auto answer = call_s3(connection, request, options);
  if (!answer && answer.error().code() != ErrorCode::not_found) {
    return std::unexpected(answer.error());
  }
  return {};
}

}  // namespace quire::remote
