// as_future: the result of an asynchronous function through a std::future.
//
//     auto written = quire::as_future([&](quire::Completion<> done) {
//       quire::write_durable_async(file, 0, bytes, std::move(done));      // or any other
//     });
//     …                                                    // something else meanwhile
//     quire::Result<> result = written.get();
//
// Waiting for it on a thread of the executor that the operation needs may wait for ever.
#pragma once

#include <future>
#include <utility>

#include "quire/completion.hpp"
#include "quire/error.hpp"

namespace quire {
inline namespace v0 {

// Calls `start`, which begins the operation, and returns when it does. What `start` throws comes out
// here.
template <class T, Starts<T> Start>
[[nodiscard]] std::future<Result<T>> as_future(Start start) {
  std::promise<Result<T>> promise;
  auto future = promise.get_future();
  start(Completion<T>([promise = std::move(promise)](Result<T> result) mutable {
    promise.set_value(std::move(result));
  }));
  return future;
}

// The same where the parameter of `start` says what T is.
template <class Start>
[[nodiscard]] std::future<Result<StartedResult<Start>>> as_future(Start start) {
  return as_future<StartedResult<Start>, Start>(std::move(start));
}

}  // namespace v0
}  // namespace quire
