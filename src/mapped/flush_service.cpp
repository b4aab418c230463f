#include "mapped/flush_service.hpp"

#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/annotations.hpp"
#include "base/mutex.hpp"
#include "os/process.hpp"
#include "quire/executor.hpp"

namespace quire::mapped {

namespace {

using TimePoint = FlushService::TimePoint;

// After this an executor that refused a task is asked again.
constexpr std::chrono::milliseconds kAskAgainAfter{100};

// Whether both share one control block: a dead target's address may belong to a new one.
bool same_owner(const std::weak_ptr<Flushable>& left, const std::shared_ptr<Flushable>& right) {
  return !left.owner_before(right) && !right.owner_before(left);
}

}  // namespace

Flushable::~Flushable() = default;

// Thread-safe.
class FlushService::Timetable : public std::enable_shared_from_this<Timetable> {
 public:
  void schedule(const std::shared_ptr<Flushable>& target, TimePoint due) QUIRE_EXCLUDES(mutex_);
  void cancel(const Flushable* target) noexcept QUIRE_EXCLUDES(mutex_);
  // Ends the thread and cancels everything; what is scheduled from now on is ignored.
  void stop() noexcept QUIRE_EXCLUDES(mutex_);
  std::uint64_t wakeups() const QUIRE_EXCLUDES(mutex_);

 private:
  enum class Phase : std::uint8_t { waiting, submitted, running };

  struct Turn {
    const Flushable* target;
    std::uint64_t number;
  };

  // In the order of time, then of turns.
  using Deadlines = std::map<std::pair<TimePoint, std::uint64_t>, const Flushable*>;

  struct Entry {
    std::weak_ptr<Flushable> target;  // none while it runs, unless it was scheduled again
    Phase phase = Phase::waiting;
    std::uint64_t turn = 0;
    std::optional<TimePoint> due;  // of the next flush; none while submitted
    Deadlines::node_type
        deadline;            // kept here while it is not in deadlines_, to wait again without
                             // an allocation
    std::thread::id runner;  // while it runs
  };
  using Entries = std::map<const Flushable*, Entry>;

  void start_timer() QUIRE_REQUIRES(mutex_);
  void tell_time() QUIRE_EXCLUDES(mutex_);
  std::optional<Turn> wait_until_due() QUIRE_EXCLUDES(mutex_);
  void submit(Turn turn) noexcept QUIRE_EXCLUDES(mutex_);

  void flush(Turn turn) noexcept QUIRE_EXCLUDES(mutex_);
  std::shared_ptr<Flushable> begin(Turn turn) noexcept QUIRE_EXCLUDES(mutex_);
  void finish(Turn turn) noexcept QUIRE_EXCLUDES(mutex_);

  Entry& entry_of(const Flushable* target) QUIRE_REQUIRES(mutex_);
  // The entry if it still has this turn, or end().
  Entries::iterator find(Turn turn) QUIRE_REQUIRES(mutex_);
  void begin_to_wait(Entry& entry, TimePoint due) QUIRE_REQUIRES(mutex_);
  const Flushable* any_target() const QUIRE_EXCLUDES(mutex_);

  // A child of fork() has no timer thread, and may have the lock as another thread left it.
  bool in_child() const noexcept { return os::process_id() != process_; }

  const std::int64_t process_ = os::process_id();

  mutable base::Mutex mutex_;
  base::Condition earlier_;   // the thread sleeps for too long, or is to stop
  base::Condition finished_;  // a flush has ended
  Entries entries_ QUIRE_GUARDED_BY(mutex_);
  Deadlines deadlines_ QUIRE_GUARDED_BY(mutex_);
  std::uint64_t last_turn_ QUIRE_GUARDED_BY(mutex_) = 0;
  // Until when the thread sleeps: max() without a timeout, min() if it is awake or was notified.
  TimePoint sleeps_until_ QUIRE_GUARDED_BY(mutex_) = TimePoint::min();
  std::uint64_t wakeups_ QUIRE_GUARDED_BY(mutex_) = 0;
  bool stopping_ QUIRE_GUARDED_BY(mutex_) = false;
  std::thread timer_ QUIRE_GUARDED_BY(mutex_);
};

void FlushService::Timetable::schedule(const std::shared_ptr<Flushable>& target, TimePoint due) {
  if (in_child()) return;
  std::weak_ptr<Flushable> replaced;  // ends after the lock
  const base::MutexLock lock(mutex_);
  if (stopping_) return;
  start_timer();
  Entry& entry = entry_of(target.get());
  if (same_owner(entry.target, target)) {
    if (entry.phase == Phase::submitted || *entry.due <= due) return;
  } else {
    replaced.swap(entry.target);
    entry.target = target;
  }
  if (entry.phase == Phase::running) {
    entry.due = due;
    return;
  }
  if (entry.deadline.empty()) entry.deadline = deadlines_.extract({*entry.due, entry.turn});
  begin_to_wait(entry, due);
}

void FlushService::Timetable::cancel(const Flushable* target) noexcept {
  if (in_child()) return;
  Entries::node_type taken_off;  // these two end after the lock
  std::weak_ptr<Flushable> unwanted;
  const base::MutexLock lock(mutex_);
  const auto found = entries_.find(target);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (entry.phase != Phase::running) {
    if (entry.phase == Phase::waiting) deadlines_.erase({*entry.due, entry.turn});
    taken_off = entries_.extract(found);
    return;
  }
  entry.due.reset();
  unwanted.swap(entry.target);
  if (entry.runner == std::this_thread::get_id()) return;
  // Waits for this turn only: it may be scheduled again meanwhile.
  const Turn running{target, entry.turn};
  while (find(running) != entries_.end()) finished_.wait(mutex_);
}

void FlushService::Timetable::stop() noexcept {
  std::thread timer;
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
    timer.swap(timer_);
  }
  earlier_.notify_all();
  if (timer.joinable()) timer.join();
  while (const Flushable* target = any_target()) cancel(target);
}

std::uint64_t FlushService::Timetable::wakeups() const {
  const base::MutexLock lock(mutex_);
  return wakeups_;
}

void FlushService::Timetable::start_timer() {
  if (timer_.joinable()) return;
  try {
    timer_ = std::thread([this] { tell_time(); });
  } catch (const std::system_error&) {
    return;  // no thread to be had now: the next schedule tries again
  }
}

void FlushService::Timetable::tell_time() {
  while (const auto turn = wait_until_due()) submit(*turn);
}

std::optional<FlushService::Timetable::Turn> FlushService::Timetable::wait_until_due() {
  const base::MutexLock lock(mutex_);
  while (!stopping_) {
    const auto first = deadlines_.begin();
    if (first == deadlines_.end()) {
      sleeps_until_ = TimePoint::max();
      earlier_.wait(mutex_);
    } else if (const TimePoint due = first->first.first; due > std::chrono::steady_clock::now()) {
      sleeps_until_ = due;
      earlier_.wait_until(mutex_, due);
    } else {
      const Turn turn{first->second, first->first.second};
      Entry& entry = entries_.find(turn.target)->second;
      entry.deadline = deadlines_.extract(first);
      entry.phase = Phase::submitted;
      entry.due.reset();
      return turn;
    }
    sleeps_until_ = TimePoint::min();
    ++wakeups_;
  }
  return std::nullopt;
}

void FlushService::Timetable::submit(Turn turn) noexcept {
  try {
    default_executor()->submit([self = shared_from_this(), turn] { self->flush(turn); });
  } catch (...) {
    const base::MutexLock lock(mutex_);
    const auto found = find(turn);
    if (found == entries_.end() || found->second.phase != Phase::submitted) return;
    begin_to_wait(found->second, std::chrono::steady_clock::now() + kAskAgainAfter);
  }
}

void FlushService::Timetable::flush(Turn turn) noexcept {
  std::shared_ptr<Flushable> target = begin(turn);
  if (!target) return;
  target->flush_because_due();
  target.reset();
  finish(turn);
}

std::shared_ptr<Flushable> FlushService::Timetable::begin(Turn turn) noexcept {
  Entries::node_type dead;  // ends after the lock
  const base::MutexLock lock(mutex_);
  const auto found = find(turn);
  if (found == entries_.end()) return nullptr;
  Entry& entry = found->second;
  std::shared_ptr<Flushable> target = entry.target.lock();
  if (!target) {
    dead = entries_.extract(found);
    return nullptr;
  }
  entry.target.reset();
  entry.phase = Phase::running;
  entry.runner = std::this_thread::get_id();
  return target;
}

void FlushService::Timetable::finish(Turn turn) noexcept {
  Entries::node_type done;  // ends after the lock
  const base::MutexLock lock(mutex_);
  const auto found = find(turn);
  if (found->second.due) {
    begin_to_wait(found->second, *found->second.due);
  } else {
    done = entries_.extract(found);
  }
  finished_.notify_all();
}

FlushService::Timetable::Entry& FlushService::Timetable::entry_of(const Flushable* target) {
  if (const auto found = entries_.find(target); found != entries_.end()) return found->second;
  Deadlines deadline;
  deadline.emplace(std::pair{TimePoint::min(), std::uint64_t{0}}, target);
  Entry& entry = entries_[target];
  entry.deadline = deadline.extract(deadline.begin());
  return entry;
}

FlushService::Timetable::Entries::iterator FlushService::Timetable::find(Turn turn) {
  const auto found = entries_.find(turn.target);
  return found != entries_.end() && found->second.turn == turn.number ? found : entries_.end();
}

void FlushService::Timetable::begin_to_wait(Entry& entry, TimePoint due) {
  entry.phase = Phase::waiting;
  entry.turn = ++last_turn_;
  entry.due = due;
  entry.deadline.key() = {due, entry.turn};
  deadlines_.insert(std::move(entry.deadline));
  if (due >= sleeps_until_) return;
  sleeps_until_ = TimePoint::min();
  earlier_.notify_one();
}

const Flushable* FlushService::Timetable::any_target() const {
  const base::MutexLock lock(mutex_);
  return entries_.empty() ? nullptr : entries_.begin()->first;
}

FlushService& FlushService::of_process() {
  static auto* service = new FlushService;
  return *service;
}

FlushService::FlushService() : timetable_(std::make_shared<Timetable>()) {}

FlushService::~FlushService() { timetable_->stop(); }

void FlushService::schedule(const std::shared_ptr<Flushable>& target, TimePoint due) {
  timetable_->schedule(target, due);
}

void FlushService::cancel(const Flushable& target) noexcept { timetable_->cancel(&target); }

std::uint64_t FlushService::wakeups() const { return timetable_->wakeups(); }

}  // namespace quire::mapped
