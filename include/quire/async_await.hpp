// as_awaitable: an asynchronous function for coroutines.
//
//     Task save(quire::MappedFile& file, std::span<const std::byte> bytes) {    // your coroutine type
//       quire::Result<> written = co_await quire::as_awaitable([&](quire::Completion<> done) {
//         quire::write_durable_async(file, 0, bytes, std::move(done));          // or any other
//       });
//       …                                                    // where the operation has ended
//     }
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "quire/completion.hpp"
#include "quire/error.hpp"

namespace quire {
inline namespace v0 {

// One operation; `co_await` it once, which takes it: a name needs std::move. The operation begins
// then, not before, and one that is never awaited never begins. The coroutine goes on with its result
// on the thread that completes it; if that happens inside `start`, inside the co_await. What `start`
// throws comes out of the co_await.
//
// REQUIRES: `start` calls its completion exactly once, or throws and never does; and nobody destroys
// the coroutine while it waits. To end the wait early, ask the operation to stop.
//
// GCC 12 destroys the captures of a lambda that is written inside a co_await expression twice. With it,
// capture by reference there, or give the lambda a name before.
//
// Thread-compatible.
template <class T, Starts<T> Start>
class [[nodiscard]] Awaitable {
 public:
  class Awaiter;

  explicit Awaitable(Start start) : start_(std::move(start)) {}
  Awaiter operator co_await() && { return Awaiter(std::move(start_)); }

 private:
  Start start_;
};

// What the coroutine holds while it waits.
template <class T, Starts<T> Start>
class Awaitable<T, Start>::Awaiter {
 public:
  explicit Awaiter(Start start) : start_(std::move(start)) {}
  ~Awaiter() = default;
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    // The coroutine may go on, and this object end with it, before `start` returns.
    Start start = std::move(start_);
    start(Completion<T>([this, waiting](Result<T> result) {
      result_.emplace(std::move(result));
      waiting.resume();
    }));
  }
  [[nodiscard]] Result<T> await_resume() { return *std::move(result_); }

 private:
  Start start_;
  std::optional<Result<T>> result_;
};

// The operation that `start` begins.
template <class T, Starts<T> Start>
Awaitable<T, Start> as_awaitable(Start start) {
  return Awaitable<T, Start>(std::move(start));
}

// The same where the parameter of `start` says what T is.
template <class Start>
Awaitable<StartedResult<Start>, Start> as_awaitable(Start start) {
  return Awaitable<StartedResult<Start>, Start>(std::move(start));
}

}  // namespace v0
}  // namespace quire
