// From errno to Error: built once, where the system call failed.
#pragma once

#include <string>

#include "quire/error.hpp"

namespace quire::os {

// The code that stands for an errno in the table of quire/error.hpp.
[[nodiscard]] ErrorCode code_of_errno(int errno_value) noexcept;

// An error for `operation` on `path`, with the given errno.
[[nodiscard]] Error errno_error(const char* operation, int errno_value, std::string path);
[[nodiscard]] Error errno_error(const char* operation, int errno_value, std::string path,
                                ByteRange range);
// The same for a read of a file: a device that gives up waiting has failed, whatever its driver calls that (ETIMEDOUT).
[[nodiscard]] Error read_error(int errno_value, std::string path, ByteRange range);

}  // namespace quire::os
