// What comes from outside as text: URLs, where redirects lead, and Content-Range. Whatever it is, it is taken or refused; what is taken
// means the same when it is written out and read again, and shows no password.
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/content_range.hpp"
#include "net/url.hpp"

namespace {

using quire::net::ContentRange;
using quire::net::Url;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_url(const Url& url) {
  check(!url.host().empty() && url.port() != 0 && url.target().starts_with('/'));
  const std::string text = url.text();
  for (const char c : text) check(c > ' ' && c < 0x7F);
  const auto again = Url::parse(text);
  check(again.has_value());
  check(again->host() == url.host() && again->port() == url.port());
  check(again->target() == url.target() && again->text() == text && again->user().empty());
  check(again->has_same_origin(url));
  check(url.shown().find('@') == std::string::npos || url.target().find('@') != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto range = ContentRange::parse(text)) {
    check(range->range || range->size);
    if (range->range && range->size) check(range->range->fits(*range->size));
  }
  if (const auto url = Url::parse(text)) check_url(*url);
  static const Url base = Url::parse("https://me:secret@a.example:8443/x/y?q=1").value();
  if (const auto url = base.resolve(text)) {
    check_url(*url);
    check(url->password() != "secret" || text.find("secret") != std::string_view::npos);
  }
  return 0;
}
