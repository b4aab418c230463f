// Checksums: XXH3, 64 bits, of the xxHash library. Every on-disk structure of Quire uses it.
// The specification of the algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace quire::base {

// XXH3_64bits_withSeed of `bytes`; seed 0 is XXH3_64bits.
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes,
                                     std::uint64_t seed = 0) noexcept;

// The same over bytes that come in pieces. Single-thread.
class Checksum {
 public:
  explicit Checksum(std::uint64_t seed = 0);
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  ~Checksum();

  void update(std::span<const std::byte> bytes) noexcept;
  // Of everything given so far; more may follow.
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quire::base
