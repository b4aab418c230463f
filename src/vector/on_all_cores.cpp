#include "vector/on_all_cores.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

#include "base/mutex.hpp"

namespace quire::vector {

namespace {

class Crew {
 public:
  Crew(std::uint64_t portions, const std::function<void(std::uint64_t)>& work)
      : portions_(portions), work_(work) {}

  void run() {
    const std::uint64_t cores = std::max(1U, std::thread::hardware_concurrency());
    {
      std::vector<std::jthread> threads;
      try {
        for (std::uint64_t i = 1; i < std::min(cores, portions_); ++i) {
          threads.emplace_back([this] { take_portions(); });
        }
      } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        // No more threads to be had: those that run, and this one, do the work.
      }
      take_portions();
    }
    const base::MutexLock lock(mutex_);
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  void take_portions() noexcept {
    try {
      // Relaxed: it only hands out numbers; the end of the threads orders what they did.
      for (std::uint64_t n = next_.fetch_add(1, std::memory_order_relaxed); n < portions_;
           n = next_.fetch_add(1, std::memory_order_relaxed)) {
        work_(n);
      }
    } catch (...) {
      next_.store(portions_, std::memory_order_relaxed);
      const base::MutexLock lock(mutex_);
      exception_ = std::current_exception();
    }
  }

  const std::uint64_t portions_;
  const std::function<void(std::uint64_t)>& work_;
  std::atomic<std::uint64_t> next_{0};
  base::Mutex mutex_;
  std::exception_ptr exception_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace

void on_all_cores(std::uint64_t portions, const std::function<void(std::uint64_t)>& work) {
  Crew(portions, work).run();
}

}  // namespace quire::vector
