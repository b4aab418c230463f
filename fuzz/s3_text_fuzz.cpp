// What S3 servers say, and the shared files of the AWS tools: whatever it is, it is taken or refused, and no word of a stranger gets
// into a message that is not a word.
#include <cstdlib>
#include <string>
#include <string_view>

#include "remote/aws_profile.hpp"
#include "remote/s3_error.hpp"
#include "remote/s3_listing.hpp"

namespace {

using namespace quire::remote;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_word(const std::string& word) {
  check(word.size() <= 64);
  for (const char c : word) check(c > ' ' && c < 0x7F && c != '/' && c != '<');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto page = parse_object_list(text)) {
    for (const auto& object : page->objects) check(object.key.size() <= size);
  }
  (void)parse_upload_list(text);
  (void)parse_part_list(text);
  (void)parse_completion(text);
  if (const auto id = parse_upload_id(text)) check(!id->empty());
  (void)parse_s3_time(text);
  (void)parse_aws_sections(text);
  (void)quire::S3Location::parse(text);
  const S3Error error = S3Error::of({.head = {}, .body = std::string(text)});
  check_word(error.code);
  check_word(error.region);
  (void)verdict_of(403, error);
  // What is written can be read.
  const std::string xml = completion_of({std::string(text.substr(0, text.find('\0')))});
  check(xml.starts_with("<CompleteMultipartUpload>"));
  return 0;
}
