// RangeFetch: a range of a pinned object, into the caller's memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "remote/http_fetch.hpp"
#include "remote/object_version.hpp"

namespace quire::remote {

class RangeFetch final : public HttpFetch {
 public:
  // `version` and `out` must outlive it. REQUIRES: the range is not empty, and inside the object.
  RangeFetch(std::shared_ptr<HttpPlace> place, const net::RetryOptions& retry,
             const ObjectVersion& version, std::uint64_t offset, std::span<std::byte> out)
      : HttpFetch(std::move(place), retry), version_(version), offset_(offset), out_(out) {}

 private:
  std::optional<ByteRange> range() const override { return ByteRange{offset_, out_.size()}; }
  net::HttpHeaders headers() const override;
  std::uint64_t progress() const override { return got_; }
  Result<Body> accept(const net::HttpHead& head) override;
  Result<Body> accept_part(const net::HttpHead& head);
  Result<Body> accept_whole(const net::HttpHead& head);
  bool take(std::span<const std::byte> piece) override;
  bool is_complete() const override { return got_ == out_.size(); }

  Error changed() const;

  const ObjectVersion& version_;
  const std::uint64_t offset_;
  const std::span<std::byte> out_;
  std::size_t got_ = 0;
};

// True if the body is the object's bytes as they are.
[[nodiscard]] bool is_plain(const net::HttpHead& head);
// "bytes=0-9"
[[nodiscard]] std::string range_text(ByteRange range);

}  // namespace quire::remote
