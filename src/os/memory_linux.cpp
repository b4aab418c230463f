#include "os/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "os/errno.hpp"
#include "os/fault_guard.hpp"

namespace quire::os {

namespace {

using Pages = std::span<const std::byte>;

// All pages that hold a byte of the range.
Pages widened(const std::byte* address, std::size_t length) noexcept {
  if (length == 0) return {};
  const std::size_t page = page_size();
  const std::size_t before = reinterpret_cast<std::uintptr_t>(address) % page;
  return {address - before, (before + length + page - 1) / page * page};
}

// The pages that hold nothing but the range.
Pages narrowed(const std::byte* address, std::size_t length) noexcept {
  const std::size_t page = page_size();
  const std::size_t skipped = (page - reinterpret_cast<std::uintptr_t>(address) % page) % page;
  if (length <= skipped) return {};
  return {address + skipped, (length - skipped) / page * page};
}

// The calls take pointers to what could be changed, and change nothing.
void* start_of(Pages pages) noexcept { return const_cast<std::byte*>(pages.data()); }

// 0, or errno.
int madvise_all(Pages pages, int advice) noexcept {
  while (::madvise(start_of(pages), pages.size(), advice) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// EAGAIN of the memory calls means that the kernel has no memory for it.
Error memory_error(const char* operation, int errno_value) {
  if (errno_value == EAGAIN) return Error(ErrorCode::capacity, operation, errno_value);
  return Error(code_of_errno(errno_value), operation, errno_value);
}

// A file of /proc, of the calling thread: those of the process are empty once its first thread has ended.
class ProcFile {
 public:
  [[nodiscard]] static Result<ProcFile> open(const char* name, const char* operation) {
    const std::string path = std::string("/proc/thread-self/") + name;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) return ProcFile(descriptor);
    const bool is_missing =
        errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM;
    return std::unexpected(
        Error(is_missing ? ErrorCode::unsupported : code_of_errno(errno), operation, errno)
            .with_detail("it needs " + path));
  }
  ProcFile(ProcFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ProcFile(const ProcFile&) = delete;
  ProcFile& operator=(const ProcFile&) = delete;
  ProcFile& operator=(ProcFile&&) = delete;
  ~ProcFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  // Bytes read; -1 with errno set.
  ssize_t read(std::span<char> out) const noexcept {
    ssize_t count;
    do {
      count = ::read(descriptor_, out.data(), out.size());
    } while (count < 0 && errno == EINTR);
    return count;
  }
  ssize_t read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
    ssize_t count;
    do {
      count = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    return count;
  }

 private:
  explicit ProcFile(int descriptor) noexcept : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace

// Putting pages in.

Result<void> populate(const std::byte* address, std::size_t length, Prefault how) {
  if (how == Prefault::none || length == 0) return {};
  const Pages pages = widened(address, length);
  const int advice = how == Prefault::read ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
  const int failure = madvise_all(pages, advice);
  if (failure == 0) return {};
  if (failure == EINVAL) {
    // For no bytes at all the kernel says only whether it knows the advice.
    const bool is_known = ::madvise(start_of(pages), 0, advice) == 0;
    if (!is_known) return populate_by_touching(address, length, how);
    return std::unexpected(Error(ErrorCode::wrong_mode, "prefault", failure));
  }
  return std::unexpected(memory_error("prefault", failure));
}

Result<void> populate_by_touching(const std::byte* address, std::size_t length, Prefault how) {
  if (how == Prefault::none || length == 0) return {};
  // A compiler that knew what it holds would leave the store out.
  const volatile unsigned char nothing = 0;
  const std::byte* const end = address + length;
  const auto touch = [&]() noexcept {
    for (const std::byte* at = address; at < end;) {
      if (how == Prefault::write) {
        auto* const byte = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(at));
        std::atomic_ref(*byte).fetch_or(nothing, std::memory_order_relaxed);
      } else {
        static_cast<void>(*static_cast<const volatile std::byte*>(at));
      }
      const auto left = page_size() - reinterpret_cast<std::uintptr_t>(at) % page_size();
      at += std::min<std::size_t>(left, static_cast<std::size_t>(end - at));
    }
  };
  if (guarded(address, length, touch) == nullptr) return {};
  return std::unexpected(Error(ErrorCode::io, "prefault", EFAULT));
}

// Saying how they are kept.

Pages advised_pages(const std::byte* address, std::size_t length, MemoryAdvice advice) noexcept {
  switch (advice) {
    case MemoryAdvice::cold:
    case MemoryAdvice::page_out:
    case MemoryAdvice::no_huge_page:
    case MemoryAdvice::dont_dump:
    case MemoryAdvice::dont_fork:
    case MemoryAdvice::unmergeable:
      return narrowed(address, length);
    case MemoryAdvice::huge_page:
    case MemoryAdvice::dump:
    case MemoryAdvice::fork:
    case MemoryAdvice::mergeable:
      break;
  }
  return widened(address, length);
}

namespace {

std::optional<int> number_of(MemoryAdvice advice) noexcept {
  switch (advice) {
    case MemoryAdvice::cold:
      return MADV_COLD;
    case MemoryAdvice::page_out:
      return MADV_PAGEOUT;
    case MemoryAdvice::huge_page:
      return MADV_HUGEPAGE;
    case MemoryAdvice::no_huge_page:
      return MADV_NOHUGEPAGE;
    case MemoryAdvice::dont_dump:
      return MADV_DONTDUMP;
    case MemoryAdvice::dump:
      return MADV_DODUMP;
    case MemoryAdvice::dont_fork:
      return MADV_DONTFORK;
    case MemoryAdvice::fork:
      return MADV_DOFORK;
    case MemoryAdvice::mergeable:
      return MADV_MERGEABLE;
    case MemoryAdvice::unmergeable:
      return MADV_UNMERGEABLE;
  }
  return std::nullopt;
}

}  // namespace

Result<void> advise(const std::byte* address, std::size_t length, MemoryAdvice advice) {
  const std::optional<int> number = number_of(advice);
  if (!number) return std::unexpected(Error(ErrorCode::invalid_argument, "advise"));
  const int failure = madvise_all(advised_pages(address, length, advice), *number);
  if (failure == 0) return {};
  if (failure != EINVAL) return std::unexpected(memory_error("advise", failure));
  return std::unexpected(Error(ErrorCode::unsupported, "advise", failure)
                             .with_detail("the kernel does not take this advice for this memory"));
}

// Keeping them.

namespace {

// By number, because under sanitizers the library's functions do nothing.
int unlock(Pages pages) noexcept {
  return ::syscall(SYS_munlock, pages.data(), pages.size()) == 0 ? 0 : errno;
}

std::string lock_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) return "too many maps; RLIMIT_MEMLOCK is not set";
  return "the process may lock " + std::to_string(limit.rlim_cur) +
         " bytes in all (RLIMIT_MEMLOCK)";
}

}  // namespace

// Locks what comes and then brings it, because plain mlock(2) tells a limit and a page that cannot be
// had by one errno, and makes every page of a private map a copy.
Result<void> lock_memory(const std::byte* address, std::size_t length) {
  constexpr const char* kOperation = "lock_in_memory";
  const Pages pages = widened(address, length);
  if (pages.empty()) return {};
  if (::syscall(SYS_mlock2, pages.data(), pages.size(), MLOCK_ONFAULT) != 0) {
    Error error = memory_error(kOperation, errno);
    unlock(pages);
    if (error.code() == ErrorCode::capacity) error = std::move(error).with_detail(lock_limit());
    return std::unexpected(std::move(error));
  }
  const Result<void> populated = populate(address, length, Prefault::read);
  if (populated) return {};
  unlock(pages);
  return std::unexpected(
      Error(populated.error().code(), kOperation, populated.error().system_code()));
}

Result<void> unlock_memory(const std::byte* address, std::size_t length) {
  const Pages pages = widened(address, length);
  if (pages.empty()) return {};
  if (const int failure = unlock(pages); failure != 0) {
    return std::unexpected(memory_error("unlock_in_memory", failure));
  }
  return {};
}

// Asking about them.

namespace {

struct CacheCounts {
  std::uint64_t dirty;
  std::uint64_t writeback;
};

// cachestat(2), since Linux 6.5, which C libraries do not have yet.
std::optional<CacheCounts> cache_counts(int descriptor, ByteRange range) noexcept {
  constexpr long kCachestat = 451;
  struct {
    std::uint64_t offset, length;
  } const asked{range.offset, range.length};
  struct {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } told{};
  // A length of 0 would ask about all to the end of the file.
  if (range.empty()) return CacheCounts{0, 0};
  if (::syscall(kCachestat, descriptor, &asked, &told, 0U) != 0) return std::nullopt;
  return CacheCounts{told.dirty, told.writeback};
}

}  // namespace

Result<Residency> residency(const std::byte* address, std::size_t length, int descriptor,
                            ByteRange in_file) {
  std::array<unsigned char, 4096> told;  // a byte for each page
  const Pages pages = widened(address, length);
  Residency result{};
  result.pages = pages.size() / page_size();
  for (std::uint64_t done = 0; done < result.pages;) {
    const std::uint64_t count = std::min<std::uint64_t>(result.pages - done, told.size());
    const Pages block = pages.subspan(done * page_size(), count * page_size());
    if (::mincore(start_of(block), block.size(), told.data()) != 0) {
      return std::unexpected(memory_error("residency", errno));
    }
    result.resident += static_cast<std::uint64_t>(std::ranges::count_if(
        std::span(told).first(count), [](unsigned char page) { return (page & 1U) != 0; }));
    done += count;
  }
  if (descriptor < 0) return result;
  if (const auto counts = cache_counts(descriptor, in_file)) {
    result.dirty = counts->dirty;
    result.writeback = counts->writeback;
  }
  return result;
}

namespace {

// Reads /proc/…/smaps: for each map, in the order of addresses, a line "first-end rwxs …", in hexadecimal,
// and lines "Name:   12 kB".
class MapsReader {
 public:
  MapsReader(const std::byte* address, std::size_t length) noexcept
      : first_(reinterpret_cast<std::uintptr_t>(address)), end_(first_ + length) {}

  // False: nothing behind this line matters.
  bool take(std::string_view line) noexcept {
    const char* const line_end = std::to_address(line.end());
    std::uintptr_t map_first = 0;
    std::uintptr_t map_end = 0;
    const auto [dash, failed] =
        std::from_chars(std::to_address(line.begin()), line_end, map_first, 16);
    if (failed == std::errc() && dash != line_end && *dash == '-') {
      std::from_chars(dash + 1, line_end, map_end, 16);
      overlaps_ = map_first < end_ && first_ < map_end;
      return map_first < end_;
    }
    if (overlaps_) take_field(line);
    return true;
  }

  const HugePageReport& report() const noexcept { return report_; }

 private:
  void take_field(std::string_view line) noexcept {
    const std::string_view name = line.substr(0, line.find(':'));
    const bool is_hugetlb = name.ends_with("_Hugetlb");
    const bool is_huge = is_hugetlb || name == "AnonHugePages" || name == "FilePmdMapped" ||
                         name == "ShmemPmdMapped";
    const auto digits = line.find_first_of("0123456789", name.size());
    if ((!is_huge && name != "Rss") || digits == std::string_view::npos) return;
    std::uint64_t kib = 0;
    std::from_chars(line.data() + digits, line.data() + line.size(), kib);
    if (is_huge) report_.huge_bytes += kib << 10U;
    // Rss has all but those of hugetlbfs.
    if (!is_huge || is_hugetlb) report_.mapped_bytes += kib << 10U;
  }

  std::uintptr_t first_;
  std::uintptr_t end_;
  bool overlaps_ = false;
  HugePageReport report_;
};

}  // namespace

Result<HugePageReport> huge_page_report(const std::byte* address, std::size_t length) {
  QUIRE_TRY(const ProcFile smaps, ProcFile::open("smaps", "huge_page_report"));
  MapsReader maps(address, length);
  std::string text;  // what is read and not taken yet: less than a line, and a block
  std::array<char, 1024> block;
  while (true) {
    const ssize_t count = smaps.read(block);
    if (count < 0) return std::unexpected(memory_error("huge_page_report", errno));
    if (count == 0) return maps.report();
    text.append(block.data(), static_cast<std::size_t>(count));
    std::size_t taken = 0;
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', taken)) {
      if (!maps.take(std::string_view(text).substr(taken, end - taken))) return maps.report();
      taken = end + 1;
    }
    text.erase(0, taken);
  }
}

namespace {

// Of an entry of /proc/…/pagemap.
bool is_private(std::uint64_t entry) noexcept {
  constexpr auto kPresent = std::uint64_t{1} << 63;
  constexpr auto kSwapped = std::uint64_t{1} << 62;
  constexpr auto kOfFileOrShared = std::uint64_t{1} << 61;
  return (entry & (kPresent | kSwapped)) != 0 && (entry & kOfFileOrShared) == 0;
}

}  // namespace

Result<std::vector<ByteRange>> private_pages(const std::byte* address, std::size_t length) {
  std::vector<ByteRange> found;
  if (length == 0) return found;
  // Opened each time: what was opened before a fork tells of the parent.
  QUIRE_TRY(const ProcFile pagemap, ProcFile::open("pagemap", "private_pages"));
  const std::uint64_t page = page_size();
  const std::uint64_t first = reinterpret_cast<std::uintptr_t>(address) / page;
  const std::uint64_t pages = widened(address, length).size() / page;
  std::array<std::uint64_t, 4096> entries;
  for (std::uint64_t done = 0; done < pages;) {
    const auto asked = std::span(entries).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(pages - done, entries.size())));
    const ssize_t count =
        pagemap.read_at((first + done) * sizeof(std::uint64_t), std::as_writable_bytes(asked));
    if (count < 0) return std::unexpected(memory_error("private_pages", errno));
    const std::size_t told = static_cast<std::size_t>(count) / sizeof(std::uint64_t);
    if (told == 0) {
      return std::unexpected(Error(ErrorCode::io, "private_pages")
                                 .with_detail("the kernel does not tell about these addresses"));
    }
    for (const std::uint64_t entry : asked.first(told)) {
      const ByteRange one{done++ * page, page};
      if (!is_private(entry)) continue;
      if (!found.empty() && found.back().end() == one.offset) {
        found.back().length += page;
      } else {
        found.push_back(one);
      }
    }
  }
  return found;
}

}  // namespace quire::os

namespace quire {
inline namespace v0 {

std::uint64_t page_size() noexcept {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace v0
}  // namespace quire
