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

Result<void> OpeningFetch::accept(const net::HttpHead& head) {
  kept_.clear();  // of an attempt that broke off
  expected_.reset();
  is_without_such_bytes_ = head.status == 416;
  if (is_without_such_bytes_) return {};
  const bool asked_for_part = ask_ == Ask::front || ask_ == Ask::back;
  if (head.status == 206 && asked_for_part) return accept_part(head);
  if (head.status == 200) return accept_whole(head);
  return std::unexpected(error_of(head.status));
}

Result<void> OpeningFetch::accept_part(const net::HttpHead& head) {
  const auto sent = net::ContentRange::parse(head.find("Content-Range").value_or(""));
  if (!sent || !sent->range) {
    return std::unexpected(
        error(ErrorCode::network, "the server does not say which bytes it sends"));
  }
  const ByteRange range = *sent->range;
  is_of_unknown_size_ = !sent->size;
  const std::uint64_t size = sent->size.value_or(0);
  const std::uint64_t wanted = is_of_unknown_size_ ? bytes_ : std::min(bytes_, size);
  const bool is_front = range.offset == 0 && (is_of_unknown_size_ || range.length == wanted);
  const bool is_back = !is_of_unknown_size_ && range.end() == size && range.length == wanted;
  if (range.length > bytes_ || (ask_ == Ask::front ? !is_front : !is_back)) {
    return std::unexpected(
        error(ErrorCode::network,
              "the server sends other bytes than were asked for: " + range_text(range)));
  }
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::network, "the server sends them encoded, unasked"));
  }
  version_ = ObjectVersion::of(head, size);
  kept_offset_ = range.offset;
  expected_ = range.length;
  kept_.reserve(static_cast<std::size_t>(range.length));
  return {};
}

Result<void> OpeningFetch::accept_whole(const net::HttpHead& head) {
  if (!is_plain(head)) {
    return std::unexpected(error(ErrorCode::unsupported, "the server sends the object encoded"));
  }
  expected_ = head.content_length();
  version_ = ObjectVersion::of(head, expected_.value_or(0));
  if (ask_ == Ask::head) {
    if (expected_) return {};
    return std::unexpected(
        error(ErrorCode::unsupported, "the server does not say how long the object is"));
  }
  is_whole_ = true;
  kept_offset_ = 0;
  if (expected_ && *expected_ > max_whole_) {
    return std::unexpected(error(
        ErrorCode::unsupported,
        "the server gives no ranges, and the object has " + std::to_string(*expected_) + " bytes"));
  }
  return {};
}

bool OpeningFetch::take(std::span<const std::byte> piece) {
  if (is_without_such_bytes_) return true;
  if (kept_.size() + piece.size() > expected_.value_or(max_whole_)) return false;
  kept_.insert(kept_.end(), piece.begin(), piece.end());
  return true;
}

bool OpeningFetch::is_complete() const {
  if (is_without_such_bytes_ || ask_ == Ask::head) return true;
  return !expected_ || kept_.size() == *expected_;
}

}  // namespace quire::remote
