// The XML of S3: lists that servers send, and the list of parts that they want.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quire/s3.hpp"

namespace quire::remote {

struct S3Upload {
  std::string key;
  std::string id;
  std::optional<std::chrono::sys_seconds> initiated = std::nullopt;  // if the server tells
};

// Of the parts of an upload.
struct S3PartPage {
  std::optional<std::chrono::sys_seconds> latest = std::nullopt;
  bool is_last = true;
  std::string next = {};
};

struct S3UploadPage {
  std::vector<S3Upload> uploads;
  bool is_last = true;
  std::string next_key = {};
  std::string next_id = {};
};

// Errors of all: network (what came is none of it).
[[nodiscard]] Result<S3Page> parse_object_list(std::string_view xml);
[[nodiscard]] Result<S3UploadPage> parse_upload_list(std::string_view xml);
[[nodiscard]] Result<S3PartPage> parse_part_list(std::string_view xml);
[[nodiscard]] Result<std::string> parse_upload_id(std::string_view xml);
[[nodiscard]] Result<void> parse_completion(std::string_view xml);

// The body that completes an upload: the ETags of its parts, the first one's number is 1.
[[nodiscard]] std::string completion_of(const std::vector<std::string>& etags);

// "2009-10-12T17:50:30.000Z", of the years 1970 to 2200; nothing if it is none.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_s3_time(std::string_view text);

}  // namespace quire::remote
