#include "base/random.hpp"

#include <random>

namespace quire::base {

std::uint64_t random_u64() {
  // Made once a thread: making one asks the processor what it can do, which is slow in a virtual machine.
  thread_local std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace quire::base
