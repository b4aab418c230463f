#include "source/read_ahead.hpp"

#include <algorithm>

namespace quire::source {

namespace {

// Half of `max_bytes` in whole blocks; one block if that is all there is.
std::uint64_t longest_window(std::uint64_t block_bytes, std::uint64_t max_bytes) {
  if (max_bytes < block_bytes) return 0;
  return std::max<std::uint64_t>(max_bytes / 2 / block_bytes, 1) * block_bytes;
}

}  // namespace

ReadAhead::ReadAhead(std::uint64_t size, std::uint64_t block_bytes, std::uint64_t max_bytes)
    : size_(size),
      block_bytes_(block_bytes),
      first_window_(std::min(kFirstBlocks * block_bytes, longest_window(block_bytes, max_bytes))),
      last_window_(longest_window(block_bytes, max_bytes)) {}

ReadAhead::Advice ReadAhead::observe(ByteRange read) {
  Stream* stream = stream_at(read.offset);
  const bool adjacent = stream != nullptr;
  if (adjacent) {
    ++stream->adjacent;
  } else {
    stream = &quietest();
    *stream = {};
    stream->name = ++names_;
  }
  stream->next = read.end();
  stream->last_seen = ++reads_;
  return {.adjacent = adjacent, .fetch = advance(*stream)};
}

void ReadAhead::finished(std::uint64_t name) {
  for (Stream& stream : streams_) {
    if (stream.name == name) stream.on_its_way = false;
  }
}

std::optional<ReadAhead::Window> ReadAhead::advance(Stream& stream) const {
  if (last_window_ == 0 || stream.adjacent < 2 || stream.on_its_way) return std::nullopt;
  const bool first = stream.window.empty();
  if (!first && stream.next <= stream.window.offset) return std::nullopt;
  const std::uint64_t begin = std::max(stream.window.end(), block_end(stream.next));
  const std::uint64_t length =
      first ? first_window_ : std::min(last_window_, stream.window.length * 2);
  if (begin >= size_) return std::nullopt;
  stream.window = {begin, std::min(length, size_ - begin)};
  stream.on_its_way = true;
  return Window{stream.name, stream.window};
}

ReadAhead::Stream* ReadAhead::stream_at(std::uint64_t offset) {
  const auto found = std::ranges::find_if(
      streams_, [&](const Stream& stream) { return stream.name != 0 && stream.next == offset; });
  return found == streams_.end() ? nullptr : &*found;
}

ReadAhead::Stream& ReadAhead::quietest() {
  return *std::ranges::min_element(streams_, {}, &Stream::last_seen);
}

std::uint64_t ReadAhead::block_end(std::uint64_t offset) const {
  const std::uint64_t rest = offset % block_bytes_;
  if (rest == 0) return offset;
  return std::min(block_bytes_ - rest, size_ - offset) + offset;
}

}  // namespace quire::source
