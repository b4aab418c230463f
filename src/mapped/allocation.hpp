// Giving a file its bytes: disk space where it can be had, zeros where not.
#pragma once

#include <cstdint>

#include "os/file_system.hpp"
#include "quire/error.hpp"

namespace quire::mapped {

// Lengthens `file`, which is `from` bytes long, to `to` bytes of zeros behind the old ones. Unless
// `sparse`, their space is allocated; where the file system cannot, zeros are written. On an error
// the file is `from` bytes long again. Errors: no_space, capacity, io.
[[nodiscard]] Result<void> lengthen(os::File& file, std::uint64_t from, std::uint64_t to,
                                    bool sparse);

// True if all space that the file needs is allocated and stays so.
[[nodiscard]] bool has_all_its_space(os::File& file);

// Why touching a page of the range faulted, by a look at the file: truncated if it ends before the
// range does, no_space if it has holes and the disk is full, else io.
[[nodiscard]] Error fault_error(os::File& file, const char* operation, ByteRange range);

}  // namespace quire::mapped
