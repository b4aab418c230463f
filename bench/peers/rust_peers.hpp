// The Rust crates that Quire is measured against. Each function runs a whole loop in Rust and returns
// seconds; NaN if it failed, or if this build has no peers (see bench/CMakeLists.txt).
#pragma once

#include <cstdint>

extern "C" {

// `threads` threads each make `writes` writes of 64 bytes in their own part of the first `size` bytes of
// an existing file, `step` bytes apart, over and over. Opening, and a first round over all pages, come
// before the time.
double quire_peer_ranged_mmap_disjoint(const char* path, std::uint64_t size, std::uint64_t step,
                                       std::uint64_t threads, std::uint64_t writes);
double quire_peer_mmap_io_disjoint(const char* path, std::uint64_t size, std::uint64_t step,
                                   std::uint64_t threads, std::uint64_t writes);

// The benchmark that ranged-mmap has for itself: a new file, ranges of `chunk` bytes, range i to worker
// i % workers, which makes its bytes and writes them; then one sync, and the file is released.
double quire_peer_ranged_mmap_chunks(const char* path, std::uint64_t size, std::uint64_t chunk,
                                     std::uint64_t workers);
}
