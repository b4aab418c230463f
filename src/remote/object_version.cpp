#include "remote/object_version.hpp"

namespace quire::remote {

namespace {

std::string text_of(const net::HttpHead& head, std::string_view name) {
  return std::string(head.find(name).value_or(""));
}

std::string_view without_weakness(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  return etag;
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

// A server may call a version weak for its first second, and strong then.
bool ObjectVersion::is_of(const net::HttpHead& head) const {
  if (is_strong()) return head.find("ETag") == etag;
  if (!etag.empty()) {
    return without_weakness(head.find("ETag").value_or("")) == without_weakness(etag);
  }
  return last_modified.empty() || head.find("Last-Modified") == last_modified;
}

}  // namespace quire::remote
