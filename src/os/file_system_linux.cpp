#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/try.hpp"
#include "os/aligned_read.hpp"
#include "os/errno.hpp"
#include "os/file_system.hpp"
#include "os/file_system_kind.hpp"

namespace quire::os {

namespace {

constexpr std::uint64_t kMaxOffset = 0x7fff'ffff'ffff'ffffULL;
constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;
constexpr unsigned kStatxMask = STATX_BASIC_STATS | STATX_BTIME;

std::unexpected<Error> fail(const char* operation, std::string path) {
  return std::unexpected(errno_error(operation, errno, std::move(path)));
}

// Why a file could not be opened. EINVAL with O_DIRECT means that the file system does not have it.
std::unexpected<Error> fail_to_open(OpenMode mode, const std::string& path) {
  if (mode == OpenMode::read_direct && errno == EINVAL) {
    return std::unexpected(no_direct_reads(path));
  }
  return fail(mode == OpenMode::create_new ? "create" : "open", path);
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto retry_interrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

FileInfo info_of(const struct statx& stat) {
  FileInfo info;
  info.kind = S_ISREG(stat.stx_mode)   ? FileKind::regular
              : S_ISDIR(stat.stx_mode) ? FileKind::directory
                                       : FileKind::other;
  info.size = stat.stx_size;
  info.allocated_bytes = stat.stx_blocks * 512;
  info.permissions = stat.stx_mode & 07777U;
  info.modified_ns =
      static_cast<std::uint64_t>(stat.stx_mtime.tv_sec) * 1'000'000'000U + stat.stx_mtime.tv_nsec;
  info.id.device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
  info.id.inode = stat.stx_ino;
  if ((stat.stx_mask & STATX_BTIME) != 0) {
    info.id.birth =
        static_cast<std::uint64_t>(stat.stx_btime.tv_sec) * 1'000'000'000U + stat.stx_btime.tv_nsec;
  }
  return info;
}

int advice_for(AccessHint access) {
  switch (access) {
    case AccessHint::sequential:
      return POSIX_FADV_SEQUENTIAL;
    case AccessHint::random:
      return POSIX_FADV_RANDOM;
    case AccessHint::will_need:
      return POSIX_FADV_WILLNEED;
    case AccessHint::dont_need:
      return POSIX_FADV_DONTNEED;
    case AccessHint::normal:
      break;
  }
  return POSIX_FADV_NORMAL;
}

// Takes over a descriptor that was just opened; closes it if it is no regular file's.
Result<std::unique_ptr<File>> adopt(int descriptor, OpenMode mode, const std::string& path);
// Opens the file of a descriptor once more.
Result<std::unique_ptr<File>> reopen_descriptor(int descriptor, OpenMode mode,
                                                const std::string& path);

bool is_for_reading(OpenMode mode) {
  return mode == OpenMode::read || mode == OpenMode::read_direct;
}

int open_flags(OpenMode mode) {
  // O_NONBLOCK: opening a FIFO must not wait for its other end before it is refused.
  int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  flags |= is_for_reading(mode) ? O_RDONLY : O_RDWR;
  if (mode == OpenMode::create_new) flags |= O_CREAT | O_EXCL;
  if (mode == OpenMode::read_direct) flags |= O_DIRECT;
  return flags;
}

class LinuxFile final : public File {
 public:
  LinuxFile(std::string path, FileId id, int descriptor, OpenMode mode)
      : File(std::move(path), id),
        descriptor_(descriptor),
        is_direct_(mode == OpenMode::read_direct) {}
  ~LinuxFile() override { ::close(descriptor_); }
  LinuxFile(const LinuxFile&) = delete;
  LinuxFile& operator=(const LinuxFile&) = delete;

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> out) override {
    if (!ByteRange{offset, out.size()}.fits(kMaxOffset)) return past_limit("read", offset, out);
    if (!is_direct_) return pread_once(offset, out);
    auto got = read_aligned(offset, out, [this](std::uint64_t from, std::span<std::byte> into) {
      return pread_once(from, into);
    });
    const bool refused = !got && got.error().system_code() == EINVAL;
    if (refused) return std::unexpected(no_direct_reads(path()));
    return got;
  }

  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    if (!ByteRange{offset, in.size()}.fits(kMaxOffset)) return past_limit("write", offset, in);
    if (in.empty()) return 0;
    const std::size_t length = std::min(in.size(), kMaxTransfer);
    const ssize_t put = retry_interrupted(
        [&] { return ::pwrite(descriptor_, in.data(), length, static_cast<off_t>(offset)); });
    if (put < 0) return failed("write", {offset, in.size()});
    if (put == 0) {
      errno = ENOSPC;
      return failed("write", {offset, in.size()});
    }
    return static_cast<std::size_t>(put);
  }

  Result<FileInfo> info() override {
    struct statx stat{};
    if (::statx(descriptor_, "", AT_EMPTY_PATH, kStatxMask, &stat) != 0) {
      return fail("stat", path());
    }
    return info_of(stat);
  }

  Result<SpaceInfo> space() override {
    struct statfs stat{};
    if (retry_interrupted([&] { return ::fstatfs(descriptor_, &stat); }) != 0) {
      return fail("statfs", path());
    }
    const auto type = static_cast<unsigned long>(stat.f_type);
    SpaceInfo space;
    space.free_bytes = stat.f_bavail * static_cast<std::uint64_t>(stat.f_bsize);
    space.allocation_binds =
        type == EXT4_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == TMPFS_MAGIC;
    return space;
  }

  Result<void> allocate(ByteRange range) override { return allocate_with("allocate", 0, range); }

  Result<void> truncate(std::uint64_t size) override {
    if (size > kMaxOffset) return past_limit("truncate", size, ByteRange{});
    if (retry_interrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) !=
        0) {
      return failed("truncate", {size, 0});
    }
    return {};
  }

  Result<void> start_writeback(ByteRange range) override {
    if (range.empty()) return {};
    if (!range.fits(kMaxOffset)) return past_limit("start_writeback", range.offset, range);
    if (::sync_file_range(descriptor_, static_cast<off_t>(range.offset),
                          static_cast<off_t>(range.length), SYNC_FILE_RANGE_WRITE) != 0) {
      return failed("start_writeback", range);
    }
    return {};
  }

  Result<void> advise(ByteRange range, AccessHint access) override {
    if (!range.fits(kMaxOffset)) return past_limit("advise", range.offset, range);
    const int failure = ::posix_fadvise(descriptor_, static_cast<off_t>(range.offset),
                                        static_cast<off_t>(range.length), advice_for(access));
    if (failure == 0) return {};
    errno = failure;
    return failed("advise", range);
  }

  Result<void> set_permissions(std::uint32_t permissions) override {
    if (retry_interrupted([&] { return ::fchmod(descriptor_, permissions); }) != 0) {
      return fail("set_permissions", path());
    }
    return {};
  }

  Result<Mapping> map_window(MapAccess access, ByteRange window) override {
    return Mapping::map_window(descriptor_, access, window);
  }

  Result<void> punch_hole(ByteRange range) override {
    return allocate_with("punch_hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range);
  }

  Result<void> allocate_ahead(ByteRange range) override {
    return allocate_with("allocate", FALLOC_FL_KEEP_SIZE, range);
  }

  Result<bool> has_own_space(std::uint64_t size) override {
    QUIRE_TRY(const bool enough, File::has_own_space(size));
    // Space may lie behind the end, or belong to another file too.
    return enough && all_in_own_extents(size);
  }

  Result<std::uint64_t> copy_from(File& source, ByteRange range) override {
    if (!range.fits(kMaxOffset)) return past_limit("copy", range.offset, range);
    auto from = static_cast<off_t>(range.offset);
    auto to = from;
    const std::size_t length = std::min<std::uint64_t>(range.length, kMaxTransfer);
    const ssize_t copied = retry_interrupted(
        [&] { return ::copy_file_range(source.descriptor(), &from, descriptor_, &to, length, 0); });
    if (copied >= 0) return static_cast<std::uint64_t>(copied);
    const bool refused = errno == EXDEV || errno == EINVAL || errno == EBADF || errno == ENOSYS;
    if (refused) errno = EOPNOTSUPP;
    return failed("copy", range);
  }

  Result<std::unique_ptr<File>> reopen(OpenMode mode) override {
    return reopen_descriptor(descriptor_, mode, path());
  }

  int descriptor() const noexcept override { return descriptor_; }

  Result<int> duplicate_descriptor() override {
    const int copy = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return fail("duplicate", path());
    return copy;
  }

  Result<Mapping> map(MapAccess access, std::uint64_t reserve) override {
    QUIRE_TRY(const FileInfo now, info());
    auto mapping = Mapping::map_file(descriptor_, access, now.size, reserve);
    if (!mapping) return std::unexpected(std::move(mapping).error().with_path(path()));
    return mapping;
  }

  Result<void> try_lock(LockKind kind) override {
    struct flock lock{};
    lock.l_type = kind == LockKind::exclusive ? F_WRLCK : F_RDLCK;
    lock.l_whence = SEEK_SET;
    if (retry_interrupted([&] { return ::fcntl(descriptor_, F_OFD_SETLK, &lock); }) == 0) return {};
    if (errno == EACCES) errno = EAGAIN;
    return fail("lock", path());
  }

  Result<bool> is_locked_exclusively() override {
    // Asks for what a shared lock would have to wait for.
    struct flock lock{};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    if (retry_interrupted([&] { return ::fcntl(descriptor_, F_OFD_GETLK, &lock); }) != 0) {
      return fail("lock", path());
    }
    return lock.l_type != F_UNLCK;
  }

  Result<void> unlock() override {
    struct flock lock{};
    lock.l_type = F_UNLCK;
    lock.l_whence = SEEK_SET;
    if (retry_interrupted([&] { return ::fcntl(descriptor_, F_OFD_SETLK, &lock); }) == 0) return {};
    return fail("unlock", path());
  }

 protected:
  Result<void> do_sync() override {
    if (retry_interrupted([&] { return ::fdatasync(descriptor_); }) != 0) {
      return fail("sync", path());
    }
    return {};
  }

  // msync of a shared file mapping is a range fdatasync: Linux has no other call for it.
  Result<void> do_sync_range(const Mapping& mapping, ByteRange range) override {
    if (range.empty()) return {};
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::byte* const begin = mapping.data() + range.offset;
    const std::uint64_t before = reinterpret_cast<std::uintptr_t>(begin) % page;
    if (retry_interrupted(
            [&] { return ::msync(begin - before, before + range.length, MS_SYNC); }) != 0) {
      return failed("sync", range);
    }
    return {};
  }

 private:
  Result<std::size_t> pread_once(std::uint64_t offset, std::span<std::byte> out) const {
    const std::size_t length = std::min(out.size(), kMaxTransfer);
    const ssize_t got = retry_interrupted(
        [&] { return ::pread(descriptor_, out.data(), length, static_cast<off_t>(offset)); });
    if (got < 0) return std::unexpected(read_error(errno, path(), {offset, out.size()}));
    return static_cast<std::size_t>(got);
  }

  // True also where the file system does not tell: then its count of blocks has to do.
  bool all_in_own_extents(std::uint64_t size) const {
    constexpr unsigned kAtOnce = 64;
    alignas(fiemap) std::array<std::byte, sizeof(fiemap) + kAtOnce * sizeof(fiemap_extent)> room;
    for (std::uint64_t at = 0; at < size;) {
      room.fill(std::byte{0});
      auto* const map = reinterpret_cast<fiemap*>(room.data());
      map->fm_start = at;
      map->fm_length = size - at;
      map->fm_extent_count = kAtOnce;
      if (::ioctl(descriptor_, FS_IOC_FIEMAP, map) != 0) return true;
      if (map->fm_mapped_extents == 0) return false;
      const auto* const extents =
          reinterpret_cast<const fiemap_extent*>(room.data() + sizeof(fiemap));
      for (unsigned i = 0; i < map->fm_mapped_extents; ++i) {
        const fiemap_extent& extent = extents[i];
        if (extent.fe_logical > at || (extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0) return false;
        at = extent.fe_logical + extent.fe_length;
      }
    }
    return true;
  }

  Result<void> allocate_with(const char* operation, int flags, ByteRange range) const {
    if (range.empty()) return {};
    if (!range.fits(kMaxOffset)) return past_limit(operation, range.offset, range);
    const int result = retry_interrupted([&] {
      return ::fallocate(descriptor_, flags, static_cast<off_t>(range.offset),
                         static_cast<off_t>(range.length));
    });
    if (result != 0) return failed(operation, range);
    return {};
  }

  std::unexpected<Error> failed(const char* operation, ByteRange range) const {
    return std::unexpected(errno_error(operation, errno, path(), range));
  }

  template <class Span>
  std::unexpected<Error> past_limit(const char* operation, std::uint64_t offset,
                                    const Span& span) const {
    std::uint64_t length = 0;
    if constexpr (requires { span.length; }) {
      length = span.length;
    } else {
      length = span.size();
    }
    return std::unexpected(Error(ErrorCode::out_of_range, operation)
                               .with_path(path())
                               .with_range({offset, length})
                               .with_detail("files end at 2^63 - 1 bytes"));
  }

  const int descriptor_;
  const bool is_direct_;
};

Result<std::unique_ptr<File>> adopt(int descriptor, OpenMode mode, const std::string& path) {
  struct statx stat{};
  if (::statx(descriptor, "", AT_EMPTY_PATH, kStatxMask, &stat) != 0) {
    const int saved = errno;
    ::close(descriptor);
    return std::unexpected(errno_error("stat", saved, path));
  }
  const FileInfo info = info_of(stat);
  if (info.kind != FileKind::regular) {
    ::close(descriptor);
    return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                               .with_path(path)
                               .with_detail(info.kind == FileKind::directory
                                                ? "this is a directory, not a file"
                                                : "this is a special file, not a regular one"));
  }
  return std::make_unique<LinuxFile>(path, info.id, descriptor, mode);
}

Result<std::unique_ptr<File>> reopen_descriptor(int descriptor, OpenMode mode,
                                                const std::string& path) {
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const int fresh = retry_interrupted([&] { return ::open(link.c_str(), open_flags(mode), 0); });
  if (fresh < 0) {
    if (errno != ENOENT) return fail_to_open(mode, path);
    return std::unexpected(Error(ErrorCode::unsupported, "open", ENOENT)
                               .with_path(path)
                               .with_detail("opening a file once more needs /proc"));
  }
  return adopt(fresh, mode, path);
}

class LinuxFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     std::uint32_t permissions) override {
    if (path.contains('\0')) {
      return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                                 .with_path(path)
                                 .with_detail("the path has a NUL"));
    }
    const int descriptor =
        retry_interrupted([&] { return ::open(path.c_str(), open_flags(mode), permissions); });
    if (descriptor < 0) return fail_to_open(mode, path);
    return adopt(descriptor, mode, path);
  }

  Result<void> rename(const std::string& from, const std::string& to, IfExists if_exists) override {
    if (if_exists == IfExists::replace) {
      if (::rename(from.c_str(), to.c_str()) != 0) return fail("rename", to);
      return {};
    }
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    // A file system without the flag: a hard link does not replace either.
    if (errno != EINVAL && errno != ENOSYS) return fail("rename", to);
    if (::link(from.c_str(), to.c_str()) != 0) return fail("rename", to);
    if (::unlink(from.c_str()) != 0) return fail("rename", from);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return fail("remove", path);
    return {};
  }

  Result<void> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) != 0) return fail("make_directory", path);
    return {};
  }

  Result<void> sync_directory(const std::string& path) override {
    const int descriptor =
        retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (descriptor < 0) return fail("sync_directory", path);
    const int result = retry_interrupted([&] { return ::fsync(descriptor); });
    const int saved = errno;
    ::close(descriptor);
    if (result != 0) return std::unexpected(errno_error("sync_directory", saved, path));
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return fail("list", path);
    std::vector<std::string> names;
    int saved = 0;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(directory);
      saved = errno;
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(directory);
    if (saved != 0) return std::unexpected(errno_error("list", saved, path));
    std::ranges::sort(names);
    return names;
  }

  Result<FileInfo> info(const std::string& path) override {
    struct statx stat{};
    if (::statx(AT_FDCWD, path.c_str(), 0, kStatxMask, &stat) != 0) return fail("stat", path);
    return info_of(stat);
  }

  Result<std::string> resolve(const std::string& path) override {
    if (char* full = ::realpath(path.c_str(), nullptr)) {
      std::string result = full;
      std::free(full);
      return result;
    }
    if (errno != ENOENT) return fail("resolve", path);
    return resolve_missing(path);
  }

  Result<FileSystemKind> kind_of(const std::string& path) override {
    struct statfs stat{};
    if (retry_interrupted([&] { return ::statfs(path.c_str(), &stat); }) != 0) {
      return fail("statfs", path);
    }
    return kind_of_magic(static_cast<std::uint32_t>(stat.f_type));
  }

 private:
  // The last part does not exist: it is a dangling link, followed by hand, or a name in a directory
  // that must exist.
  Result<std::string> resolve_missing(const std::string& path) {
    std::string current = without_last_slashes(path);
    for (int hops = 0; hops < 40; ++hops) {
      const std::string parent = parent_directory(current);
      const std::string name = current.substr(current.find_last_of('/') + 1);
      if (name.empty()) return std::unexpected(errno_error("resolve", ENOENT, path));
      char* full = ::realpath(parent.c_str(), nullptr);
      if (full == nullptr) return fail("resolve", path);
      const std::string directory = full;
      std::free(full);
      std::string candidate = join_path(directory, name);
      char target[4096];
      const ssize_t length = ::readlink(candidate.c_str(), target, sizeof target - 1);
      if (length < 0) return candidate;
      const std::string link(target, static_cast<std::size_t>(length));
      current = without_last_slashes(link.starts_with('/') ? link : join_path(directory, link));
    }
    errno = ELOOP;
    return fail("resolve", path);
  }
};

}  // namespace

Result<std::unique_ptr<File>> open_descriptor(int descriptor, OpenMode mode) {
  std::string name = "descriptor " + std::to_string(descriptor);
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "open", errno).with_path(name));
  }
  char target[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  if (const ssize_t length = ::readlink(link.c_str(), target, sizeof target); length > 0) {
    name.assign(target, static_cast<std::size_t>(length));
  }
  // Opening once more would give rights that the descriptor was made without.
  const int given = flags & O_ACCMODE;
  const int wanted = is_for_reading(mode) ? O_RDONLY : O_RDWR;
  if (given != O_RDWR && given != wanted) {
    return std::unexpected(Error(ErrorCode::permission, "open")
                               .with_path(name)
                               .with_detail("the descriptor was not opened for this access"));
  }
  return reopen_descriptor(descriptor, mode, name);
}

Result<std::unique_ptr<File>> create_memory_file(std::uint64_t size) {
  const std::string name = "anonymous memory";
  const int descriptor = ::memfd_create("quire", MFD_CLOEXEC);
  if (descriptor < 0) return fail("create", name);
  QUIRE_TRY(auto file, adopt(descriptor, OpenMode::read_write, name));
  QUIRE_CHECK(file->truncate(size));
  return file;
}

FileSystem& real_file_system() {
  static auto* file_system = new LinuxFileSystem;
  return *file_system;
}

}  // namespace quire::os
