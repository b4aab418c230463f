// read_awaitable: an asynchronous read for coroutines.
//
//     Task copy_header(std::shared_ptr<const quire::ByteSource> source) {       // your coroutine type
//       quire::Result<quire::Bytes> header = co_await quire::read_awaitable(*source, 0, 64);
//       …                                                    // on a thread of the default executor
//     }
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "quire/byte_source.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"

namespace quire {
inline namespace v0 {

// One read; `co_await` it once. The coroutine goes on, on the default executor, with what
// ByteSource::read returns. REQUIRES: nobody destroys the coroutine while it waits; to end the wait early,
// request stop through the options.
class [[nodiscard]] ReadAwaitable {
 public:
  ReadAwaitable(std::shared_ptr<const ByteSource> source, ByteRange range, ReadOptions options)
      : source_(std::move(source)), range_(range), options_(std::move(options)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    // The coroutine may go on, and this object end with it, before read_async returns.
    const auto source = std::move(source_);
    const ReadOptions options = std::move(options_);
    source->read_async(
        range_.offset, range_.length,
        [this, waiting](Result<Bytes> bytes) {
          result_.emplace(std::move(bytes));
          waiting.resume();
        },
        options);
  }
  Result<Bytes> await_resume() { return *std::move(result_); }

 private:
  std::shared_ptr<const ByteSource> source_;
  ByteRange range_;
  ReadOptions options_;
  std::optional<Result<Bytes>> result_;
};

// The read of [offset, offset + length); it begins when it is awaited.
inline ReadAwaitable read_awaitable(const ByteSource& source, std::uint64_t offset,
                                    std::uint64_t length, const ReadOptions& options = {}) {
  return {source.shared_from_this(), {offset, length}, options};
}

}  // namespace v0
}  // namespace quire
