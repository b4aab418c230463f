#include "remote/object_version.hpp"

namespace quire::remote {

namespace {

std::string text_of(const net::HttpHead& head, std::string_view name) {
  return std::string(head.find(name).value_or(""));
}

}  // namespace

ObjectVersion ObjectVersion::of(const net::HttpHead& head, std::uint64_t size) {
  return {
      .size = size, .etag = text_of(head, "ETag"), .last_modified = text_of(head, "Last-Modified")};
}

SourceIdentity ObjectVersion::identity() const {
  if (is_strong()) return {IdentityStrength::strong, etag};
  const std::string& mark = etag.empty() ? last_modified : etag;
  if (mark.empty()) return {IdentityStrength::size_only, std::to_string(size)};
  return {IdentityStrength::compared, mark + " " + std::to_string(size)};
}

bool ObjectVersion::is_of(const net::HttpHead& head) const {
  if (!etag.empty()) return head.find("ETag") == etag;
  return last_modified.empty() || head.find("Last-Modified") == last_modified;
}

}  // namespace quire::remote
