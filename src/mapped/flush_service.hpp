// FlushService: flushes what is due, in the background: one service and one timer thread for all
// files of the process.
//
// The timer thread only tells the time. A flush runs as a task of default_executor(), so a slow
// device holds up the executor's threads, never the timer. While nothing is scheduled the thread
// sleeps without a timeout.
//
//     service.schedule(backing, std::chrono::steady_clock::now() + period);   // when it gets dirty
//     service.cancel(*backing);                                               // before it closes
//
// A target has no entry, or one that is
//
//     waiting ---- its time comes ----> submitted ---- the task begins ----> running ----> no entry
//        ^                                                                      |
//        +------------------- it was scheduled while it ran --------------------+
//
// `cancel` takes off an entry that waits or is submitted; one that runs it waits for.
//
// Invariants:
//   1. A target has at most one entry. Each time an entry begins to wait it gets a new turn, a
//      number never used before; a task carries the turn it was submitted for and does nothing if no
//      entry has it. So one task at most can flush a target, and taking the entry off makes the task
//      void wherever it is.
//   2. An entry has a deadline in the timetable exactly while it waits.
//   3. Only the task that runs a flush owns the target, and lets go of it before the entry stops
//      running. An entry has a weak_ptr; a task that has not begun has none.
//   4. No lock is held while others' code runs: a flush, a submit, the end of a target or of what
//      its last weak_ptr keeps.
//   5. While the timer thread sleeps, no deadline is earlier than the time it sleeps until. Taking
//      a deadline off does not wake it: it wakes at that time, once, and finds nothing.
//
// A child of fork() has no timer thread and no executor threads: if the parent has scheduled
// anything, nothing is flushed in the child's background; flushes that the child makes itself work.
// `schedule` and `cancel` do nothing there; a target whose flush ran during the fork is not released
// in the child.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace quire::mapped {

// What can be flushed when it is due. Lives in a shared_ptr.
class Flushable {
 public:
  Flushable() = default;
  Flushable(const Flushable&) = delete;
  Flushable& operator=(const Flushable&) = delete;
  virtual ~Flushable();

  // Called on a thread of the executor, never twice at once. It may schedule and cancel this target;
  // it must not cancel another one, which may be waiting for this one, nor destroy the service.
  virtual void flush_because_due() noexcept = 0;
};

// Thread-safe.
class FlushService {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // The one of the process; never destroyed.
  static FlushService& of_process();

  FlushService();
  FlushService(const FlushService&) = delete;
  FlushService& operator=(const FlushService&) = delete;
  // Cancels everything. Not from inside a flush.
  ~FlushService();

  // Has `target`, which is not null, flushed once, at `due` or soon after; a time that has passed is
  // now. The service does not keep it alive: one that is destroyed before is not flushed. If it was
  // scheduled already and its flush has not begun, the earlier time counts and it is flushed once;
  // while its flush runs, it is flushed again after that, at `due` at the earliest.
  //
  // Starts the timer thread if there is none; where the system has no thread to give, the target
  // stays scheduled and the next call tries again. Where the executor refuses a task by an exception,
  // it is asked again a little later.
  void schedule(const std::shared_ptr<Flushable>& target, TimePoint due);

  // Takes `target` off. When it returns, no flush that was scheduled before is running or will run,
  // and nothing in the service or the executor refers to the target, not even weakly: use_count() is
  // that of its other owners. It may be scheduled again. From inside the target's own flush, or from
  // a destructor that ends it, it does not wait for that flush, which lets go of the target when it
  // returns. The caller must hold no lock that the target's flush takes.
  void cancel(const Flushable& target) noexcept;

  // How often the timer thread has woken, for tests.
  std::uint64_t wakeups() const;

 private:
  class Timetable;

  // Shared with the tasks, which may stay in an executor for longer than the service lives.
  const std::shared_ptr<Timetable> timetable_;
};

}  // namespace quire::mapped
