#include "vector/spare_logs.hpp"

#include <utility>
#include <vector>

#include "base/try.hpp"
#include "base/zeros.hpp"
#include "vector/format.hpp"

namespace quire::vector {

namespace {

bool is_spare(os::FileSystem& file_system, const std::string& path, std::uint64_t size) {
  auto file = file_system.open(path, os::OpenMode::read);
  if (!file || (*file)->sync_has_failed()) return false;
  const auto info = (*file)->info();
  if (!info || info->size != size) return false;
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  return (*file)->read_exactly(0, bytes) && base::all_zeros(bytes);
}

}  // namespace

std::string SpareLogs::path(std::size_t number) const {
  return os::join_path(directory_, spare_name(number + 1));
}

void SpareLogs::adopt() {
  const base::MutexLock lock(mutex_);
  count_ = 0;
  while (count_ < kCount && is_spare(file_system_, path(count_), bytes_)) ++count_;
  for (std::size_t rest = count_; rest < kCount; ++rest) {
    ignore_error(file_system_.remove(path(rest)));
  }
}

Result<void> SpareLogs::refill() {
  const base::MutexLock lock(mutex_);
  for (; count_ < kCount; ++count_) {
    auto made = make(path(count_));
    if (made) continue;
    ignore_error(file_system_.remove(path(count_)));
    return made;
  }
  return {};
}

Result<void> SpareLogs::make(const std::string& path) {
  auto file = file_system_.open(path, os::OpenMode::create_new);
  if (!file && file.error().code() == ErrorCode::exists) {
    QUIRE_CHECK(file_system_.remove(path));
    file = file_system_.open(path, os::OpenMode::create_new);
  }
  if (!file) return std::unexpected(std::move(file).error());
  const std::vector<std::byte> zeros(static_cast<std::size_t>(bytes_));
  QUIRE_CHECK((*file)->write_all(0, zeros));
  // So that the log's first syncs find blocks that were written before.
  return (*file)->sync();
}

std::size_t SpareLogs::count() const {
  const base::MutexLock lock(mutex_);
  return count_;
}

std::optional<std::string> SpareLogs::take() {
  const base::MutexLock lock(mutex_);
  if (count_ == 0) return std::nullopt;
  return path(--count_);
}

}  // namespace quire::vector
