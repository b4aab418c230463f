// Where S3Options lead: what they leave out comes from the environment and the shared files.
#pragma once

#include <memory>
#include <string>

#include "quire/s3.hpp"
#include "remote/aws_environment.hpp"
#include "remote/s3_credentials.hpp"

namespace quire::remote {

struct S3Settings {
  std::string endpoint = {};  // empty: Amazon's
  std::string region = {};
  std::string ca_file = {};  // empty: what HttpSourceOptions says of it
  std::shared_ptr<Credentials> credentials = {};

  // Errors: invalid_argument, and those of files that are there and cannot be read.
  [[nodiscard]] static Result<S3Settings> of(const S3Options& options);
  // All but the credentials, with another environment than the process's.
  [[nodiscard]] static Result<S3Settings> of(const S3Options& options,
                                             const AwsEnvironment& process);
};

}  // namespace quire::remote
