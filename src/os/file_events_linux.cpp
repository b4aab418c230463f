#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "os/errno.hpp"
#include "os/file_events.hpp"
#include "os/file_system.hpp"

namespace quire::os {

namespace {

// Long enough for one program's removing and creating anew, or its writes, to be one batch.
constexpr int kGatherMs = 2;
constexpr int kForever = -1;
// A batch ends after so many reads, so that a flood from elsewhere in the directory cannot keep it.
constexpr int kReadsOfBatch = 128;

constexpr std::uint32_t kOfName = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kOfDirectory = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kLost = kOfDirectory | IN_UNMOUNT | IN_IGNORED;
constexpr std::uint32_t kOfFile = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF;
constexpr std::uint32_t kGone = IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED;

// inotify says "no space" of the user's limit of watches.
Error watch_error(int errno_value, const std::string& path) {
  if (errno_value != ENOSPC) return errno_error("watch", errno_value, path);
  return Error(ErrorCode::capacity, "watch", errno_value)
      .with_path(path)
      .with_detail("the user has too many watches");
}

Error moved_directory(const std::string& path) {
  return Error(ErrorCode::not_found, "watch")
      .with_path(path)
      .with_detail("another directory has come to the path");
}

int watch_directory(int events, const std::string& path) {
  return ::inotify_add_watch(events, parent_directory(path).c_str(),
                             kOfName | kOfDirectory | IN_ONLYDIR);
}

// Which of the two can be read.
struct Readable {
  bool events = false;
  bool wake_up = false;
};

// Waits for `wake_up` and, unless it is -1, `events`. Sets errno and returns nothing if poll fails.
std::optional<Readable> wait_for(int events, int wake_up, int timeout_ms) {
  std::array<pollfd, 2> polled{{{wake_up, POLLIN, 0}, {events, POLLIN, 0}}};
  const nfds_t count = events < 0 ? 1 : 2;
  if (::poll(polled.data(), count, timeout_ms) < 0) {
    if (errno != EINTR) return std::nullopt;
    return Readable{};
  }
  return Readable{polled[1].revents != 0, polled[0].revents != 0};
}

}  // namespace

FileEvents::FileEvents(std::string path, int events, int wake_up, int directory) noexcept
    : path_(std::move(path)),
      name_(path_.substr(path_.find_last_of('/') + 1)),
      events_(events),
      wake_up_(wake_up),
      directory_(directory) {}

FileEvents::~FileEvents() {
  ::close(events_);
  ::close(wake_up_);
}

Result<std::unique_ptr<FileEvents>> FileEvents::watch(const std::string& path) {
  const int events = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (events < 0) return std::unexpected(watch_error(errno, path));
  const int wake_up = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const int directory = wake_up < 0 ? -1 : watch_directory(events, path);
  if (directory < 0) {
    const int saved = errno;
    ::close(events);
    if (wake_up >= 0) ::close(wake_up);
    return std::unexpected(watch_error(saved, path));
  }
  std::unique_ptr<FileEvents> made(new FileEvents(path, events, wake_up, directory));
  if (auto followed = made->follow(); !followed) {
    return std::unexpected(std::move(followed).error());
  }
  return made;
}

Result<void> FileEvents::follow() {
  // The same directory gives the same watch descriptor.
  if (const int now = watch_directory(events_, path_); now != directory_) {
    return std::unexpected(now < 0 ? watch_error(errno, path_) : moved_directory(path_));
  }
  // IN_MASK_ADD: if what is there now is a link to the directory itself, its watch stays.
  const int now = ::inotify_add_watch(events_, path_.c_str(), kOfFile | IN_MASK_ADD);
  const int saved = errno;
  if (now == file_ && now >= 0) return {};
  leave_file();
  if (now < 0 && code_of_errno(saved) != ErrorCode::not_found) {
    return std::unexpected(watch_error(saved, path_));
  }
  if (now != directory_) file_ = now;
  return {};
}

void FileEvents::leave_file() noexcept {
  // Fails if the inode is gone, and its watch with it.
  if (file_ >= 0) ::inotify_rm_watch(events_, file_);
  file_ = -1;
}

Result<std::optional<FileEventBatch>> FileEvents::wait() {
  FileEventBatch batch;
  int failure = 0;
  while (batch == FileEventBatch{} && failure == 0) {
    auto readable = wait_for(events_, wake_up_, kForever);
    if (readable && !readable->wake_up) {
      if (!readable->events) continue;
      readable = wait_for(-1, wake_up_, kGatherMs);
    }
    if (!readable) return std::unexpected(watch_error(errno, path_));
    if (readable->wake_up) return std::nullopt;
    read_into(batch, failure);
  }
  if (failure != 0) return std::unexpected(watch_error(failure, path_));
  return batch;
}

void FileEvents::read_into(FileEventBatch& batch, int& failure) {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  for (int i = 0; i < kReadsOfBatch; ++i) {
    const ssize_t length = ::read(events_, buffer.data(), buffer.size());
    if (length < 0) {
      if (errno != EAGAIN && errno != EINTR) failure = errno;
      return;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      // Padded with NULs; empty where the event is the watched object's own.
      const char* const name = event.len == 0 ? "" : buffer.data() + at + sizeof event;
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        batch.overflowed = true;
      } else if (event.wd == directory_) {
        batch.name_changed |= (event.mask & kOfName) != 0 && name == name_;
        batch.directory_lost |= (event.mask & kLost) != 0;
      } else if (event.wd == file_) {
        batch.written |= (event.mask & IN_MODIFY) != 0;
        batch.writer_closed |= (event.mask & IN_CLOSE_WRITE) != 0;
        batch.metadata |= (event.mask & IN_ATTRIB) != 0;
        batch.inode_gone |= (event.mask & kGone) != 0;
      }
    }
  }
}

void FileEvents::wake() noexcept {
  const std::uint64_t one = 1;
  // Can only fail when it was woken 2^64 times before.
  [[maybe_unused]] const ssize_t written = ::write(wake_up_, &one, sizeof one);
}

}  // namespace quire::os
