// AwsEnvironment: what the environment says to those who speak with AWS, or with what speaks its language.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace quire::remote {

// A value: what was so when it was read.
class AwsEnvironment {
 public:
  // Reads the variables that anybody here asks for. REQUIRES: no other thread changes the environment meanwhile.
  [[nodiscard]] static AwsEnvironment of_process();
  explicit AwsEnvironment(std::map<std::string, std::string, std::less<>> values = {})
      : values_(std::move(values)) {}

  // Nothing also if it is empty. REQUIRES: `name` is one that of_process reads.
  [[nodiscard]] std::optional<std::string> find(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace quire::remote
