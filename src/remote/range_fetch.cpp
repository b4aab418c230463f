#include "remote/range_fetch.hpp"

#include <algorithm>
#include <cstring>

#include "base/try.hpp"
#include "net/content_range.hpp"

namespace quire::remote {

bool is_plain(const net::HttpHead& head) {
  const std::string_view encoding = head.find("Content-Encoding").value_or("");
  return encoding.empty() || encoding == "identity";
}

std::string range_text(ByteRange range) {
  return "bytes=" + std::to_string(range.offset) + "-" + std::to_string(range.end() - 1);
}

net::HttpHeaders RangeFetch::headers() const {
  net::HttpHeaders headers{{"Range", range_text({offset_ + got_, out_.size() - got_})}};
  // If-Range is no help: some servers ignore it, and answer with the new object's bytes.
  if (version_.is_strong()) headers.emplace_back("If-Match", version_.etag);
  return headers;
}

Error RangeFetch::changed() const {
  return error(ErrorCode::changed, "the object is not the version that was opened, which had " +
                                       std::to_string(version_.size) + " bytes");
}

Result<HttpFetch::Body> RangeFetch::accept(const net::HttpHead& head) {
  switch (head.status) {
    case 206:
      return accept_part(head);
    case 200:
      return accept_whole(head);
    case 412:
    case 416:  // it had these bytes
      return std::unexpected(changed());
    default:
      return std::unexpected(error_of(head.status));
  }
}

Result<HttpFetch::Body> RangeFetch::accept_part(const net::HttpHead& head) {
  if (!version_.is_of(head)) return std::unexpected(changed());
  const auto sent = net::ContentRange::parse(head.find("Content-Range").value_or(""));
  if (!sent || !sent->range) {
    return std::unexpected(
        error(ErrorCode::network, "the server does not say which bytes it sends"));
  }
  if (sent->size && *sent->size != version_.size) return std::unexpected(changed());
  const ByteRange wanted{offset_ + got_, out_.size() - got_};
  if (*sent->range != wanted) {
    return std::unexpected(
        error(ErrorCode::network, "the server sends other bytes than were asked for: " +
                                      range_text(*sent->range) + " for " + range_text(wanted)));
  }
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::network, "the server sends them encoded, unasked"));
  }
  return Body::wanted;
}

// Servers may give all where all is asked for.
Result<HttpFetch::Body> RangeFetch::accept_whole(const net::HttpHead& head) {
  if (!version_.is_of(head)) return std::unexpected(changed());
  if (const auto length = head.content_length(); length && *length != version_.size) {
    return std::unexpected(changed());
  }
  if (offset_ > 0 || out_.size() != version_.size || !is_plain(head)) {
    return std::unexpected(
        error(ErrorCode::unsupported, "the server sends the whole object instead of the range"));
  }
  got_ = 0;
  return Body::wanted;
}

bool RangeFetch::take(std::span<const std::byte> piece) {
  if (piece.size() > out_.size() - got_) return false;
  std::ranges::copy(piece, out_.begin() + static_cast<std::ptrdiff_t>(got_));
  got_ += piece.size();
  return true;
}

}  // namespace quire::remote
