#include "os/file_system.hpp"

#include <set>
#include <string>
#include <utility>

#include "base/mutex.hpp"

namespace quire::os {

namespace {

// The files whose sync failed in this process: after a failed fsync Linux marks the lost pages
// clean, so that only the first caller learns of the loss. Here every later one does.
class SyncFailures {
 public:
  void add(const FileId& id) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    failed_.insert(id);
  }
  void remove(const FileId& id) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    failed_.erase(id);
  }
  bool contains(const FileId& id) QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return failed_.contains(id);
  }

 private:
  base::Mutex mutex_;
  std::set<FileId> failed_ QUIRE_GUARDED_BY(mutex_);
};

SyncFailures& sync_failures() {
  static auto* failures = new SyncFailures;
  return *failures;
}

}  // namespace

Result<Mapping> File::map_window(MapAccess /*access*/, ByteRange window) {
  return cannot("map", window);
}

Result<void> File::punch_hole(ByteRange range) { return cannot("punch_hole", range); }

Result<void> File::allocate_ahead(ByteRange range) { return cannot("allocate", range); }

Result<bool> File::has_own_space(std::uint64_t size) {
  auto now = info();
  if (!now) return std::unexpected(std::move(now).error());
  return now->allocated_bytes >= size;
}

Result<std::uint64_t> File::copy_from(File& /*source*/, ByteRange range) {
  return cannot("copy", range);
}

Result<std::unique_ptr<File>> File::reopen(OpenMode /*mode*/) { return cannot("open", {}); }

Result<bool> File::is_locked_exclusively() { return cannot("lock", {}); }

Result<int> File::duplicate_descriptor() { return cannot("duplicate", {}); }

std::unexpected<Error> File::cannot(const char* operation, ByteRange range) const {
  return std::unexpected(
      Error(ErrorCode::unsupported, operation).with_path(path_).with_range(range));
}

Result<void> File::remember_failure(Result<void> result) {
  if (!result) sync_failures().add(id_);
  return result;
}

Result<void> File::check_no_sync_failed() const {
  if (!sync_has_failed()) return {};
  return std::unexpected(
      Error(ErrorCode::read_only_after_error, "sync")
          .with_path(path_)
          .with_detail("an earlier sync of this file failed; what it did not write may be lost"));
}

Result<void> File::sync() {
  const base::MutexLock lock(sync_mutex_);
  if (auto good = check_no_sync_failed(); !good) return good;
  return remember_failure(do_sync());
}

Result<void> File::sync_range(const Mapping& mapping, ByteRange range) {
  const base::MutexLock lock(sync_mutex_);
  if (auto good = check_no_sync_failed(); !good) return good;
  return remember_failure(do_sync_range(mapping, range));
}

void File::forget_sync_failure() { sync_failures().remove(id_); }

bool File::sync_has_failed() const { return sync_failures().contains(id_); }

Result<void> File::read_exactly(std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    auto got = pread(offset + done, out.subspan(done));
    if (!got) return std::unexpected(std::move(got).error());
    if (*got == 0) {
      return std::unexpected(
          Error(ErrorCode::truncated, "read")
              .with_path(path_)
              .with_range({offset, out.size()})
              .with_detail("the file ends at byte " + std::to_string(offset + done)));
    }
    done += *got;
  }
  return {};
}

Result<void> File::write_all(std::uint64_t offset, std::span<const std::byte> in) {
  std::size_t done = 0;
  while (done < in.size()) {
    auto put = pwrite(offset + done, in.subspan(done));
    if (!put) return std::unexpected(std::move(put).error());
    done += *put;
  }
  return {};
}

std::string parent_directory(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  if (last == std::string::npos) return path.empty() ? "." : "/";
  const std::size_t slash = path.find_last_of('/', last);
  if (slash == std::string::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

std::string without_last_slashes(std::string path) {
  const std::size_t last = path.find_last_not_of('/');
  if (last != std::string::npos) {
    path.resize(last + 1);
  } else if (!path.empty()) {
    path = "/";
  }
  return path;
}

std::string join_path(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return directory.back() == '/' ? directory + name : directory + "/" + name;
}

}  // namespace quire::os
