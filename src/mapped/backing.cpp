#include "mapped/backing.hpp"

#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"

namespace quire::mapped {

namespace {

Error size_error(ErrorCode code, const char* operation, std::uint64_t size, std::string sentence) {
  return Error(code, operation).with_range({0, size}).with_detail(std::move(sentence));
}

}  // namespace

Result<std::shared_ptr<Backing>> Backing::make(std::unique_ptr<os::File> file, std::string path,
                                               Access access, const MappedFileOptions& options) {
  const auto name_error = [&path](Error error) {
    return std::unexpected(std::move(error).with_path(path));
  };
  const auto info = file->info();
  if (!info) return name_error(info.error());
  const std::uint64_t reserve = options.reserve.value_or(os::default_reserve(info->size));
  auto mapping = file->map(
      access == Access::read_only ? os::MapAccess::read : os::MapAccess::read_write, reserve);
  if (!mapping) return name_error(std::move(mapping).error());
  const bool has_space = has_all_its_space(*file);
  return std::make_shared<Backing>(std::move(file), *std::move(mapping), std::move(path), access,
                                   options.sparse, info->size, has_space);
}

Backing::Backing(std::unique_ptr<os::File> file, os::Mapping mapping, std::string path,
                 Access access, bool sparse, std::uint64_t size, bool has_space)
    : path_(std::move(path)),
      access_(access),
      sparse_(sparse),
      file_(std::move(file)),
      mapping_(std::move(mapping)),
      size_(size),
      has_space_(has_space) {}

Result<void> Backing::grow(std::uint64_t new_size) {
  const base::MutexLock lock(mutex_);
  const std::uint64_t size = size_.load(std::memory_order_relaxed);
  if (new_size < size) {
    return std::unexpected(named(size_error(ErrorCode::invalid_argument, "grow", new_size,
                                            "the file has " + std::to_string(size) + " bytes")));
  }
  if (new_size > reserved()) {
    return std::unexpected(
        named(size_error(ErrorCode::capacity, "grow", new_size,
                         std::to_string(reserved()) + " bytes of addresses were reserved")));
  }
  if (new_size == size) return {};
  QUIRE_TRY(const os::FileInfo info, unchanged_info("grow", size));
  QUIRE_CHECK(name_error(lengthen(*file_, info.size, new_size, sparse_)));
  if (sparse_) has_space_.store(false, std::memory_order_relaxed);
  publish(new_size);
  return {};
}

Result<void> Backing::shrink(std::uint64_t new_size) {
  const base::MutexLock lock(mutex_);
  const std::uint64_t size = size_.load(std::memory_order_relaxed);
  if (new_size > size) {
    return std::unexpected(named(size_error(ErrorCode::invalid_argument, "shrink", new_size,
                                            "the file has " + std::to_string(size) + " bytes")));
  }
  if (new_size == size) return {};
  publish(new_size);
  if (!pin_ends_.empty() && *pin_ends_.rbegin() > new_size) {
    publish(size);
    return std::unexpected(
        named(size_error(ErrorCode::busy, "shrink", new_size,
                         "a pin reaches to byte " + std::to_string(*pin_ends_.rbegin()))));
  }
  auto cut = unchanged_info("shrink", size);
  Result<void> done = cut ? name_error(file_->truncate(new_size))
                          : Result<void>(std::unexpected(std::move(cut).error()));
  if (!done) publish(size);
  return done;
}

Result<std::uint64_t> Backing::refresh() {
  const base::MutexLock lock(mutex_);
  QUIRE_TRY(const os::FileInfo info, name_error(file_->info()));
  if (info.size > reserved()) {
    return std::unexpected(
        named(size_error(ErrorCode::capacity, "refresh", info.size,
                         std::to_string(reserved()) + " bytes of addresses were reserved")));
  }
  publish(info.size);
  has_space_.store(has_all_its_space(*file_), std::memory_order_relaxed);
  return info.size;
}

// Changing the size of a file that another process has resized would cut or tear what is theirs.
Result<os::FileInfo> Backing::unchanged_info(const char* operation, std::uint64_t size) const {
  QUIRE_TRY(const os::FileInfo info, name_error(file_->info()));
  if (info.size == size) return info;
  const ErrorCode code = info.size < size ? ErrorCode::truncated : ErrorCode::changed;
  return std::unexpected(named(size_error(
      code, operation, size,
      "another process gave the file " + std::to_string(info.size) + " bytes: refresh first")));
}

Result<void> Backing::flush() { return note_sync(file_->sync()); }

Result<void> Backing::flush_range(ByteRange range) {
  // The kernel does not sync a mapping that cannot be written; the file, it does.
  if (access_ == Access::read_only) return flush();
  return note_sync(file_->sync_range(mapping_, range));
}

Result<void> Backing::start_writeback(ByteRange range) {
  return name_error(file_->start_writeback(range));
}

Result<void> Backing::note_sync(Result<void> result) {
  if (!result) sync_failed_.store(true, std::memory_order_relaxed);
  return name_error(std::move(result));
}

void Backing::reopen_after_error() {
  file_->forget_sync_failure();
  sync_failed_.store(false, std::memory_order_relaxed);
}

Result<void> Backing::add_pin(ByteRange range) {
  const base::MutexLock lock(mutex_);
  if (!range.fits(size_.load(std::memory_order_relaxed))) {
    return std::unexpected(named(Error(ErrorCode::out_of_range, "pin").with_range(range)));
  }
  // An empty range has no byte that a shrink could take.
  if (!range.empty()) pin_ends_.insert(range.end());
  return {};
}

void Backing::remove_pin(std::uint64_t end) noexcept {
  const base::MutexLock lock(mutex_);
  if (const auto found = pin_ends_.find(end); found != pin_ends_.end()) pin_ends_.erase(found);
}

Error Backing::fault(const char* operation, ByteRange range) const {
  return named(fault_error(*file_, operation, range));
}

}  // namespace quire::mapped
