#include "os/atomic_file.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/try.hpp"

namespace quire::os {

namespace {

constexpr std::uint64_t kMaxFileBytes = std::numeric_limits<std::int64_t>::max();

}  // namespace

Result<std::unique_ptr<AtomicFile>> AtomicFile::create(FileSystem& file_system,
                                                       const std::string& path,
                                                       std::size_t block_bytes,
                                                       IfExists if_exists) {
  QUIRE_TRY(NewFile file, NewFile::create(file_system, path, if_exists));
  return std::unique_ptr<AtomicFile>(new AtomicFile(std::move(file), block_bytes));
}

AtomicFile::AtomicFile(NewFile file, std::size_t block_bytes)
    : file_(std::move(file)), block_bytes_(std::max<std::size_t>(1, block_bytes)) {}

Result<void> AtomicFile::append(std::span<const std::byte> bytes) {
  if (failure_) return std::unexpected(*failure_);
  if (bytes.size() > kMaxFileBytes - written_ - buffered_) {
    return remember(std::unexpected(Error(ErrorCode::capacity, "write")
                                        .with_path(path())
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
  return remember(file_.file().write_all(0, bytes));
}

Result<void> AtomicFile::finish() {
  if (failure_) return std::unexpected(*failure_);
  QUIRE_CHECK(remember(flush()));
  return remember(file_.put_in_place());
}

Result<void> AtomicFile::flush() {
  const std::size_t length = std::exchange(buffered_, 0);
  return write({buffer_.get(), length});
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  QUIRE_CHECK(file_.file().write_all(written_, bytes));
  written_ += bytes.size();
  return {};
}

Result<void> AtomicFile::remember(Result<void> result) {
  if (!result) failure_ = result.error();
  return result;
}

}  // namespace quire::os
