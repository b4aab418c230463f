#include "mapped/backing.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/try.hpp"
#include "mapped/allocation.hpp"
#include "os/memory.hpp"

namespace quire::mapped {

namespace {

// What `append` allocates ahead: an eighth of the file, within these.
constexpr std::uint64_t kLeastAhead = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostAhead = std::uint64_t{64} << 20;

Error size_error(ErrorCode code, const char* operation, std::uint64_t size, std::string sentence) {
  return Error(code, operation).with_range({0, size}).with_detail(std::move(sentence));
}

Result<std::uint64_t> size_to_map(const os::FileInfo& info, const Opening& opening) {
  if (!opening.window) return info.size;
  if (opening.window->fits(info.size)) return opening.window->length;
  return std::unexpected(Error(ErrorCode::out_of_range, "open")
                             .with_range(*opening.window)
                             .with_detail("the file has " + std::to_string(info.size) + " bytes"));
}

Result<os::Mapping> map(os::File& file, const Opening& opening, std::uint64_t size,
                        const MappedFileOptions& options) {
  const os::MapAccess access = opening.access == Access::read_only    ? os::MapAccess::read
                               : opening.access == Access::read_write ? os::MapAccess::read_write
                                                                      : os::MapAccess::private_copy;
  if (opening.window) return file.map_window(access, *opening.window);
  if (opening.access == Access::copy_on_write) return file.map_window(access, {0, size});
  return file.map(access, options.reserve.value_or(os::default_reserve(size)));
}

Result<void> lock(os::File& file, FileLock lock) {
  if (lock == FileLock::none) return {};
  return file.try_lock(lock == FileLock::shared ? os::LockKind::shared : os::LockKind::exclusive);
}

}  // namespace

Result<std::shared_ptr<Backing>> Backing::make(std::unique_ptr<os::File> file, Opening opening,
                                               const MappedFileOptions& options) {
  const auto name_error = [&opening](Error error) {
    return std::unexpected(std::move(error).with_path(opening.path));
  };
  // First: what is looked at then stays, if the others lock too.
  if (auto locked = lock(*file, options.lock); !locked) return name_error(locked.error());
  const auto info = file->info();
  if (!info) return name_error(info.error());
  const auto size = size_to_map(*info, opening);
  if (!size) return name_error(size.error());
  auto mapping = map(*file, opening, *size, options);
  if (!mapping) return name_error(std::move(mapping).error());
  const bool has_space = !opening.is_memory && has_all_its_space(*file);
  auto backing = std::make_shared<Backing>(std::move(file), *std::move(mapping), std::move(opening),
                                           options, *size, has_space);
  QUIRE_CHECK(backing->make_ready(options));
  return backing;
}

Backing::Backing(std::unique_ptr<os::File> file, os::Mapping mapping, Opening opening,
                 const MappedFileOptions& options, std::uint64_t size, bool has_space)
    : opening_(std::move(opening)),
      sparse_(options.sparse || opening_.is_memory),
      file_(std::move(file)),
      mapping_(std::move(mapping)),
      origin_(opening_.window ? opening_.window->offset : 0),
      fixed_size_(size),
      size_(size),
      has_space_(has_space),
      account_(options.flush_policy, opening_.access == Access::read_write) {}

Backing::~Backing() { ignore_error(trim()); }

// What options ask of the memory.
Result<void> Backing::make_ready(const MappedFileOptions& options) const {
  if (options.huge_pages) {
    ignore_error(os::advise(base(), mapping_.size(), MemoryAdvice::huge_page));
  }
  const ByteRange all{0, size_.load(std::memory_order_relaxed)};
  if (options.access_hint != AccessHint::normal) mapping_.advise(all, options.access_hint);
  return prefault(all, options.prefault);
}

Result<void> Backing::prefault(ByteRange range, Prefault how) const {
  auto done = os::populate(base() + range.offset, range.length, how);
  if (done || done.error().code() != ErrorCode::io) return name_error(std::move(done));
  return std::unexpected(fault("prefault", range));
}

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
  if (!pin_ends_.empty() && *pin_ends_.rbegin() > new_size) {
    return std::unexpected(
        named(size_error(ErrorCode::busy, "shrink", new_size,
                         "a pin reaches to byte " + std::to_string(*pin_ends_.rbegin()))));
  }
  QUIRE_CHECK(unchanged_info("shrink", size));
  const std::lock_guard no_calls_write(cut_mutex_);
  publish(new_size);
  auto cut = name_error(file_->truncate(new_size));
  if (cut) {
    ahead_end_ = 0;
  } else {
    publish(size);
  }
  return cut;
}

Result<std::uint64_t> Backing::append(std::span<const std::byte> in) {
  const base::MutexLock lock(mutex_);
  const std::uint64_t size = size_.load(std::memory_order_relaxed);
  const ByteRange range{size, in.size()};
  if (in.size() > reserved() - size) {
    return std::unexpected(
        named(Error(ErrorCode::capacity, "append")
                  .with_range(range)
                  .with_detail(std::to_string(reserved()) + " bytes of addresses were reserved")));
  }
  if (in.empty()) return size;
  QUIRE_TRY(const os::FileInfo info, unchanged_info("append", size));
  if (!sparse_ && range.end() > ahead_end_) allocate_ahead(info.size, range.end());
  if (auto written = file_->write_all(size, in); !written) {
    ignore_error(file_->truncate(size));
    ahead_end_ = 0;
    return std::unexpected(named(std::move(written).error()));
  }
  publish(range.end());
  return size;
}

// Spares the system looking for space at every append. Without it appending works as well.
void Backing::allocate_ahead(std::uint64_t size, std::uint64_t end) {
  const std::uint64_t more = std::clamp(size / 8, kLeastAhead, kMostAhead);
  const std::uint64_t until = end > UINT64_MAX - more ? end : end + more;
  if (file_->allocate_ahead({size, until - size})) ahead_end_ = until;
}

Result<void> Backing::trim() {
  const base::MutexLock lock(mutex_);
  const std::uint64_t size = size_.load(std::memory_order_relaxed);
  if (std::exchange(ahead_end_, 0) <= size) return {};
  // If another process resized the file, the space is its.
  QUIRE_TRY(const os::FileInfo info, name_error(file_->info()));
  if (info.size != size) return {};
  return name_error(file_->truncate(size));
}

Result<void> Backing::punch_hole(ByteRange range) {
  if (range.empty()) return {};
  // So that has_space_ is what the last of refresh and this says.
  const base::MutexLock lock(mutex_);
  has_space_.store(false, std::memory_order_relaxed);
  auto punched = file_->punch_hole(in_file(range));
  if (punched) return punched;
  return std::unexpected(named(std::move(punched).error().with_range(range)));
}

Result<std::uint64_t> Backing::refresh() {
  const base::MutexLock lock(mutex_);
  QUIRE_TRY(const os::FileInfo info, name_error(file_->info()));
  if (has_fixed_size()) {
    const std::uint64_t left = info.size - std::min(info.size, origin_);
    publish(std::min(left, fixed_size_));
    return std::min(left, fixed_size_);
  }
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

PrivateCopy Backing::private_copy() const {
  return {*file_, mapping_, {base(), fixed_size_}, origin_};
}

Error Backing::fault(const char* operation, ByteRange range) const {
  return named(fault_error(*file_, operation, in_file(range)).with_range(range));
}

}  // namespace quire::mapped
