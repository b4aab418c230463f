// Where credentials are looked for, and in which order.
#pragma once

#include <memory>
#include <vector>

#include "quire/error.hpp"
#include "remote/aws_environment.hpp"
#include "remote/s3_credentials.hpp"

namespace quire::remote {

// Errors: invalid_argument (half a key, or a key and `anonymous`).
[[nodiscard]] Result<std::vector<std::unique_ptr<CredentialsProvider>>> credentials_places(
    const CredentialsOptions& options, const AwsEnvironment& environment);

}  // namespace quire::remote
