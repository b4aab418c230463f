// StorePath: which way bytes take into a mapped file.
//
// The first store into a page of a mapped file faults, which costs several times the copy; a store into
// a page that is mapped already is the fastest there is. So a write of kByCall bytes or more goes
// through the system, which takes whole folios of pages at once, unless earlier ones met all of the
// range since the last flush (which makes pages fault again): what comes again goes through the map.
// Smaller writes always do.
//
// Both ways give the same bytes: the map and the calls share the page cache. Which is taken is guesswork
// about speed, and a wrong guess costs time alone.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "quire/byte_range.hpp"

namespace quire::mapped {

// Thread-safe.
class StorePath {
 public:
  static constexpr std::uint64_t kByCall = std::uint64_t{64} << 10;

  // True if a write of at least kByCall bytes should be made by a call; remembers it.
  bool takes_call(ByteRange range) noexcept;
  // A flush has made pages clean: the next store into each will fault.
  void flushed() noexcept { flushes_.fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kRemembered = 1024;

  // Relaxed is enough for all: what they say is a guess.
  std::atomic<std::uint64_t> flushes_ = 1;
  // The pieces of kByCall bytes that were met last, each in the place of its number: that number + 1,
  // and in the low 16 bits those of flushes_.
  std::array<std::atomic<std::uint64_t>, kRemembered> met_{};
};

}  // namespace quire::mapped
