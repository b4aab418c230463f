#include "os/mapping.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "os/errno.hpp"

namespace quire::os {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
constexpr std::uint64_t kLargestReserve =
    std::numeric_limits<std::size_t>::max() / 2 / kHugePage * kHugePage;

// `size` in whole units, at least one; no more than kLargestReserve.
std::uint64_t whole_units(std::uint64_t size, std::uint64_t unit) noexcept {
  if (size >= kLargestReserve) return kLargestReserve;
  return (std::max<std::uint64_t>(size, 1) + unit - 1) / unit * unit;
}

Error capacity_error(std::uint64_t bytes, int errno_value) {
  return Error(ErrorCode::capacity, "map", errno_value)
      .with_detail("the process may not have " + std::to_string(bytes) + " bytes of addresses");
}

// Sets aside `length` bytes of addresses that begin at a multiple of 2 MiB, by taking 2 MiB more
// and giving back both ends. Returns MAP_FAILED with errno set.
void* reserve_aligned(std::size_t length, int protection) noexcept {
  const std::size_t taken = length + kHugePage;
  void* const raw = ::mmap(nullptr, taken, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                           /*fd=*/-1, 0);
  if (raw == MAP_FAILED) return raw;
  const auto first = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = (first + kHugePage - 1) / kHugePage * kHugePage;
  std::byte* const base = static_cast<std::byte*>(raw) + (aligned - first);
  if (aligned != first) ::munmap(raw, aligned - first);
  if (const std::size_t rest = taken - (aligned - first) - length; rest != 0) {
    ::munmap(base + length, rest);
  }
  return base;
}

// One attempt over exactly `length` bytes, of which the file has the first `file_bytes`, from its byte
// `first`. Returns MAP_FAILED with errno set and nothing mapped.
void* map_over(int descriptor, MapAccess access, std::uint64_t first, std::uint64_t file_bytes,
               std::size_t length) noexcept {
  const bool is_private = access == MapAccess::private_copy;
  const int protection = access == MapAccess::read ? PROT_READ : PROT_READ | PROT_WRITE;
  void* const base = reserve_aligned(length, is_private ? protection : PROT_NONE);
  if (base == MAP_FAILED) return base;
  // A private copy has the file only in front: behind it stay private zeros that cannot fault.
  const std::size_t mapped =
      !is_private ? length : (file_bytes == 0 ? 0 : whole_units(file_bytes, kPage));
  if (mapped == 0) return base;
  const int sharing = is_private ? MAP_PRIVATE : MAP_SHARED;
  if (::mmap(base, mapped, protection, sharing | MAP_FIXED | MAP_NORESERVE, descriptor,
             static_cast<off_t>(first)) != MAP_FAILED) {
    return base;
  }
  const int failure = errno;
  ::munmap(base, length);
  errno = failure;
  return MAP_FAILED;
}

int advice_for(AccessHint access, bool shared) {
  switch (access) {
    case AccessHint::sequential:
      return MADV_SEQUENTIAL;
    case AccessHint::random:
      return MADV_RANDOM;
    case AccessHint::will_need:
      return MADV_WILLNEED;
    case AccessHint::dont_need:
      // MADV_DONTNEED takes pages out of this map: a shared one finds them in the page cache again,
      // a private one would lose what was stored into them.
      return shared ? MADV_DONTNEED : MADV_COLD;
    case AccessHint::normal:
      break;
  }
  return MADV_NORMAL;
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      before_(std::exchange(other.before_, 0)),
      size_(std::exchange(other.size_, 0)),
      shared_(other.shared_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    if (base_ != nullptr) ::munmap(base_, size_);
    base_ = std::exchange(other.base_, nullptr);
    before_ = std::exchange(other.before_, 0);
    size_ = std::exchange(other.size_, 0);
    shared_ = other.shared_;
  }
  return *this;
}

Mapping::~Mapping() {
  if (base_ != nullptr) ::munmap(base_, size_);
}

Result<Mapping> Mapping::map_file(int descriptor, MapAccess access, std::uint64_t file_size,
                                  std::uint64_t reserve) {
  if (reserve < file_size) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "map")
                               .with_detail("the reservation is smaller than the file"));
  }
  if (file_size > kLargestReserve) return std::unexpected(capacity_error(file_size, 0));
  const std::uint64_t least = whole_units(file_size, kHugePage);
  std::uint64_t length = whole_units(reserve, kHugePage);
  while (true) {
    void* const base = map_over(descriptor, access, 0, file_size, length);
    if (base != MAP_FAILED) {
      return Mapping(static_cast<std::byte*>(base), 0, length, access != MapAccess::private_copy);
    }
    // EOVERFLOW: longer than a file may be here.
    if (errno != ENOMEM && errno != EOVERFLOW)
      return std::unexpected(errno_error("map", errno, {}));
    if (length == least) return std::unexpected(capacity_error(least, errno));
    length = std::max(length / 2 / kHugePage * kHugePage, least);
  }
}

Result<Mapping> Mapping::map_window(int descriptor, MapAccess access, ByteRange window) {
  const std::uint64_t before = window.offset % kHugePage;
  if (window.length > kLargestReserve - before) {
    return std::unexpected(capacity_error(window.length, 0));
  }
  const std::uint64_t length = whole_units(before + window.length, kPage);
  const std::uint64_t file_bytes = window.empty() ? 0 : before + window.length;
  void* const base = map_over(descriptor, access, window.offset - before, file_bytes, length);
  if (base == MAP_FAILED) {
    if (errno == ENOMEM || errno == EOVERFLOW) {
      return std::unexpected(capacity_error(length, errno));
    }
    return std::unexpected(errno_error("map", errno, {}));
  }
  return Mapping(static_cast<std::byte*>(base), before, length, access != MapAccess::private_copy);
}

void Mapping::advise(ByteRange range, AccessHint access) const noexcept {
  if (range.empty() || !range.fits(size())) return;
  const std::uint64_t first = (before_ + range.offset) / kPage * kPage;
  static_cast<void>(::madvise(base_ + first,
                              static_cast<std::size_t>(before_ + range.end() - first),
                              advice_for(access, shared_)));
}

Result<void> Mapping::forget_stores(ByteRange range) const {
  if (range.empty()) return {};
  const std::uint64_t first = (before_ + range.offset) / kPage * kPage;
  const auto length = static_cast<std::size_t>(before_ + range.end() - first);
  if (::madvise(base_ + first, length, MADV_DONTNEED) == 0) return {};
  // Pages locked in memory need another word for it.
  constexpr int kDontNeedLocked = 24;
  if (errno == EINVAL && ::madvise(base_ + first, length, kDontNeedLocked) == 0) return {};
  return std::unexpected(errno_error("discard", errno, {}, range));
}

Result<Mapping> Mapping::anonymous(std::uint64_t length) {
  const std::uint64_t whole = whole_units(length, kHugePage);
  void* const base =
      length > kLargestReserve ? MAP_FAILED : reserve_aligned(whole, PROT_READ | PROT_WRITE);
  if (base == MAP_FAILED) return std::unexpected(capacity_error(length, ENOMEM));
  return Mapping(static_cast<std::byte*>(base), 0, whole, /*shared=*/false);
}

std::uint64_t default_reserve(std::uint64_t size) noexcept {
  constexpr std::uint64_t kLeast = std::uint64_t{1} << 30;
  constexpr std::uint64_t kTimes = 16;
  if (size > kLargestReserve / kTimes) return std::max(size, kLargestReserve);
  return whole_units(std::max(kLeast, size * kTimes), kHugePage);
}

}  // namespace quire::os
