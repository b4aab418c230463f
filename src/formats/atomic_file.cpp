#include "formats/atomic_file.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/try.hpp"

namespace quire::formats {

namespace {

constexpr std::uint64_t kMaxFileBytes = std::numeric_limits<std::int64_t>::max();
constexpr std::uint32_t kNewFilePermissions = 0666;  // before the umask

std::unexpected<Error> not_a_file_name(const std::string& path, const char* sentence) {
  return std::unexpected(
      Error(ErrorCode::invalid_argument, "create").with_path(path).with_detail(sentence));
}

// The permissions that a file at `path` is to have: those of the file that is there, if one is.
Result<std::uint32_t> permissions_for(os::FileSystem& file_system, const std::string& path) {
  auto info = file_system.info(path);
  if (!info && info.error().code() == ErrorCode::not_found) return kNewFilePermissions;
  if (!info) return std::unexpected(std::move(info).error());
  switch (info->kind) {
    case os::FileKind::regular:
      return info->permissions & 0777U;
    case os::FileKind::directory:
      return not_a_file_name(path, "this is a directory, not a file");
    case os::FileKind::other:
      break;
  }
  return not_a_file_name(path, "this is a special file, not a regular one");
}

Result<std::unique_ptr<os::File>> create_partial(os::FileSystem& file_system,
                                                 const std::string& path,
                                                 std::uint32_t permissions) {
  std::string name = path + ".partial";
  for (int i = 1;; ++i) {
    auto file = file_system.open(name, os::OpenMode::create_new, permissions);
    const bool taken = !file && file.error().code() == ErrorCode::exists;
    if (!taken || i == AtomicFile::kMaxPartials) return file;
    name = path + ".partial-";
    name += std::to_string(i);
  }
}

}  // namespace

Result<std::unique_ptr<AtomicFile>> AtomicFile::create(os::FileSystem& file_system,
                                                       const std::string& path,
                                                       std::size_t block_bytes) {
  if (path.empty() || path.ends_with('/')) return not_a_file_name(path, "this names no file");
  QUIRE_TRY(std::string resolved, file_system.resolve(path));
  QUIRE_TRY(const std::uint32_t permissions, permissions_for(file_system, resolved));
  QUIRE_TRY(auto file, create_partial(file_system, resolved, permissions));
  return std::unique_ptr<AtomicFile>(
      new AtomicFile(file_system, std::move(resolved), std::move(file), block_bytes));
}

AtomicFile::AtomicFile(os::FileSystem& file_system, std::string path,
                       std::unique_ptr<os::File> file, std::size_t block_bytes)
    : file_system_(file_system),
      path_(std::move(path)),
      file_(std::move(file)),
      block_bytes_(std::max<std::size_t>(1, block_bytes)) {}

AtomicFile::~AtomicFile() {
  if (!in_place_) ignore_error(file_system_.remove(file_->path()));
}

Result<void> AtomicFile::append(std::span<const std::byte> bytes) {
  if (failure_) return std::unexpected(*failure_);
  if (bytes.size() > kMaxFileBytes - written_ - buffered_) {
    return remember(std::unexpected(Error(ErrorCode::capacity, "write")
                                        .with_path(path_)
                                        .with_detail("files end at 2^63 - 1 bytes")));
  }
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(block_bytes_);
  while (!bytes.empty()) {
    if (buffered_ == 0 && bytes.size() >= block_bytes_) return remember(write(bytes));
    const std::size_t fitting = std::min(bytes.size(), block_bytes_ - buffered_);
    std::memcpy(buffer_.get() + buffered_, bytes.data(), fitting);
    buffered_ += fitting;
    bytes = bytes.subspan(fitting);
    if (buffered_ == block_bytes_) QUIRE_CHECK(remember(flush()));
  }
  return {};
}

Result<void> AtomicFile::overwrite_front(std::span<const std::byte> bytes) {
  if (failure_) return std::unexpected(*failure_);
  QUIRE_CHECK(remember(flush()));
  return remember(file_->write_all(0, bytes));
}

Result<void> AtomicFile::finish() {
  if (failure_) return std::unexpected(*failure_);
  return remember(put_in_place());
}

Result<void> AtomicFile::put_in_place() {
  QUIRE_CHECK(flush());
  QUIRE_CHECK(file_->sync());
  QUIRE_CHECK(file_system_.rename(file_->path(), path_, os::IfExists::replace));
  in_place_ = true;
  const std::string directory = os::parent_directory(path_);
  if (auto synced = file_system_.sync_directory(directory); !synced) {
    return std::unexpected(
        Error(ErrorCode::outcome_unknown, "finish", synced.error().system_code())
            .with_path(path_)
            .with_detail("the file is in place, but its directory could not be synced: a power cut "
                         "may bring back what was there before"));
  }
  return {};
}

Result<void> AtomicFile::flush() {
  const std::size_t length = std::exchange(buffered_, 0);
  return write({buffer_.get(), length});
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  QUIRE_CHECK(file_->write_all(written_, bytes));
  written_ += bytes.size();
  return {};
}

Result<void> AtomicFile::remember(Result<void> result) {
  if (!result) failure_ = result.error();
  return result;
}

}  // namespace quire::formats
