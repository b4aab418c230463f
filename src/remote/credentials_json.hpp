// Credentials as the servers of clouds write them.
#pragma once

#include <string_view>

#include "quire/error.hpp"
#include "remote/s3_credentials.hpp"

namespace quire::remote {

// Takes {"AccessKeyId": …, "SecretAccessKey": …, "Token": …, "Expiration": "2030-01-02T03:04:05Z"}; the last two may be missing, and
// others may be there. Errors: network (it is something else), unauthenticated (its "Code" says that there are none). They
// show nothing of the text but that code.
[[nodiscard]] Result<S3Credentials> credentials_of_json(std::string_view text);

// "2030-01-02T03:04:05Z", also with parts of a second, and "+02:00" for the Z. Nothing if it is something else.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_time(std::string_view text);

}  // namespace quire::remote
