// Mapping: a stretch of address space with a file behind it.
//
// A mapping is made once, over more addresses than the file has bytes (`reserve`). When the file
// grows, the new bytes appear behind the old ones: nothing moves, nothing is mapped again. Touching
// a page past the end of the file raises SIGBUS; who hands out pointers checks the size first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quire/access_hint.hpp"
#include "quire/byte_range.hpp"
#include "quire/error.hpp"

namespace quire::os {

enum class MapAccess : std::uint8_t {
  read,          // shared; stores are a bug
  read_write,    // shared; stores reach the file
  private_copy,  // private and writable: stores stay in this process, and so do pages past the
                 // end of the file, which are zeros and not SIGBUS
};

// Move-only; a moved-from mapping is empty. Thread-compatible. Unmaps on destruction.
class Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  // Maps the file `descriptor`, from its first byte, over `reserve` bytes of addresses rounded up
  // to 2 MiB and aligned to it. If the process may not have that much, takes half, and again, down
  // to `file_size`. The descriptor may be closed afterwards.
  // Errors: invalid_argument (reserve < file_size), capacity (not even file_size), io, permission.
  [[nodiscard]] static Result<Mapping> map_file(int descriptor, MapAccess access,
                                                std::uint64_t file_size, std::uint64_t reserve);

  // Maps the `window` of the file alone; data() is its first byte, and size() at least its length.
  // Bytes of the file around it are mapped where pages demand it: who hands out pointers keeps
  // inside. Huge pages fit it as they fit the whole file. Errors: as map_file.
  [[nodiscard]] static Result<Mapping> map_window(int descriptor, MapAccess access,
                                                  ByteRange window);

  // `length` bytes of private zeros, 2 MiB-aligned. Errors: capacity.
  [[nodiscard]] static Result<Mapping> anonymous(std::uint64_t length);

  // Says how a range will be read, in whole pages; ranges outside are ignored. Never changes what
  // is read: dont_need takes pages only out of maps that find them in the file again. Advice: what
  // the system makes of it is not told.
  void advise(ByteRange range, AccessHint access) const noexcept;

  // Drops the pages of the range that a private copy made its own, whole ones at both ends: they are
  // the file's again. REQUIRES: MapAccess::private_copy. Errors: io.
  [[nodiscard]] Result<void> forget_stores(ByteRange range) const;

  std::byte* data() const noexcept { return base_ + before_; }
  // Reserved bytes: how far a file may grow under this mapping.
  std::size_t size() const noexcept { return size_ - before_; }

 private:
  Mapping(std::byte* base, std::size_t before, std::size_t size, bool shared) noexcept
      : base_(base), before_(before), size_(size), shared_(shared) {}

  std::byte* base_ = nullptr;
  std::size_t before_ = 0;  // bytes mapped before data(), because pages begin there
  std::size_t size_ = 0;
  bool shared_ = false;  // with the file: no store is in the map alone
};

// What opening reserves by default for a file of `size` bytes: the larger of 1 GiB and 16 times the
// size, rounded up to 2 MiB.
[[nodiscard]] std::uint64_t default_reserve(std::uint64_t size) noexcept;

}  // namespace quire::os
