// VersionTable: every put and remove of a generation, in the order of their LSNs.
//
// Invariants:
//   1. Versions are appended by one writer and never move: chunk k holds 2^(k+10) of them, so a number
//      leads to its place by arithmetic, and growing allocates one chunk.
//   2. A version is complete before its number is published (in the index, or as a count in a view);
//      after that only `superseded` changes, once.
//   3. Version i is entry i of the slots file, so a checkpoint appends the tail of this table.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace quire::vector {

inline constexpr std::uint64_t kNoRow = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t kNotSuperseded = std::numeric_limits<std::uint64_t>::max();

struct Version {
  std::uint64_t id;
  std::uint64_t lsn;
  std::uint64_t row;           // kNoRow for a remove
  std::uint64_t row_checksum;  // 0 for a remove
  std::uint64_t older;         // number + 1 of the version before it of the same id; 0 if none
  std::uint64_t superseded;    // LSN of the version after it; read and written through atomics

  bool is_put() const noexcept { return row != kNoRow; }

  // Relaxed is enough: a view at LSN v asks only whether this is at most v. If it is, the writer set it
  // before it published v, and the view was made after that; if it is not, any stale value says so too.
  std::uint64_t superseded_at() const noexcept {
    return std::atomic_ref<const std::uint64_t>(superseded).load(std::memory_order_relaxed);
  }
  void supersede(std::uint64_t by_lsn) noexcept {
    std::atomic_ref<std::uint64_t>(superseded).store(by_lsn, std::memory_order_relaxed);
  }
  // True if a view at `view_lsn` shows this version's row.
  bool is_live_at(std::uint64_t view_lsn) const noexcept {
    return is_put() && lsn <= view_lsn && superseded_at() > view_lsn;
  }
};

// One thread appends; any number read what was published to them.
class VersionTable {
 public:
  std::uint64_t size() const noexcept { return size_; }  // writer only

  // Writer only. Returns the new version's number.
  std::uint64_t append(const Version& version) {
    const Place place = place_of(size_);
    Version* chunk = chunks_[place.chunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      owned_[place.chunk] = std::make_unique_for_overwrite<Version[]>(chunk_size(place.chunk));
      chunk = owned_[place.chunk].get();
      // Relaxed: the version's number is published with release, and readers come by that number.
      chunks_[place.chunk].store(chunk, std::memory_order_relaxed);
    }
    chunk[place.offset] = version;
    return size_++;
  }

  // REQUIRES: `number` was published to the caller.
  Version& operator[](std::uint64_t number) noexcept { return *find(number); }
  const Version& operator[](std::uint64_t number) const noexcept { return *find(number); }

 private:
  static constexpr unsigned kFirstBits = 10;
  static constexpr std::size_t kChunks = 48;

  struct Place {
    std::size_t chunk;
    std::uint64_t offset;
  };
  static std::uint64_t chunk_size(std::size_t chunk) noexcept {
    return std::uint64_t{1} << (chunk + kFirstBits);
  }
  static Place place_of(std::uint64_t number) noexcept {
    const std::uint64_t shifted = number + (std::uint64_t{1} << kFirstBits);
    const auto chunk = static_cast<std::size_t>(std::bit_width(shifted)) - 1 - kFirstBits;
    if (chunk >= kChunks) std::unreachable();  // 2^58 versions; tells compilers that it is in range
    return {chunk, shifted - chunk_size(chunk)};
  }
  Version* find(std::uint64_t number) const noexcept {
    const Place place = place_of(number);
    return chunks_[place.chunk].load(std::memory_order_relaxed) + place.offset;
  }

  std::array<std::atomic<Version*>, kChunks> chunks_{};
  std::array<std::unique_ptr<Version[]>, kChunks> owned_;
  std::uint64_t size_ = 0;
};

}  // namespace quire::vector
