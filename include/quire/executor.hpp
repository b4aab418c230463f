// Executor: where Quire runs work that nobody waits for: completions of asynchronous calls,
// background flushes, read-ahead.
//
// One executor of two threads, started at first use, serves the process. Give your own to run that
// work on threads you already have:
//
//     struct MyPool final : quire::Executor { void submit(Task task) override { pool.post(std::move(task)); } … };
//     quire::set_default_executor(std::make_shared<MyPool>());
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// Thread-safe.
class QUIRE_EXPORT Executor {
 public:
  using Task = std::move_only_function<void()>;

  virtual ~Executor() = default;
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs `task` once, soon, on some thread, never inside this call. Tasks do not throw.
  virtual void submit(Task task) = 0;
};

// An executor with `threads` threads of its own and one first-in-first-out queue. `threads` of 0 is
// taken as 1. Destruction runs what was submitted, then joins; it must not happen on one of the
// executor's own threads.
QUIRE_EXPORT std::shared_ptr<Executor> make_thread_executor(std::size_t threads);

// The executor that the library uses where none is given. Thread-safe.
QUIRE_EXPORT std::shared_ptr<Executor> default_executor();
// Replaces it for work submitted from now on; nullptr goes back to the built-in one. Thread-safe.
QUIRE_EXPORT void set_default_executor(std::shared_ptr<Executor> executor);

}  // namespace v0
}  // namespace quire
