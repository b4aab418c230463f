#include "remote/opening_fetch.hpp"

#include <algorithm>

#include "net/content_range.hpp"
#include "remote/range_fetch.hpp"

namespace quire::remote {

net::HttpHeaders OpeningFetch::headers() const {
  switch (ask_) {
    case Ask::front:
      return {{"Range", range_text({0, bytes_})}};
    case Ask::back:
      return {{"Range", "bytes=-" + std::to_string(bytes_)}};
    case Ask::whole:
    case Ask::head:
      break;
  }
  return {};
}

Result<HttpFetch::Body> OpeningFetch::accept(const net::HttpHead& head) {
  answer_ = {};  // nothing of an attempt that broke off counts
  if (head.status == 416) {
    answer_.is_without_such_bytes = true;
    return Body::unwanted;
  }
  const bool asked_for_part = ask_ == Ask::front || ask_ == Ask::back;
  if (head.status == 206 && asked_for_part) return accept_part(head);
  if (head.status == 200) return accept_whole(head);
  return std::unexpected(error_of(head.status));
}

Result<HttpFetch::Body> OpeningFetch::accept_part(const net::HttpHead& head) {
  const auto sent = net::ContentRange::parse(head.find("Content-Range").value_or(""));
  if (!sent || !sent->range) {
    return std::unexpected(
        error(ErrorCode::network, "the server does not say which bytes it sends"));
  }
  const ByteRange range = *sent->range;
  answer_.is_of_unknown_size = !sent->size;
  const std::uint64_t size = sent->size.value_or(range.end());
  const std::uint64_t wanted = sent->size ? std::min(bytes_, size) : range.length;
  const std::uint64_t offset = ask_ == Ask::front ? 0 : size - wanted;
  const bool is_known_enough = sent->size || ask_ == Ask::front;
  if (range != ByteRange{offset, wanted} || range.length > bytes_ || !is_known_enough) {
    return std::unexpected(
        error(ErrorCode::network,
              "the server sends other bytes than were asked for: " + range_text(range)));
  }
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::network, "the server sends them encoded, unasked"));
  }
  answer_.version = ObjectVersion::of(head, size);
  answer_.kept_offset = range.offset;
  answer_.expected = range.length;
  answer_.kept.reserve(static_cast<std::size_t>(range.length));
  return Body::wanted;
}

Result<HttpFetch::Body> OpeningFetch::accept_whole(const net::HttpHead& head) {
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::unsupported, "the server sends the object encoded"));
  }
  answer_.expected = head.content_length();
  answer_.version = ObjectVersion::of(head, answer_.expected.value_or(0));
  if (ask_ == Ask::head) {
    if (answer_.expected) return Body::unwanted;
    return std::unexpected(
        error(ErrorCode::unsupported, "the server does not say how long the object is"));
  }
  if (!head.tells_end()) {
    return std::unexpected(error(ErrorCode::unsupported,
                                 "the server gives no ranges, and does not say where it ends"));
  }
  answer_.is_whole = true;
  if (answer_.expected && *answer_.expected > max_whole_) {
    return std::unexpected(
        error(ErrorCode::unsupported, "the server gives no ranges, and the object has " +
                                          std::to_string(*answer_.expected) + " bytes"));
  }
  return Body::wanted;
}

bool OpeningFetch::take(std::span<const std::byte> piece) {
  if (answer_.kept.size() + piece.size() > answer_.expected.value_or(max_whole_)) return false;
  answer_.kept.insert(answer_.kept.end(), piece.begin(), piece.end());
  return true;
}

Error OpeningFetch::too_much() const {
  if (!answer_.is_whole) return HttpFetch::too_much();
  return error(ErrorCode::unsupported, "the server gives no ranges, and the object has more than " +
                                           std::to_string(max_whole_) + " bytes");
}

bool OpeningFetch::is_complete() const {
  if (answer_.is_without_such_bytes || ask_ == Ask::head) return true;
  return !answer_.expected || answer_.kept.size() == *answer_.expected;
}

}  // namespace quire::remote
