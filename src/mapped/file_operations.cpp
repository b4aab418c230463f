#include "mapped/file_operations.hpp"
#include "mapped/with_path.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "base/try.hpp"
#include "os/new_file.hpp"

namespace quire {

namespace mapped {

namespace {

constexpr std::uint64_t kFirstRead = std::uint64_t{64} << 10;

std::unexpected<Error> too_large(const std::string& path, std::uint64_t max_bytes) {
  return std::unexpected(
      Error(ErrorCode::capacity, "read")
          .with_path(path)
          .with_detail("it is larger than max_bytes, " + std::to_string(max_bytes) + ": map it"));
}

// Bytes that become more. By realloc, which moves large buffers without copying them.
class GrowingBuffer {
 public:
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  // What is free behind the bytes.
  std::span<std::byte> room() noexcept { return {bytes_.get() + size_, capacity_ - size_}; }
  // Counts bytes that were put into the room.
  void add(std::size_t length) noexcept { size_ += length; }

  // REQUIRES: capacity > 0, and at least size().
  void resize_to(std::size_t capacity) {
    std::byte* const old = bytes_.release();
    auto* const moved = static_cast<std::byte*>(std::realloc(old, capacity));
    bytes_.reset(moved == nullptr ? old : moved);
    if (moved == nullptr) throw std::bad_alloc();
    capacity_ = capacity;
  }

  Bytes take() && {
    if (size_ == 0) return {};
    resize_to(size_);
    const std::span<const std::byte> all(bytes_.get(), size_);
    return Bytes::borrow(all, std::shared_ptr<const void>(std::move(bytes_)));
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
  };

  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// How large the buffer is to be once `got` bytes fill it: twice as large, so that memory follows
// what was really read; but if the file's size is to be believed, one byte more than that, in which
// the end is found.
std::uint64_t next_capacity(std::uint64_t got, std::uint64_t reported, std::uint64_t max_bytes) {
  std::uint64_t capacity = std::max(kFirstRead, 2 * got);
  if (reported > 0 && reported >= got) capacity = std::min(capacity, reported + 1);
  return max_bytes < capacity ? max_bytes + 1 : capacity;
}

}  // namespace

Result<void> check_file_name(const char* operation, const std::string& path) {
  // The system would end the name at a NUL, and mean another file.
  if (!path.empty() && !path.ends_with('/') && !path.contains('\0')) return {};
  return std::unexpected(Error(ErrorCode::invalid_argument, operation)
                             .with_path(path)
                             .with_detail("this names no file"));
}

Result<Bytes> read_file(os::FileSystem& file_system, const std::string& path,
                        const ReadFileOptions& options) {
  QUIRE_CHECK(check_file_name("read", path));
  QUIRE_TRY(const auto file, file_system.open(path, os::OpenMode::read));
  QUIRE_TRY(const os::FileInfo info, file->info());
  if (info.size > options.max_bytes) {
    // Sizes lie; a byte that is there does not.
    std::byte byte{};
    QUIRE_TRY(const std::size_t got, file->pread(options.max_bytes, {&byte, 1}));
    if (got > 0) return too_large(path, options.max_bytes);
  }
  GrowingBuffer buffer;
  while (true) {
    if (buffer.room().empty()) {
      buffer.resize_to(next_capacity(buffer.size(), info.size, options.max_bytes));
    }
    QUIRE_TRY(const std::size_t got, file->pread(buffer.size(), buffer.room()));
    if (got == 0) return std::move(buffer).take();
    buffer.add(got);
    if (buffer.size() > options.max_bytes) return too_large(path, options.max_bytes);
  }
}

Result<void> write_file_atomic(os::FileSystem& file_system, const std::string& path,
                               std::span<const std::byte> bytes, const WriteFileOptions& options) {
  QUIRE_TRY(os::NewFile fresh, with_path(os::NewFile::create(file_system, path, options.if_exists,
                                                             options.permissions),
                                         path));
  QUIRE_CHECK(with_path(fresh.file().write_all(0, bytes), path));
  return with_path(fresh.put_in_place(), path);
}

Result<void> write_file_range(os::FileSystem& file_system, const std::string& path,
                              std::uint64_t offset, std::span<const std::byte> bytes) {
  QUIRE_CHECK(check_file_name("write", path));
  QUIRE_TRY(const auto file, file_system.open(path, os::OpenMode::read_write));
  QUIRE_TRY(const os::FileInfo info, file->info());
  const ByteRange range{offset, bytes.size()};
  if (!range.fits(info.size)) {
    return std::unexpected(Error(ErrorCode::out_of_range, "write")
                               .with_path(path)
                               .with_range(range)
                               .with_detail("the file has " + std::to_string(info.size) +
                                            " bytes, and is not lengthened"));
  }
  // Which syncs nothing, and says why.
  if (file->sync_has_failed()) return file->sync();
  QUIRE_CHECK(file->write_all(offset, bytes));
  return file->sync();
}

Result<void> remove_file(os::FileSystem& file_system, const std::string& path) {
  QUIRE_CHECK(check_file_name("remove", path));
  QUIRE_CHECK(file_system.remove(path));
  if (auto synced = file_system.sync_directory(os::parent_directory(path)); !synced) {
    return std::unexpected(
        Error(ErrorCode::outcome_unknown, "remove", synced.error().system_code())
            .with_path(path)
            .with_detail("the file is gone, but its directory could not be synced: a power cut may "
                         "bring it back"));
  }
  return {};
}

}  // namespace mapped

inline namespace v0 {

Result<Bytes> read_file(const std::string& path, const ReadFileOptions& options) {
  return mapped::read_file(os::real_file_system(), path, options);
}

Result<void> write_file_atomic(const std::string& path, std::span<const std::byte> bytes,
                               const WriteFileOptions& options) {
  return mapped::write_file_atomic(os::real_file_system(), path, bytes, options);
}

Result<void> write_file_range(const std::string& path, std::uint64_t offset,
                              std::span<const std::byte> bytes) {
  return mapped::write_file_range(os::real_file_system(), path, offset, bytes);
}

Result<void> copy_file(const std::string& from, const std::string& to,
                       const CopyFileOptions& options) {
  return mapped::copy_file(os::real_file_system(), from, to, options);
}

Result<void> remove_file(const std::string& path) {
  return mapped::remove_file(os::real_file_system(), path);
}

}  // namespace v0
}  // namespace quire
