// read_future: an asynchronous read whose result comes through a std::future.
//
//     auto header = quire::read_future(*source, 0, 64);
//     …                                                    // something else meanwhile
//     quire::Result<quire::Bytes> bytes = header.get();
//
// Waiting for it on a thread of the default executor may wait for ever: the read needs one of them.
#pragma once

#include <cstdint>
#include <future>
#include <utility>

#include "quire/async_future.hpp"
#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/completion.hpp"
#include "quire/error.hpp"

namespace quire {
inline namespace v0 {

// Starts ByteSource::read_async. Returns at once; the source stays alive until the result is there.
[[nodiscard]] inline std::future<Result<Bytes>> read_future(const ByteSource& source,
                                                            std::uint64_t offset,
                                                            std::uint64_t length,
                                                            const ReadOptions& options = {}) {
  return as_future(
      [&](Completion<Bytes> done) { source.read_async(offset, length, std::move(done), options); });
}

}  // namespace v0
}  // namespace quire
