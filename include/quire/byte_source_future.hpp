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

#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"

namespace quire {
inline namespace v0 {

// Starts ByteSource::read_async. Returns at once; the source stays alive until the result is there.
[[nodiscard]] inline std::future<Result<Bytes>> read_future(const ByteSource& source,
                                                            std::uint64_t offset,
                                                            std::uint64_t length,
                                                            const ReadOptions& options = {}) {
  std::promise<Result<Bytes>> promise;
  auto future = promise.get_future();
  source.read_async(
      offset, length,
      [promise = std::move(promise)](Result<Bytes> bytes) mutable {
        promise.set_value(std::move(bytes));
      },
      options);
  return future;
}

}  // namespace v0
}  // namespace quire
