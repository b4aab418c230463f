// Buffers for bytes that are about to be read: without zeros written first.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "quire/bytes.hpp"

namespace quire::source {

// Single-thread, until it is taken.
class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : bytes_(std::make_shared_for_overwrite<std::byte[]>(size)), size_(size) {}

  std::span<std::byte> span() noexcept { return {bytes_.get(), size_}; }
  // The bytes, once all of them are written.
  Bytes take() && {
    const std::span<const std::byte> all(bytes_.get(), size_);
    return Bytes::borrow(all, std::move(bytes_));
  }

 private:
  std::shared_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

}  // namespace quire::source
