// Long work of the library that shows its progress and stops in good order when the user presses Ctrl-C.
//
//     StoppableProgress progress("restoring");
//     auto made = restore_snapshot(…, {.stop = progress.token(), .progress = progress.callback()});
//     if (!made && made.error().code() == ErrorCode::cancelled) return fail(progress.exit_status(), …);
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// Single-thread; outlives the work.
class StoppableProgress {
 public:
  explicit StoppableProgress(std::string verb, std::string unit = "row")
      : progress_(std::move(verb), std::move(unit)) {}

  std::stop_token token() const { return stop_.get_token(); }
  ProgressCallback callback() {
    return [this](std::uint64_t done, std::uint64_t total) {
      progress_.update(done, total);
      if (interrupt_.requested()) stop_.request_stop();
    };
  }
  // REQUIRES: the work was cancelled.
  int exit_status() const { return interrupt_.exit_status(); }

 private:
  InterruptGuard interrupt_;
  Progress progress_;
  std::stop_source stop_;
};

}  // namespace quire::cli
