#include "vector/network_refusal.hpp"

namespace quire::vector {

Result<void> refuse_network_file_system(os::FileSystem& file_system, const char* operation,
                                        const std::string& directory) {
  auto kind = file_system.kind_of(directory);
  if (!kind && kind.error().code() == ErrorCode::not_found) {
    kind = file_system.kind_of(os::parent_directory(directory));
  }
  if (!kind || !kind->is_network) return {};
  return std::unexpected(
      Error(ErrorCode::unsupported, operation)
          .with_path(directory)
          .with_detail("this is on " + kind->name +
                       ", a network file system, where maps and locks are not safe; the option "
                       "allow_network_file_system takes the risk"));
}

}  // namespace quire::vector
