// read_awaitable: an asynchronous read for coroutines.
//
//     Task copy_header(std::shared_ptr<const quire::ByteSource> source) {       // your coroutine type
//       quire::Result<quire::Bytes> header = co_await quire::read_awaitable(*source, 0, 64);
//       …                                                    // on a thread of the default executor
//     }
#pragma once

#include <cstdint>
#include <utility>

#include "quire/async_await.hpp"
#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/completion.hpp"

namespace quire {
inline namespace v0 {

// The read of [offset, offset + length), as an Awaitable (quire/async_await.hpp): it begins when it is
// awaited, and gives what ByteSource::read returns. It keeps the source alive. The coroutine goes on on
// the default executor. To end the wait early, request stop through the options.
[[nodiscard]] inline auto read_awaitable(const ByteSource& source, std::uint64_t offset,
                                         std::uint64_t length, const ReadOptions& options = {}) {
  return as_awaitable(
      [source = source.shared_from_this(), offset, length, options](Completion<Bytes> done) {
        source->read_async(offset, length, std::move(done), options);
      });
}

}  // namespace v0
}  // namespace quire
