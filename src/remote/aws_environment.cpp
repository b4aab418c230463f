#include "remote/aws_environment.hpp"

#include <cstdlib>

namespace quire::remote {

namespace {

constexpr const char* kNames[] = {"AWS_ACCESS_KEY_ID",
                                  "AWS_SECRET_ACCESS_KEY",
                                  "AWS_SESSION_TOKEN",
                                  "AWS_ROLE_ARN",
                                  "AWS_WEB_IDENTITY_TOKEN_FILE",
                                  "AWS_PROFILE",
                                  "AWS_SHARED_CREDENTIALS_FILE",
                                  "AWS_CONFIG_FILE",
                                  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                  "AWS_EC2_METADATA_DISABLED",
                                  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                  "AWS_REGION",
                                  "AWS_DEFAULT_REGION",
                                  "AWS_ENDPOINT_URL",
                                  "AWS_ENDPOINT_URL_S3",
                                  "AWS_CA_BUNDLE",
                                  "HOME"};

}  // namespace

AwsEnvironment AwsEnvironment::of_process() {
  std::map<std::string, std::string, std::less<>> values;
  for (const char* name : kNames) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the caller sees to it.
    if (const char* value = std::getenv(name); value != nullptr) values.emplace(name, value);
  }
  return AwsEnvironment(std::move(values));
}

std::optional<std::string> AwsEnvironment::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

}  // namespace quire::remote
