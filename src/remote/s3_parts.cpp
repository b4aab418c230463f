#include "remote/s3_parts.hpp"

#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "remote/s3_call.hpp"

namespace quire::remote {

Result<std::string> S3Parts::send(const Part& part) const {
  const S3Request request{
      .operation = "write",
      .method = net::HttpMethod::put,
      .key = key_,
      .query = {{"partNumber", std::to_string(part.number)}, {"uploadId", upload_}},
      .body = part.bytes};
  QUIRE_TRY(const S3Answer answer, call_s3(connection_, request, {.stop = stop_.get_token()}));
  const auto etag = answer.head.find("ETag");
  if (etag) return std::string(*etag);
  return std::unexpected(Error(ErrorCode::network, "write")
                             .with_path("s3://" + connection_->bucket() + "/" + key_)
                             .with_detail("the server does not name the part it was sent"));
}

Result<void> S3Parts::take_first() {
  Part& first = under_way_.front();
  if (first.sender.joinable()) first.sender.join();
  Result<std::string> etag = std::move(first.etag);
  spare_ = std::move(first.bytes);
  under_way_.pop_front();
  if (!etag) return std::unexpected(std::move(etag.error()));
  etags_.push_back(*std::move(etag));
  return {};
}

Result<void> S3Parts::add(std::vector<std::byte>& bytes) {
  if (under_way_.size() >= max_in_flight_) QUIRE_CHECK(take_first());
  Part& part = under_way_.emplace_back(count_ + 1, std::move(bytes));
  ++count_;
  bytes = std::exchange(spare_, {});
  bytes.clear();
  const auto send_it = [this, &part]() noexcept {
    try {
      part.etag = send(part);
    } catch (const std::bad_alloc&) {
      part.etag = std::unexpected(Error(ErrorCode::capacity, "write"));
    }
  };
  try {
    part.sender = std::jthread(send_it);
  } catch (const std::system_error&) {  // no more threads
    send_it();
  } catch (const std::bad_alloc&) {
    send_it();
  }
  return {};
}

Result<std::vector<std::string>> S3Parts::finish() {
  while (!under_way_.empty()) QUIRE_CHECK(take_first());
  return std::move(etags_);
}

}  // namespace quire::remote
