// What is linked where the Rust peers cannot be built.
#include <limits>

#include "bench/peers/rust_peers.hpp"

namespace {
constexpr double kNotAvailable = std::numeric_limits<double>::quiet_NaN();
}

double quire_peer_ranged_mmap_disjoint(const char* /*path*/, std::uint64_t /*size*/,
                                       std::uint64_t /*step*/, std::uint64_t /*threads*/,
                                       std::uint64_t /*writes*/) {
  return kNotAvailable;
}

double quire_peer_mmap_io_disjoint(const char* /*path*/, std::uint64_t /*size*/,
                                   std::uint64_t /*step*/, std::uint64_t /*threads*/,
                                   std::uint64_t /*writes*/) {
  return kNotAvailable;
}

double quire_peer_ranged_mmap_chunks(const char* /*path*/, std::uint64_t /*size*/,
                                     std::uint64_t /*chunk*/, std::uint64_t /*workers*/) {
  return kNotAvailable;
}
