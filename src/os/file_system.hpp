// The file-system seam: every call by which Quire touches files goes through these two interfaces.
//
// Two implementations: the real one (file_system_linux.cpp) and the simulated one
// (simulated_file_system.hpp), which can cut the power at any call, fail any call, write short and
// run out of space. Rooms above take a FileSystem& in private constructors; it is no public option.
//
// Paths are plain strings in the file system's own encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "os/mapping.hpp"
#include "quire/access_hint.hpp"
#include "quire/error.hpp"
#include "quire/if_exists.hpp"

namespace quire::os {

// Which file this is, for as long as it exists: two handles of one file have equal ids. `birth`
// tells a new file from a removed one whose inode number it took over.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t birth = 0;
  friend auto operator<=>(const FileId&, const FileId&) noexcept = default;
};

enum class FileKind : std::uint8_t { regular, directory, other };

struct FileInfo {
  FileKind kind = FileKind::regular;
  std::uint64_t size = 0;             // bytes
  std::uint64_t allocated_bytes = 0;  // on disk; less than size where there are holes
  std::uint32_t permissions = 0;      // the low 12 bits of st_mode
  // When the content last changed, in ns since the epoch (simulated: a count of the changes). Every
  // change by a call moves it, as finely as the system's clock for files ticks, some ms; stores
  // into a map when the system notices them, at the latest when it writes the page.
  std::uint64_t modified_ns = 0;
  FileId id;
};

struct SpaceInfo {
  std::uint64_t free_bytes = 0;
  // True if space that `allocate` gave cannot be lost again before it is written (not on file
  // systems that copy on write).
  bool allocation_binds = false;
};

// What kind of file system a path is on.
struct FileSystemKind {
  std::string name;  // in words, for messages
  // True if other machines may change its files without this one's maps and locks knowing, as far as the
  // system tells.
  bool is_network = false;
};

enum class OpenMode : std::uint8_t {
  read,  // must exist
  // Must exist; what is read comes from the device and not from the page cache, for any offset and length.
  // What was not synced may show or not.
  read_direct,
  read_write,  // must exist
  create_new,  // for reading and writing; must not exist
};

enum class LockKind : std::uint8_t { shared, exclusive };

// An open regular file. Thread-safe: calls on one handle may run at once, as pread and pwrite do.
// Errors name the operation, the path and the byte range; every call may also fail with `io`.
class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const noexcept { return path_; }
  const FileId& id() const noexcept { return id_; }

  // Reads up to out.size() bytes; fewer only at the end of the file or where the system stops
  // short.
  [[nodiscard]] virtual Result<std::size_t> pread(std::uint64_t offset,
                                                  std::span<std::byte> out) = 0;
  // Writes up to in.size() bytes, at least one unless `in` is empty. Errors: no_space.
  [[nodiscard]] virtual Result<std::size_t> pwrite(std::uint64_t offset,
                                                   std::span<const std::byte> in) = 0;
  [[nodiscard]] virtual Result<FileInfo> info() = 0;
  [[nodiscard]] virtual Result<SpaceInfo> space() = 0;
  // Gives disk space to the range, zeros where nothing was written, and makes the file at least
  // that long. Errors: no_space (a part may be allocated, and the file longer: truncate gives it back),
  // unsupported (this file system cannot).
  [[nodiscard]] virtual Result<void> allocate(ByteRange range) = 0;
  // Cuts the file, or lengthens it by a hole.
  [[nodiscard]] virtual Result<void> truncate(std::uint64_t size) = 0;
  // Starts writing dirty pages of the range out and does not wait. No durability.
  [[nodiscard]] virtual Result<void> start_writeback(ByteRange range) = 0;
  // Says how a range will be read; an empty one means to the end. Errors: io, seldom.
  [[nodiscard]] virtual Result<void> advise(ByteRange range, AccessHint access) = 0;
  // Replaces the permissions (the low 12 bits), past the umask. Errors: permission.
  [[nodiscard]] virtual Result<void> set_permissions(std::uint32_t permissions) = 0;
  // Maps the file; see Mapping::map_file. `reserve` of at least the file's size.
  [[nodiscard]] virtual Result<Mapping> map(MapAccess access, std::uint64_t reserve) = 0;
  // Maps a part of it that does not change; see Mapping::map_window.
  [[nodiscard]] virtual Result<Mapping> map_window(MapAccess access, ByteRange window);
  // Gives the space of the range back; it reads as zeros. The size stays. Errors: unsupported.
  [[nodiscard]] virtual Result<void> punch_hole(ByteRange range);
  // Gives disk space to the range, which may lie behind the end, and leaves the size. What lies behind
  // the end goes back with `truncate`, also to the size it has. Errors: no_space, unsupported.
  [[nodiscard]] virtual Result<void> allocate_ahead(ByteRange range);
  // True if every byte up to `size` has disk space that no other file shares, as far as the system
  // tells. What `allocate` gave counts, written or not.
  [[nodiscard]] virtual Result<bool> has_own_space(std::uint64_t size);
  // Copies the range of `source` to the same offsets of this file inside the system, which shares the
  // blocks where it can. Returns how many bytes; fewer than asked at the source's end or where the
  // system stops short, none at its end. Errors: unsupported (not between these two), no_space.
  [[nodiscard]] virtual Result<std::uint64_t> copy_from(File& source, ByteRange range);
  // The same file opened once more, whatever is at its path now. Errors: permission, unsupported.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> reopen(OpenMode mode);
  // The system's descriptor, borrowed; -1 where there is none.
  [[nodiscard]] virtual int descriptor() const noexcept { return -1; }
  // Another descriptor of the same opening, for the caller to close. Errors: capacity, unsupported.
  [[nodiscard]] virtual Result<int> duplicate_descriptor();
  // Takes an advisory lock on the whole file that lives as long as this handle (an open file
  // description lock: other handles of this process are kept out too). Errors: busy.
  [[nodiscard]] virtual Result<void> try_lock(LockKind kind) = 0;
  // True if another opening of the file holds an exclusive lock on it, in this process or another. Takes
  // no lock. Errors: unsupported.
  [[nodiscard]] virtual Result<bool> is_locked_exclusively();
  // Gives the lock back, if there is one.
  [[nodiscard]] virtual Result<void> unlock() = 0;

  // Makes all data and the size durable; syncs of one handle take turns. Does not make the file's name durable: that is the
  // directory's sync. After one failure every later sync of this file fails with
  // read_only_after_error, through any handle in the process, because the kernel has marked the
  // lost pages clean and the next fsync would lie.
  [[nodiscard]] Result<void> sync();
  // The same for a range of a mapping of this file, with as much of the size as its bytes need.
  [[nodiscard]] Result<void> sync_range(const Mapping& mapping, ByteRange range);
  // Allows syncing again after a failure. What was not written may be lost.
  void forget_sync_failure();
  // True if a sync of this file failed in this process and was not forgotten.
  [[nodiscard]] bool sync_has_failed() const;

  // pread until `out` is full. Errors: truncated if the file ends before.
  [[nodiscard]] Result<void> read_exactly(std::uint64_t offset, std::span<std::byte> out);
  // pwrite until `in` is written. On an error a part may have been written.
  [[nodiscard]] Result<void> write_all(std::uint64_t offset, std::span<const std::byte> in);

 protected:
  File(std::string path, FileId id) : path_(std::move(path)), id_(id) {}

  virtual Result<void> do_sync() = 0;
  virtual Result<void> do_sync_range(const Mapping& mapping, ByteRange range) = 0;

 private:
  Result<void> check_no_sync_failed() const;
  Result<void> remember_failure(Result<void> result);
  std::unexpected<Error> cannot(const char* operation, ByteRange range) const;

  const std::string path_;
  const FileId id_;
  base::Mutex sync_mutex_;  // the system tells an error to one sync of an opening alone
};

// Thread-safe.
class FileSystem {
 public:
  FileSystem() = default;
  virtual ~FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;

  // Opens a regular file. `permissions` (before the umask) matter to create_new only.
  // Errors: not_found, exists, permission, no_space, invalid_argument (a directory or special file,
  // or a path with a NUL, where the system would end it), unsupported (read_direct, where the file system has
  // no way past its cache).
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                                           std::uint32_t permissions = 0644) = 0;
  // Errors: exists (with IfExists::fail), not_found.
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to,
                                            IfExists if_exists) = 0;
  // Removes a file's name. Errors: not_found.
  [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;
  // Errors: exists, not_found (no parent).
  [[nodiscard]] virtual Result<void> make_directory(const std::string& path) = 0;
  // Makes creations, renames and removals in the directory durable.
  [[nodiscard]] virtual Result<void> sync_directory(const std::string& path) = 0;
  // The names in a directory, sorted, without "." and "..". Errors: not_found, invalid_argument.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // About what the path leads to, following symbolic links. Errors: not_found.
  [[nodiscard]] virtual Result<FileInfo> info(const std::string& path) = 0;
  // The path with every symbolic link followed and no slash at its end; the last part need not
  // exist. Errors: not_found (no directory it would be in), invalid_argument (links in a circle).
  [[nodiscard]] virtual Result<std::string> resolve(const std::string& path) = 0;
  // What the path is on, following symbolic links. Errors: not_found.
  [[nodiscard]] virtual Result<FileSystemKind> kind_of(const std::string& path) = 0;
};

// The operating system's. Lives as long as the process.
[[nodiscard]] FileSystem& real_file_system();

// The file of a descriptor, opened once more: an opening of its own learns of failed syncs by itself.
// Named after its path at this moment. Errors: invalid_argument (no descriptor of a regular file),
// permission (it was not opened for this, or may not be any more), unsupported (no /proc).
[[nodiscard]] Result<std::unique_ptr<File>> open_descriptor(int descriptor, OpenMode mode);
// A file without a name, of zeros, in memory that processes can share. Errors: capacity, no_space.
[[nodiscard]] Result<std::unique_ptr<File>> create_memory_file(std::uint64_t size);

// The directory part of a path: "." where it has none.
[[nodiscard]] std::string parent_directory(const std::string& path);
// The path without the slashes at its end; "/" stays.
[[nodiscard]] std::string without_last_slashes(std::string path);
// `directory` and `name` joined by one slash.
[[nodiscard]] std::string join_path(const std::string& directory, const std::string& name);

}  // namespace quire::os
