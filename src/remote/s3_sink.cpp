#include "remote/s3_sink.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/try.hpp"
#include "os/process.hpp"
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
constexpr auto kLastLook = 10s;

std::uint64_t part_bytes(const S3SinkOptions& options) {
  const std::uint64_t needed = (options.expected_bytes / kMostParts / kMiB + 1) * kMiB;
  const std::uint64_t least =
      options.expected_bytes > 0 ? std::max(needed, kLeastPart) : kLeastPart;
  return std::clamp(options.part_bytes, least, std::max(least, kLongestPart));
}

// Kept with the object, so that its writer knows it again where an answer was lost: an object of the same bytes may be
// someone else's.
constexpr std::string_view kMark = "x-amz-meta-quire-writer";

std::string new_mark() {
  std::string mark;
  for (int i = 0; i < 2; ++i) {
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx",
                  static_cast<unsigned long long>(base::random_u64()));
    mark += digits.data();
  }
  return mark;
}

std::string_view unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

class S3Sink final : public ByteSink {
 public:
  S3Sink(std::shared_ptr<S3Connection> connection, std::string key, const S3SinkOptions& options)
      : ByteSink("s3://" + connection->bucket() + "/" + key),
        connection_(std::move(connection)),
        key_(std::move(key)),
        options_(options),
        part_bytes_(part_bytes(options)),
        mark_(new_mark()) {}
  ~S3Sink() override {
    if (!parts_) return;
    if (process_ != os::process_id()) {
      // Its threads, and the upload, are the parent's.
      [[maybe_unused]] const S3Parts* const of_parent = parts_.release();
      return;
    }
    try {
      const std::string upload = parts_->upload();
      parts_.reset();
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
  net::HttpHeaders conditions(std::string_view etag) const;
  net::HttpHeaders description() const {
    net::HttpHeaders headers = options_.headers;
    headers.emplace_back("Content-Type", options_.content_type);
    headers.emplace_back(kMark, mark_);
    return headers;
  }
  ErrorCode unmet() const noexcept {
    return options_.if_exists == IfExists::fail ? ErrorCode::exists : ErrorCode::changed;
  }
  Result<void> begin_upload();
  Result<void> send_part();
  Result<void> put_whole();
  Result<void> put_whole_if(std::string_view etag);
  Result<void> complete();
  Result<void> check_conditions() const;
  // The object, if it is there.
  Result<std::optional<net::HttpHead>> look(const ReadOptions& options) const;
  // The last request failed. Perhaps only its answer was lost, which the object's mark tells.
  Result<void> after_failure(const Error& why, unsigned failed_tries) const;

  const std::shared_ptr<S3Connection> connection_;
  const std::string key_;
  const S3SinkOptions options_;
  const std::uint64_t part_bytes_;
  const std::string mark_;
  const std::int64_t process_ = os::process_id();
  std::vector<std::byte> part_;  // the next one
  std::unique_ptr<S3Parts> parts_;
};

net::HttpHeaders S3Sink::conditions(std::string_view etag) const {
  net::HttpHeaders headers;
  if (options_.if_exists == IfExists::fail) headers.emplace_back("If-None-Match", "*");
  if (!etag.empty()) headers.emplace_back("If-Match", etag);
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
                          .headers = description()};
  QUIRE_TRY(const S3Answer answer, call_s3(connection_, request, {.stop = options_.stop}));
  auto upload = parse_upload_id(answer.body);
  if (!upload) return std::unexpected(std::move(upload.error()).with_path(name()));
  parts_ = std::make_unique<S3Parts>(connection_, key_, *std::move(upload),
                                     std::max(options_.max_in_flight, 1U), options_.stop);
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

Result<void> S3Sink::put_whole_if(std::string_view etag) {
  S3Request request{.operation = "write",
                    .method = net::HttpMethod::put,
                    .key = key_,
                    .headers = conditions(etag),
                    .body = part_,
                    .unmet = unmet()};
  for (auto& header : description()) request.headers.push_back(std::move(header));
  const auto [answer, failed_tries] = try_s3(connection_, request, {.stop = options_.stop});
  return answer ? Result<void>() : after_failure(answer.error(), failed_tries);
}

Result<void> S3Sink::put_whole() {
  QUIRE_CHECK(check_conditions());
  auto done = put_whole_if(options_.if_etag);
  const std::string_view bare = unquoted(options_.if_etag);
  if (done || done.error().code() != ErrorCode::changed || bare == options_.if_etag) return done;
  // Some servers compare with the quotes, and then nothing is ever the same.
  return check_conditions() ? put_whole_if(bare) : done;
}

Result<std::optional<net::HttpHead>> S3Sink::look(const ReadOptions& options) const {
  const S3Request request{.operation = "write", .method = net::HttpMethod::head, .key = key_};
  auto there = call_s3(connection_, request, options);
  if (there) return std::move(there->head);
  if (there.error().code() == ErrorCode::not_found) return std::nullopt;
  return std::unexpected(std::move(there.error()));
}

// Not all servers look at conditions.
Result<void> S3Sink::check_conditions() const {
  if (options_.if_exists != IfExists::fail && options_.if_etag.empty()) return {};
  QUIRE_TRY(const auto there, look({.stop = options_.stop}));
  if (there && options_.if_exists == IfExists::fail) {
    return std::unexpected(error(ErrorCode::exists, "there is such an object already"));
  }
  if (!options_.if_etag.empty() &&
      (!there || unquoted(there->find("ETag").value_or("")) != unquoted(options_.if_etag))) {
    return std::unexpected(
        error(ErrorCode::changed, "the object is not the version that was expected"));
  }
  return {};
}

Result<void> S3Sink::complete() {
  QUIRE_TRY(const std::vector<std::string> etags, parts_->finish());
  QUIRE_CHECK(check_conditions());
  const std::string body = completion_of(etags);
  S3Request request{.operation = "write",
                    .method = net::HttpMethod::post,
                    .key = key_,
                    .query = {{"uploadId", parts_->upload()}},
                    .headers = conditions(options_.if_etag),
                    .body = std::as_bytes(std::span(body)),
                    .unmet = unmet(),
                    .may_fail_late = true};
  request.headers.emplace_back("Content-Type", "application/xml");
  const auto [answer, failed_tries] = try_s3(connection_, request, {.stop = options_.stop});
  if (!answer) {
    QUIRE_CHECK(after_failure(answer.error(), failed_tries));
  } else if (const auto done = parse_completion(answer->body); !done) {
    QUIRE_CHECK(after_failure(done.error(), failed_tries));
  }
  parts_.reset();
  return {};
}

Result<void> S3Sink::after_failure(const Error& why, unsigned failed_tries) const {
  const bool is_lost = why.code() == ErrorCode::network || why.code() == ErrorCode::timeout ||
                       why.code() == ErrorCode::cancelled;
  // What a second try, of which nobody needs to know, says when the first one was carried out.
  const bool may_be_done = is_lost || why.code() == ErrorCode::not_found || why.code() == unmet();
  if (!may_be_done) return std::unexpected(why);
  const auto there = look({.deadline = std::chrono::steady_clock::now() + kLastLook});
  if (there && *there && (*there)->find(kMark) == mark_) return {};
  // A condition that does not hold is someone else's doing, whatever became of ours; an upload that is gone is so only if
  // nobody may have completed it.
  const bool is_known = there && (why.code() == unmet() || failed_tries == 0 || !*there);
  if (!is_lost && is_known) return std::unexpected(why);
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
  const bool are_headers = std::ranges::all_of(options.headers, is_header) &&
                           is_header({"Content-Type", options.content_type}) &&
                           is_header({"If-Match", options.if_etag});
  if (!are_headers) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                               .with_path("s3://" + connection->bucket() + "/" + key)
                               .with_detail("a header has a line's end, or no name"));
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
