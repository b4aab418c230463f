// A progress bar for work that takes a while: share done, rate and time left, on standard error.
//
//     Progress progress("importing", "row", rows);
//     while (…) progress.update(rows_done);
//
//     importing [########------------]  41 %  1,203,110 rows/s  3.1 s left
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quire::cli {

// Single-thread. Shows nothing where standard error is no terminal, nor for work that is done
// within a moment; removes what it showed when it is destroyed.
class Progress {
 public:
  // `unit` is a noun in the singular.
  Progress(std::string verb, std::string unit, std::uint64_t total = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total; cheap enough for every step of a loop.
  void update(std::uint64_t done);
  void update(std::uint64_t done, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(double seconds, int columns) const;

  std::string verb_;
  std::string unit_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_;
};

}  // namespace quire::cli
