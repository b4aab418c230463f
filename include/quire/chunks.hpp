// Chunks: a stretch of bytes, or a whole mapped file, taken piece by piece.
//
// Three ways, by what you need:
//   - `chunks(file, n)` and `pages(file)`: a range of spans into the file. Nothing is copied; it
//     works with everything that takes a random-access range.
//   - `for_each_chunk(file, n, f)`: each chunk is copied before `f` sees it, so that a file which
//     another process cuts, or a device that fails, is an error and not a SIGBUS. For files that
//     are not yours alone.
//   - `for_each_mutable_chunk(file, n, f)`: changes the file in place.
//
//     for (auto page : quire::pages(file).value()) count(page);
//
//     auto all = quire::chunks(file, 1 << 20).value();
//     for (std::size_t i = thread; i < all.size(); i += threads) scan(all[i]);
//
//     auto done = quire::for_each_chunk(file, 1 << 20, [&](std::uint64_t, auto chunk) {
//       checksum.add(chunk);
//     });
//     if (!done) return report(done.error());
//
// Chunk number i begins at byte i * chunk_bytes. Every chunk has that many bytes, but for the last
// one, which has what is left. Of no bytes there are no chunks.
#pragma once

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_file.hpp"

namespace quire {

namespace mapped {
// The error for chunks of no bytes.
[[nodiscard]] QUIRE_EXPORT Error no_chunk_bytes();
}  // namespace mapped

inline namespace v0 {

// A view: a random-access, sized range of spans. A value that neither owns nor touches the bytes:
// cheap to copy, and its iterators and spans stay valid without it (it is a borrowed range), as
// long as the bytes do. Thread-compatible; different threads may take chunks of the same view.
template <class Byte>
class BasicChunks : public std::ranges::view_interface<BasicChunks<Byte>> {
 public:
  class Iterator;

  // The chunks of `bytes`. Errors: invalid_argument (`chunk_bytes` is 0).
  [[nodiscard]] static Result<BasicChunks> of(std::span<Byte> bytes, std::uint64_t chunk_bytes) {
    if (chunk_bytes == 0) return std::unexpected(mapped::no_chunk_bytes());
    return BasicChunks(bytes, chunk_bytes);
  }

  std::uint64_t chunk_bytes() const noexcept { return chunk_bytes_; }
  // How many chunks there are.
  std::size_t size() const noexcept {
    return static_cast<std::size_t>(bytes_.size() / chunk_bytes_) +
           (bytes_.size() % chunk_bytes_ == 0 ? 0 : 1);
  }
  Iterator begin() const noexcept { return {bytes_, chunk_bytes_, 0}; }
  Iterator end() const noexcept {
    return {bytes_, chunk_bytes_, static_cast<std::ptrdiff_t>(size())};
  }

 private:
  BasicChunks(std::span<Byte> bytes, std::uint64_t chunk_bytes) noexcept
      : bytes_(bytes), chunk_bytes_(chunk_bytes) {}

  std::span<Byte> bytes_;
  std::uint64_t chunk_bytes_;
};

template <class Byte>
class BasicChunks<Byte>::Iterator {
 public:
  using iterator_concept = std::random_access_iterator_tag;
  // What it gives is a value, and older algorithms call that an input iterator.
  using iterator_category = std::input_iterator_tag;
  using value_type = std::span<Byte>;
  using difference_type = std::ptrdiff_t;

  Iterator() noexcept = default;

  value_type operator*() const noexcept {
    const std::uint64_t from = static_cast<std::uint64_t>(number_) * chunk_bytes_;
    return bytes_.subspan(from, std::min<std::uint64_t>(chunk_bytes_, bytes_.size() - from));
  }
  value_type operator[](difference_type n) const noexcept { return *(*this + n); }

  Iterator& operator+=(difference_type n) noexcept {
    number_ += n;
    return *this;
  }
  Iterator& operator-=(difference_type n) noexcept { return *this += -n; }
  Iterator& operator++() noexcept { return *this += 1; }
  Iterator& operator--() noexcept { return *this -= 1; }
  Iterator operator++(int) noexcept {
    const Iterator before = *this;
    ++*this;
    return before;
  }
  Iterator operator--(int) noexcept {
    const Iterator before = *this;
    --*this;
    return before;
  }

  friend Iterator operator+(Iterator at, difference_type n) noexcept { return at += n; }
  friend Iterator operator+(difference_type n, Iterator at) noexcept { return at += n; }
  friend Iterator operator-(Iterator at, difference_type n) noexcept { return at -= n; }
  // REQUIRES of these: iterators of the same bytes and chunk size.
  friend difference_type operator-(const Iterator& a, const Iterator& b) noexcept {
    return a.number_ - b.number_;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
    return a.number_ == b.number_;
  }
  friend std::strong_ordering operator<=>(const Iterator& a, const Iterator& b) noexcept {
    return a.number_ <=> b.number_;
  }

 private:
  friend class BasicChunks;
  Iterator(std::span<Byte> bytes, std::uint64_t chunk_bytes, difference_type number) noexcept
      : bytes_(bytes), chunk_bytes_(chunk_bytes), number_(number) {}

  std::span<Byte> bytes_;
  std::uint64_t chunk_bytes_ = 1;
  difference_type number_ = 0;
};

using Chunks = BasicChunks<const std::byte>;
using MutableChunks = BasicChunks<std::byte>;

// The file as chunks, up to the size that it has now: what is grown later is not seen. The spans
// are those of `MappedFile::bytes`: growth leaves them valid, a shrink ends those beyond it, and
// they are unguarded. Errors: closed, invalid_argument (`chunk_bytes` is 0).
[[nodiscard]] QUIRE_EXPORT Result<Chunks> chunks(const MappedFile& file QUIRE_LIFETIMEBOUND,
                                                 std::uint64_t chunk_bytes);
// The file as pages of the system; see `page_size`. Errors: closed.
[[nodiscard]] QUIRE_EXPORT Result<Chunks> pages(const MappedFile& file QUIRE_LIFETIMEBOUND);

// What can be called for each chunk: with its offset in the file and its bytes. It may return
// nothing, or a Result<void>, of which the first error ends the pass.
template <class F, class Byte>
concept ChunkVisitor =
    std::invocable<F&, std::uint64_t, std::span<Byte>> &&
    (std::is_void_v<std::invoke_result_t<F&, std::uint64_t, std::span<Byte>>> ||
     std::same_as<std::invoke_result_t<F&, std::uint64_t, std::span<Byte>>, Result<void>>);

}  // namespace v0

namespace mapped {

// A call of a visitor, without its type. Does not own it.
template <class Byte>
class ChunkCall {
 public:
  template <class F>
  explicit ChunkCall(F& visitor) noexcept : visitor_(std::addressof(visitor)), call_(&call<F>) {}

  Result<void> operator()(std::uint64_t offset, std::span<Byte> chunk) const {
    return call_(visitor_, offset, chunk);
  }

 private:
  template <class F>
  static Result<void> call(void* visitor, std::uint64_t offset, std::span<Byte> chunk) {
    return (*static_cast<F*>(visitor))(offset, chunk);
  }

  void* visitor_;
  Result<void> (*call_)(void* visitor, std::uint64_t offset, std::span<Byte> chunk);
};

// What `f` answers, as a Result.
template <class Byte, class F>
auto with_result(F& f) {
  return [&f](std::uint64_t offset, std::span<Byte> chunk) -> Result<void> {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, std::uint64_t, std::span<Byte>>>) {
      std::invoke(f, offset, chunk);
      return {};
    } else {
      return std::invoke(f, offset, chunk);
    }
  };
}

[[nodiscard]] QUIRE_EXPORT Result<void> visit_copies(const MappedFile& file,
                                                     std::uint64_t chunk_bytes,
                                                     ChunkCall<const std::byte> visitor);
[[nodiscard]] QUIRE_EXPORT Result<void> visit_in_place(MappedFile& file, std::uint64_t chunk_bytes,
                                                       ChunkCall<std::byte> visitor);

}  // namespace mapped

inline namespace v0 {

// Calls `f(offset, chunk)` for each chunk of the file, from front to back, up to the size that the
// file has now. A chunk is a copy in one buffer, valid during the call, and whole: `f` is not
// called for one that cannot be read. The buffer has `chunk_bytes`, or the file's size if that is
// smaller; 64 KiB to 1 MiB are a good choice.
//
// The first error of `f` ends the pass and is returned. What `f` throws goes to the caller.
// Errors: closed, invalid_argument (`chunk_bytes` is 0), truncated (the file was cut by someone
//   else), out_of_range (it was shrunk meanwhile, through one of its own handles), io, no_space.
template <ChunkVisitor<const std::byte> F>
[[nodiscard]] Result<void> for_each_chunk(const MappedFile& file, std::uint64_t chunk_bytes,
                                          F&& f) {
  auto visitor = mapped::with_result<const std::byte>(f);
  return mapped::visit_copies(file, chunk_bytes, mapped::ChunkCall<const std::byte>(visitor));
}

// The same in place: what `f` stores into a chunk is stored in the file. The chunks are plain
// memory, unguarded: if another process cuts the file, or a hole meets a full disk, touching them
// raises SIGBUS.
//
// The pass counts as one write of all that was visited, also when `f` ends it early or throws: a
// flush policy that this makes due flushes once, at its end. What was changed before an error stays
// changed.
// Errors: closed, wrong_mode (the file is read-only, empty or not), invalid_argument (`chunk_bytes`
//   is 0), out_of_range (as above), and at the end those of `MappedFile::mark_dirty`, unless there
//   was one before.
template <ChunkVisitor<std::byte> F>
[[nodiscard]] Result<void> for_each_mutable_chunk(MappedFile& file, std::uint64_t chunk_bytes,
                                                  F&& f) {
  auto visitor = mapped::with_result<std::byte>(f);
  return mapped::visit_in_place(file, chunk_bytes, mapped::ChunkCall<std::byte>(visitor));
}

}  // namespace v0
}  // namespace quire

template <class Byte>
inline constexpr bool std::ranges::enable_borrowed_range<quire::BasicChunks<Byte>> = true;
