// The servers that clouds run beside a container and beside a machine, which know its credentials.
//
// Whoever names such a server in the environment could otherwise have anybody asked, with a secret token in a header: so only the
// addresses that AWS's tools know, and the machine's own, are connected to, and no redirect is followed.
#pragma once

#include <string>

#include "remote/aws_environment.hpp"
#include "remote/s3_credentials.hpp"

namespace quire::remote {

// "Container credential provider", AWS SDKs and Tools Reference Guide. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI at 169.254.170.2, or
// AWS_CONTAINER_CREDENTIALS_FULL_URI: http, at this machine, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]. Errors where one of
// them is set: denied_by_policy (another place), invalid_argument (no URI, or a token that is none), and what
// keeps the server from answering.
class ContainerCredentials final : public CredentialsProvider {
 public:
  explicit ContainerCredentials(const AwsEnvironment& environment) : environment_(environment) {}
  std::string name() const override { return "the container"; }
  Result<Found> get(const ReadOptions& options) override;

 private:
  const AwsEnvironment environment_;
};

// "IMDS credential provider", the same guide: version 2 only, which wants a token first. At 169.254.169.254 or [fd00:ec2::254], or where
// AWS_EC2_METADATA_SERVICE_ENDPOINT says: one of these, or this machine. A place where nobody answers, or where there is no role,
// has no credentials. Errors: denied_by_policy and invalid_argument (that endpoint), network (a strange answer).
class InstanceCredentials final : public CredentialsProvider {
 public:
  explicit InstanceCredentials(const AwsEnvironment& environment) : environment_(environment) {}
  std::string name() const override { return "the instance metadata"; }
  Result<Found> get(const ReadOptions& options) override;

 private:
  const AwsEnvironment environment_;
};

}  // namespace quire::remote
