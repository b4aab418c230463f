#include "remote/text_fetch.hpp"

#include <utility>

#include "base/try.hpp"
#include "remote/range_fetch.hpp"

namespace quire::remote {

Result<HttpFetch::Body> TextFetch::accept(const net::HttpHead& head) {
  answer_ = {};  // nothing of an attempt that broke off counts
  if (!request_.accepts(head.status)) return std::unexpected(error_of(head.status));
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::network, "the server sends it encoded, unasked"));
  }
  answer_.head = head;
  if (request_.method == net::HttpMethod::head) return Body::unwanted;
  if (head.content_length().value_or(0) > request_.max_bytes) return std::unexpected(too_much());
  return Body::wanted;
}

bool TextFetch::take(std::span<const std::byte> piece) {
  if (piece.size() > request_.max_bytes - answer_.text.size()) return false;
  answer_.text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return true;
}

Error TextFetch::too_much() const {
  return error(ErrorCode::network,
               "the answer has more than " + std::to_string(request_.max_bytes) + " bytes");
}

bool TextFetch::is_complete() const {
  if (request_.method == net::HttpMethod::head) return true;
  const auto length = answer_.head.content_length();
  return !length || *length == answer_.text.size();
}

Result<TextFetch::Answer> fetch_text(net::HttpClient& client, std::shared_ptr<HttpPlace> place,
                                     const net::RetryOptions& retry, TextRequest request,
                                     const ReadOptions& options) {
  TextFetch fetch(std::move(place), retry, std::move(request));
  HttpFetch* const one = &fetch;
  QUIRE_CHECK(run_fetches(client, {&one, 1}, 1, options));
  return std::move(fetch.answer());
}

}  // namespace quire::remote
