// Bytes: an immutable, reference-counted slice of memory.
//
// Use it to hand bytes around without copying and without asking who frees them: a slice of a mapped
// file keeps the map alive, a slice of a network buffer keeps the buffer alive. Slicing never copies.
//
//     quire::Bytes header = all.slice(0, 64).value();
//     parse(header.span());          // valid as long as `header` or any copy of it lives
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// Thread-compatible, like std::shared_ptr: different copies may be used from different threads.
class QUIRE_EXPORT Bytes {
 public:
  Bytes() noexcept = default;

  // Takes over a buffer.
  static Bytes own(std::vector<std::byte> buffer);
  // Copies.
  static Bytes copy(std::span<const std::byte> bytes);
  // Borrows `bytes`, which stay valid while `owner` (any shared object) lives.
  static Bytes borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) noexcept;

  std::span<const std::byte> span() const noexcept { return span_; }
  const std::byte* data() const noexcept { return span_.data(); }
  std::size_t size() const noexcept { return span_.size(); }
  bool empty() const noexcept { return span_.empty(); }
  // The same bytes seen as characters.
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(span_.data()), span_.size()};
  }

  // The bytes [offset, offset + length) of this slice, sharing its owner.
  // Errors: out_of_range.
  [[nodiscard]] Result<Bytes> slice(std::uint64_t offset, std::uint64_t length) const;

 private:
  Bytes(std::span<const std::byte> span, std::shared_ptr<const void> owner) noexcept
      : span_(span), owner_(std::move(owner)) {}

  std::span<const std::byte> span_;
  std::shared_ptr<const void> owner_;
};

}  // namespace v0
}  // namespace quire
