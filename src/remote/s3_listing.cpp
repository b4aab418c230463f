#include "remote/s3_listing.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <pugixml.hpp>

#include "base/try.hpp"
#include "net/url.hpp"

namespace quire::remote {

namespace {

std::unexpected<Error> refuse(const char* why) {
  return std::unexpected(Error(ErrorCode::network, "read").with_detail(why));
}

// The document's root, if it has that name.
Result<pugi::xml_node> parse(pugi::xml_document& document, std::string_view xml,
                             std::string_view name) {
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  if (parsed.status == pugi::status_out_of_memory) throw std::bad_alloc();
  const pugi::xml_node root = document.document_element();
  if (!parsed || name != root.name())
    return refuse("the server's answer is not what was asked for");
  return root;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_true(std::string_view text) { return text == "true"; }

// Keys come escaped where that was asked for and the server can.
class Keys {
 public:
  explicit Keys(const pugi::xml_node& root)
      : escaped_(std::string_view(root.child_value("EncodingType")) == "url") {}

  Result<std::string> read(const char* text) const {
    if (!escaped_) return std::string(text);
    std::string form = text;
    std::ranges::replace(form, '+', ' ');
    auto key = net::unescaped(form);
    if (!key) return refuse("a key in the server's list is wrongly escaped");
    return *std::move(key);
  }

 private:
  bool escaped_;
};

}  // namespace

std::optional<std::chrono::sys_seconds> parse_s3_time(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  const std::string whole(text.substr(0, 32));
  // NOLINTNEXTLINE(cert-err34-c): what does not fit is checked below.
  if (std::sscanf(whole.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u", &year, &month, &day, &hour, &minute,
                  &second) != 6) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok() || year < 1970 || year > 2200 || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

Result<S3Page> parse_object_list(std::string_view xml) {
  pugi::xml_document document;
  QUIRE_TRY(const pugi::xml_node root, parse(document, xml, "ListBucketResult"));
  const Keys keys(root);
  S3Page page;
  for (const pugi::xml_node node : root.children("Contents")) {
    const auto size = number_of<std::uint64_t>(node.child_value("Size"));
    if (!size) return refuse("an object in the server's list has no size");
    QUIRE_TRY(std::string key, keys.read(node.child_value("Key")));
    page.objects.push_back(
        {.key = std::move(key),
         .size = *size,
         .etag = node.child_value("ETag"),
         .modified =
             parse_s3_time(node.child_value("LastModified")).value_or(std::chrono::sys_seconds())});
  }
  for (const pugi::xml_node node : root.children("CommonPrefixes")) {
    QUIRE_TRY(std::string prefix, keys.read(node.child_value("Prefix")));
    page.prefixes.push_back(std::move(prefix));
  }
  if (is_true(root.child_value("IsTruncated"))) {
    page.next = root.child_value("NextContinuationToken");
    if (page.next.empty())
      return refuse("the server's list is not whole, and does not say how to go on");
  }
  return page;
}

Result<S3UploadPage> parse_upload_list(std::string_view xml) {
  pugi::xml_document document;
  QUIRE_TRY(const pugi::xml_node root, parse(document, xml, "ListMultipartUploadsResult"));
  const Keys keys(root);
  S3UploadPage page;
  for (const pugi::xml_node node : root.children("Upload")) {
    QUIRE_TRY(std::string key, keys.read(node.child_value("Key")));
    page.uploads.push_back({.key = std::move(key),
                            .id = node.child_value("UploadId"),
                            .initiated = parse_s3_time(node.child_value("Initiated"))});
  }
  page.is_last = !is_true(root.child_value("IsTruncated"));
  QUIRE_TRY(page.next_key, keys.read(root.child_value("NextKeyMarker")));
  page.next_id = root.child_value("NextUploadIdMarker");
  return page;
}

Result<S3PartPage> parse_part_list(std::string_view xml) {
  pugi::xml_document document;
  QUIRE_TRY(const pugi::xml_node root, parse(document, xml, "ListPartsResult"));
  S3PartPage page;
  for (const pugi::xml_node node : root.children("Part")) {
    const auto time = parse_s3_time(node.child_value("LastModified"));
    if (time && (!page.latest || *time > *page.latest)) page.latest = time;
  }
  page.is_last = !is_true(root.child_value("IsTruncated"));
  page.next = root.child_value("NextPartNumberMarker");
  return page;
}

Result<std::string> parse_upload_id(std::string_view xml) {
  pugi::xml_document document;
  QUIRE_TRY(const pugi::xml_node root, parse(document, xml, "InitiateMultipartUploadResult"));
  std::string id = root.child_value("UploadId");
  if (id.empty()) return refuse("the server began an upload without a name");
  return id;
}

Result<void> parse_completion(std::string_view xml) {
  pugi::xml_document document;
  QUIRE_CHECK(parse(document, xml, "CompleteMultipartUploadResult"));
  return {};
}

std::string completion_of(const std::vector<std::string>& etags) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  for (std::size_t i = 0; i < etags.size(); ++i) {
    pugi::xml_node part = root.append_child("Part");
    part.append_child("PartNumber").text().set(static_cast<unsigned>(i) + 1);
    part.append_child("ETag").text().set(etags[i].c_str());
  }
  struct Writer final : pugi::xml_writer {
    void write(const void* data, std::size_t size) override {
      text.append(static_cast<const char*>(data), size);
    }
    std::string text;
  } writer;
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration);
  return std::move(writer.text);
}

}  // namespace quire::remote
