#include "quire/file_watch.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.hpp"
#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "mapped/factory.hpp"
#include "mapped/watched_file.hpp"
#include "mapped/with_path.hpp"
#include "os/file_events.hpp"
#include "os/file_system.hpp"

namespace quire {

namespace mapped {

// The thread of a watch, and what it needs. The thread shares in owning it, so that it outlives a
// watch that is destroyed by its own callback.
//
// Thread-safe.
class Watcher {
 public:
  // `path` is what the user gave, `target` where it leads.
  Watcher(std::string path, std::string target, const os::FileInfo& known,
          std::unique_ptr<os::FileEvents> events, FileWatch::Callback callback)
      : path_(std::move(path)),
        target_(std::move(target)),
        events_(std::move(events)),
        callback_(std::move(callback)),
        file_(known) {}

  // `self` is this one. Errors: capacity, and those of looking at the file.
  Result<void> start(std::shared_ptr<Watcher> self) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    // Here and not on the thread: what happens after this comes as an event, and only so.
    QUIRE_TRY(const auto now, look());
    found_at_start_ = file_.update({}, now);
    try {
      thread_ = std::thread([self = std::move(self)] { self->run(); });
    } catch (const std::system_error& no_thread) {
      return std::unexpected(Error(ErrorCode::capacity, "watch", no_thread.code().value())
                                 .with_detail("no thread could be started"));
    }
    return {};
  }

  bool is_watching() const noexcept { return watching_; }

  // The contract is FileWatch's.
  void stop() noexcept QUIRE_EXCLUDES(mutex_) {
    watching_ = false;
    if (is_this_thread()) return;
    // Released without the mutex: what the callback holds may call in here.
    FileWatch::Callback callback;
    const base::MutexLock lock(mutex_);
    if (!thread_.joinable()) return;
    events_->wake();
    thread_.join();
    events_.reset();
    callback = std::move(callback_);
  }

  // The same, when the watch is destroyed.
  void abandon() noexcept QUIRE_EXCLUDES(mutex_) {
    stop();
    if (!is_this_thread()) return;
    const base::MutexLock lock(mutex_);
    thread_.detach();
  }

 private:
  bool is_this_thread() const noexcept { return running_here == this; }

  void run() {
    running_here = this;
    if (auto end = watch(); !end && watching_.exchange(false)) {
      callback_({FileEventKind::failed, 0, std::move(end).error().with_path(path_)});
    }
  }

  // Until the watch is stopped. Errors: why it cannot go on.
  Result<void> watch() {
    tell(found_at_start_);
    while (watching_) {
      QUIRE_TRY(const auto batch, events_->wait());
      if (!batch) break;
      QUIRE_CHECK(take(*batch));
    }
    return {};
  }

  // Finds out what became of the file, and tells it. What can be told is told on an error too.
  Result<void> take(const os::FileEventBatch& batch) {
    const bool followed = batch.wants_follow() && !batch.directory_lost;
    Result<void> following = followed ? events_->follow() : Result<void>();
    QUIRE_TRY(auto now, look());
    if (!followed && !batch.directory_lost && !file_.is(now)) {
      following = events_->follow();
      QUIRE_TRY(now, look());
    }
    tell(file_.update(batch, now));
    if (batch.directory_lost) {
      return std::unexpected(Error(ErrorCode::not_found, "watch")
                                 .with_detail("the directory was removed, moved or unmounted"));
    }
    return following;
  }

  void tell(const std::vector<FileEvent>& events) {
    for (const FileEvent& event : events) {
      if (watching_) callback_(event);
    }
  }

  // The regular file at the path, if there is one.
  Result<std::optional<os::FileInfo>> look() const {
    auto info = os::real_file_system().info(target_);
    if (info) {
      if (info->kind != os::FileKind::regular) return std::nullopt;
      return *info;
    }
    if (info.error().code() == ErrorCode::not_found) return std::nullopt;
    return std::unexpected(std::move(info).error());
  }

  static thread_local const Watcher* running_here;

  const std::string path_;
  const std::string target_;
  std::atomic<bool> watching_ = true;

  // The thread's while it runs; afterwards, and to wake it, of who holds the mutex.
  std::unique_ptr<os::FileEvents> events_;
  FileWatch::Callback callback_;
  WatchedFile file_;
  std::vector<FileEvent> found_at_start_;

  base::Mutex mutex_;
  std::thread thread_ QUIRE_GUARDED_BY(mutex_);
};

thread_local const Watcher* Watcher::running_here = nullptr;

}  // namespace mapped

inline namespace v0 {

namespace {

std::unexpected<Error> refuse(ErrorCode code, const std::string& path, const char* sentence) {
  return std::unexpected(Error(code, "watch").with_path(path).with_detail(sentence));
}

}  // namespace

Result<FileWatch> FileWatch::start(const MappedFile& file, Callback callback) {
  if (!file.is_open()) return refuse(ErrorCode::closed, "", "the file is closed");
  mapped::Backing& backing = *mapped::Factory::backing(file);
  const std::string& path = backing.path();
  if (backing.is_memory()) return refuse(ErrorCode::unsupported, path, "this is no file");
  if (!callback) return refuse(ErrorCode::invalid_argument, path, "there is no callback");

  QUIRE_TRY(std::string target, mapped::with_path(os::real_file_system().resolve(path), path));
  // Before the watch begins, so that what happens in between is found by comparing.
  QUIRE_TRY(const os::FileInfo known, mapped::with_path(backing.file().info(), path));
  QUIRE_TRY(auto events, mapped::with_path(os::FileEvents::watch(target), path));
  auto watcher = std::make_shared<mapped::Watcher>(path, std::move(target), known,
                                                   std::move(events), std::move(callback));
  QUIRE_CHECK(mapped::with_path(watcher->start(watcher), path));
  return FileWatch(std::move(watcher));
}

FileWatch::FileWatch(std::shared_ptr<mapped::Watcher> watcher) noexcept
    : watcher_(std::move(watcher)) {}

FileWatch& FileWatch::operator=(FileWatch&& other) noexcept {
  if (this != &other) {
    const auto old = std::exchange(watcher_, std::move(other.watcher_));
    if (old) old->abandon();
  }
  return *this;
}

FileWatch::~FileWatch() {
  if (watcher_) watcher_->abandon();
}

void FileWatch::stop() noexcept {
  if (watcher_) watcher_->stop();
}

bool FileWatch::is_watching() const noexcept { return watcher_ && watcher_->is_watching(); }

}  // namespace v0
}  // namespace quire
