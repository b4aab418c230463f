#include "base/random.hpp"

#include <random>

namespace quire::base {

std::uint64_t random_u64() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace quire::base
