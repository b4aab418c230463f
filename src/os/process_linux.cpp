#include "os/process.hpp"

#include <unistd.h>

namespace quire::os {

std::int64_t process_id() noexcept { return ::getpid(); }

}  // namespace quire::os
