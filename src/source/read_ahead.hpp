// ReadAhead: sees sequential readers in a stream of reads, and says what to fetch before they ask.
//
// Rules:
//   1. Up to kStreams readers are followed, each by the offset where its next read would begin. A read that
//      begins there is adjacent; any other read begins a stream of its own, in place of the one that was
//      quiet for longest.
//   2. The second adjacent read of a stream starts its first window, of kFirstBlocks blocks, behind the
//      block that the read ends in. Random reads start nothing.
//   3. When the reader reaches into the newest window, the next one is due: behind it, twice as long, up
//      to half of `max_bytes`. So at most `max_bytes` lie ahead of a reader, and while he goes through
//      one half the other is on its way. A reader who has overtaken his window gets one in front of him.
//   4. A stream has one window on its way at a time.
// Windows are whole blocks; only the end of the object cuts them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "quire/byte_range.hpp"

namespace quire::source {

// Single-thread: pure bookkeeping, reads nothing.
class ReadAhead {
 public:
  static constexpr std::size_t kStreams = 8;
  static constexpr std::uint64_t kFirstBlocks = 2;

  struct Window {
    std::uint64_t stream = 0;  // for finished()
    ByteRange range;
  };
  struct Advice {
    bool adjacent = false;  // begins where an earlier read ended
    std::optional<Window> fetch = std::nullopt;
  };

  // For an object of `size` bytes in blocks of `block_bytes`. With a `max_bytes` under one block nothing is
  // fetched ahead.
  ReadAhead(std::uint64_t size, std::uint64_t block_bytes, std::uint64_t max_bytes);

  // Takes note of a read inside the object, which is not empty.
  Advice observe(ByteRange read);
  // A window that was advised has come, or will not.
  void finished(std::uint64_t stream);

 private:
  struct Stream {
    std::uint64_t name = 0;  // 0: not in use
    std::uint64_t next = 0;
    std::uint64_t last_seen = 0;
    unsigned adjacent = 0;
    ByteRange window;  // the newest; empty if there was none
    bool on_its_way = false;
  };

  Stream* stream_at(std::uint64_t offset);
  Stream& quietest();
  std::optional<Window> advance(Stream& stream) const;
  std::uint64_t block_end(std::uint64_t offset) const;

  const std::uint64_t size_;
  const std::uint64_t block_bytes_;
  const std::uint64_t first_window_;
  const std::uint64_t last_window_;  // bytes of the longest; 0 for no reading ahead
  std::array<Stream, kStreams> streams_;
  std::uint64_t reads_ = 0;
  std::uint64_t names_ = 0;
};

}  // namespace quire::source
