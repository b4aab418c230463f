#include "os/memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "os/mapping.hpp"

namespace quire::os {
namespace {

const std::size_t kPage = page_size();
constexpr std::size_t kHuge = std::size_t{2} << 20;

enum class Where : std::uint8_t { disk, memory };
enum class Content : std::uint8_t { text, hole };

struct Kind {
  Where where = Where::disk;
  Content content = Content::text;
  int sharing = MAP_SHARED;
  int protection = PROT_READ | PROT_WRITE;
};

// A file of so many pages, mapped; page i is full of 'a' + i % 26, or a hole.
class FilePages {
 public:
  explicit FilePages(std::size_t pages, Kind kind = {}) : length_(pages * kPage) {
    std::string path = testing::TempDir() + "quire-memory-XXXXXX";
    descriptor_ = kind.where == Where::disk ? ::mkostemp(path.data(), O_CLOEXEC)
                                            : ::memfd_create("pages", MFD_CLOEXEC);
    if (kind.where == Where::disk) ::unlink(path.c_str());
    EXPECT_EQ(::ftruncate(descriptor_, static_cast<off_t>(length_)), 0) << std::strerror(errno);
    for (std::size_t i = 0; kind.content == Content::text && i < pages; ++i) put(i, letter(i));
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, length_, kind.protection, kind.sharing, descriptor_, 0));
    EXPECT_NE(base_, MAP_FAILED);
  }
  ~FilePages() {
    ::munmap(base_, length_);
    ::close(descriptor_);
  }
  FilePages(const FilePages&) = delete;
  FilePages& operator=(const FilePages&) = delete;

  static char letter(std::size_t page) { return static_cast<char>('a' + page % 26); }
  std::byte* page(std::size_t number) const { return base_ + number * kPage; }
  std::byte* data() const { return base_; }
  std::size_t size() const { return length_; }
  int descriptor() const { return descriptor_; }

  // By a call, which maps nothing.
  void put(std::size_t number, char value) const {
    const std::string text(kPage, value);
    EXPECT_EQ(::pwrite(descriptor_, text.data(), kPage, static_cast<off_t>(number * kPage)),
              static_cast<ssize_t>(kPage));
  }
  void cut(std::size_t pages) const {
    EXPECT_EQ(::ftruncate(descriptor_, static_cast<off_t>(pages * kPage)), 0);
  }
  void sync() const { EXPECT_EQ(::fsync(descriptor_), 0); }
  // The first byte of each page, as this map has it.
  std::string letters() const {
    std::string all;
    for (std::size_t at = 0; at < length_; at += kPage) all += static_cast<char>(base_[at]);
    return all;
  }
  std::uint64_t allocated() const {
    struct stat now{};
    EXPECT_EQ(::fstat(descriptor_, &now), 0);
    return static_cast<std::uint64_t>(now.st_blocks) * 512;
  }
  bool has_dirty_pages() const {
    struct statfs system{};
    return ::fstatfs(descriptor_, &system) == 0 && system.f_type != TMPFS_MAGIC;
  }

 private:
  std::size_t length_;
  int descriptor_;
  std::byte* base_;
};

// How many pages of the map are in the page table.
std::uint64_t pages_in(const FilePages& file) {
  const auto report = huge_page_report(file.data(), file.size());
  EXPECT_TRUE(report) << report.error().message();
  return report ? report->mapped_bytes / kPage : 0;
}

bool is_in_table(const std::byte* address) {
  std::uint64_t entry = 0;
  const int pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const auto number = reinterpret_cast<std::uintptr_t>(address) / kPage;
  EXPECT_EQ(::pread(pagemap, &entry, sizeof entry, static_cast<off_t>(number * sizeof entry)), 8);
  ::close(pagemap);
  return (entry >> 63U) != 0;
}

// True if the map that holds the address has this flag of "VmFlags" in /proc/self/smaps.
bool has_flag(const std::byte* address, const std::string& flag) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  bool is_here = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t first = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    if (std::istringstream(line) >> std::hex >> first >> dash >> end && dash == '-') {
      is_here = first <= at && at < end;
    }
    if (is_here && line.starts_with("VmFlags:")) {
      return line.find(" " + flag + " ") != std::string::npos;
    }
  }
  return false;
}

std::uint64_t locked_pages() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmLck:")) return std::stoull(line.substr(6)) * 1024 / kPage;
  }
  return 0;
}

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "ok" : std::string(to_string(result.error().code()));
}

// Runs `story` in a child process; 0 if it was true.
template <class Story>
int child(Story story) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);  // a story that hangs has failed
    ::_exit(story() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return status;
}

#define EXPECT_CHILD_SUCCEEDS(...) EXPECT_EQ(child(__VA_ARGS__), 0)

// From here on this process has a kernel where the call fails, if its third argument is in [from, to].
void refuse(long call, int errno_value, unsigned from = 0, unsigned to = ~0U) {
  const auto failure = SECCOMP_RET_ERRNO | (static_cast<unsigned>(errno_value) & SECCOMP_RET_DATA);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, from, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, to, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, failure),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog all{std::size(program), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) != 0) {
    ::_exit(2);
  }
}

// From here on this process may lock so many bytes, whoever started it.
void limit_locking(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) ::_exit(2);
  if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
}

TEST(PageSize, IsTheSystems) {
  EXPECT_EQ(page_size(), static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

// Putting pages in: by the kernel's call and by touching.

using Populate = Result<void> (*)(const std::byte*, std::size_t, Prefault);
class PopulateTest : public testing::TestWithParam<std::tuple<Populate, Where>> {
 protected:
  static Result<void> populate(const FilePages& file, Prefault how) {
    return populate(file.data(), file.size(), how);
  }
  static Result<void> populate(const std::byte* address, std::size_t length, Prefault how) {
    return std::get<Populate>(GetParam())(address, length, how);
  }
  static FilePages file(std::size_t pages, Content content = Content::text) {
    return FilePages(pages, {.where = std::get<Where>(GetParam()), .content = content});
  }
};

INSTANTIATE_TEST_SUITE_P(BothWays, PopulateTest,
                         testing::Combine(testing::Values<Populate>(&os::populate,
                                                                    &os::populate_by_touching),
                                          testing::Values(Where::disk, Where::memory)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == &os::populate ? "Call"
                                                                                       : "Touch") +
                                  (std::get<1>(test.param) == Where::disk ? "Disk" : "Memory");
                         });

TEST_P(PopulateTest, PutsEveryPageIn) {
  for (const Prefault how : {Prefault::read, Prefault::write}) {
    const FilePages pages = file(100);
    EXPECT_EQ(pages_in(pages), 0U);
    EXPECT_EQ(code_of(populate(pages, how)), "ok");
    EXPECT_EQ(pages_in(pages), 100U);
  }
}

TEST_P(PopulateTest, TakesThePagesAtBothEndsOfTheRange) {
  const FilePages pages = file(200);
  EXPECT_EQ(code_of(populate(pages.page(60) - 1, kPage + 2, Prefault::write)), "ok");
  for (const std::size_t number : {59U, 60U, 61U}) EXPECT_TRUE(is_in_table(pages.page(number)));
  EXPECT_FALSE(is_in_table(pages.page(199)));
}

TEST_P(PopulateTest, AnEmptyRangeOrNoPrefaultDoesNothing) {
  const FilePages pages = file(4);
  pages.cut(1);
  EXPECT_EQ(code_of(populate(pages.page(2) + 1, 0, Prefault::write)), "ok");
  EXPECT_EQ(code_of(populate(pages, Prefault::none)), "ok");
  EXPECT_EQ(pages_in(pages), 0U);
}

TEST_P(PopulateTest, ACutFileIsAnErrorAndNoSignal) {
  for (const Prefault how : {Prefault::read, Prefault::write}) {
    const FilePages pages = file(4);
    pages.cut(1);
    const auto failed = populate(pages, how);
    ASSERT_EQ(code_of(failed), "io");
    EXPECT_EQ(failed.error().system_code(), EFAULT);
    EXPECT_EQ(failed.error().path(), "");
    EXPECT_EQ(code_of(populate(pages.data(), kPage, how)), "ok") << "what is left of it";
  }
}

TEST_P(PopulateTest, ForWritingChangesNoByte) {
  const FilePages pages = file(30);
  EXPECT_EQ(code_of(populate(pages.data() + 1, pages.size() - 1, Prefault::write)), "ok");
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ASSERT_EQ(static_cast<char>(pages.data()[i]), FilePages::letter(i / kPage)) << i;
  }
}

TEST_P(PopulateTest, ForWritingAllocatesSpaceBehindHoles) {
  const FilePages pages = file(8, Content::hole);
  EXPECT_EQ(pages.allocated(), 0U);
  EXPECT_EQ(code_of(populate(pages, Prefault::write)), "ok");
  pages.sync();
  EXPECT_GE(pages.allocated(), pages.size());
}

// Not seen by sanitizers, whose own memory would fault.
[[gnu::noinline, gnu::no_sanitize_address, gnu::no_sanitize_thread]] long faults_of_stores(
    const FilePages& file) {
  rusage before{};
  rusage after{};
  volatile std::byte* const bytes = file.data();
  const std::size_t size = file.size();
  ::getrusage(RUSAGE_THREAD, &before);
  for (std::size_t at = 0; at < size; at += 4096) bytes[at] = std::byte{'!'};
  ::getrusage(RUSAGE_THREAD, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST_P(PopulateTest, StoresIntoPagesForWritingDoNotFault) {
  const FilePages unready = file(64);
  const FilePages ready = file(64);
  EXPECT_GE(faults_of_stores(unready), 1);
  EXPECT_EQ(code_of(populate(ready, Prefault::write)), "ok");
  EXPECT_EQ(faults_of_stores(ready), 0);
}

TEST_P(PopulateTest, ForWritingMakesAPrivateMapPrivate) {
  const FilePages pages(4, {.sharing = MAP_PRIVATE});
  EXPECT_EQ(code_of(populate(pages, Prefault::read)), "ok");
  EXPECT_TRUE(private_pages(pages.data(), pages.size()).value().empty());
  EXPECT_EQ(code_of(populate(pages, Prefault::write)), "ok");
  EXPECT_EQ(private_pages(pages.data(), pages.size()).value().size(), 1U);
}

TEST(PopulateByCall, AReadOnlyMapCannotBeMadeReadyForStores) {
  const FilePages file(2, {.protection = PROT_READ});
  EXPECT_EQ(code_of(populate(file.data(), file.size(), Prefault::write)), "wrong_mode");
  EXPECT_EQ(code_of(populate(file.data(), file.size(), Prefault::read)), "ok");
}

TEST(PopulateByCall, AKernelWithoutTheCallTouches) {
  const FilePages file(64);
  const FilePages cut(4);
  cut.cut(1);
  EXPECT_CHILD_SUCCEEDS([&] {
    refuse(SYS_madvise, EINVAL, MADV_POPULATE_READ, MADV_POPULATE_WRITE);
    const auto failed = populate(cut.data(), cut.size(), Prefault::read);
    return populate(file.data(), file.size(), Prefault::write) && pages_in(file) == 64 && !failed &&
           failed.error().system_code() == EFAULT;
  });
}

TEST(PopulateByTouching, ForWritingLosesNoStoreOfOthers) {
  const FilePages file(1, {.content = Content::hole});
  std::atomic_ref word(*reinterpret_cast<unsigned char*>(file.data()));
  unsigned added = 0;
  std::jthread adder([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); ++added) word.fetch_add(1);
  });
  // Until both have been at it at once, again and again; where there is little to run on, less often.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  unsigned char last = 0;
  for (int meetings = 0; meetings < 5000 && std::chrono::steady_clock::now() < end;) {
    ASSERT_TRUE(populate_by_touching(file.data(), kPage, Prefault::write));
    if (const unsigned char now = word.load(); std::exchange(last, now) != now) ++meetings;
  }
  adder.request_stop();
  adder.join();
  EXPECT_EQ(word.load(), added % 256);
}

// Saying how they are kept.

struct Advised {
  MemoryAdvice advice;
  bool is_narrowed;
  const char* flag;  // of /proc/self/smaps; nullptr: none
  bool is_set = true;
  // Given to all first, so that there is something to take back; `fork` alone changes nothing.
  MemoryAdvice before = MemoryAdvice::fork;
};

const Advised kAdvised[] = {
    {.advice = MemoryAdvice::cold, .is_narrowed = true, .flag = nullptr},
    {.advice = MemoryAdvice::page_out, .is_narrowed = true, .flag = nullptr},
    {.advice = MemoryAdvice::huge_page, .is_narrowed = false, .flag = "hg"},
    {.advice = MemoryAdvice::no_huge_page, .is_narrowed = true, .flag = "nh"},
    {.advice = MemoryAdvice::dont_dump, .is_narrowed = true, .flag = "dd"},
    {.advice = MemoryAdvice::dump,
     .is_narrowed = false,
     .flag = "dd",
     .is_set = false,
     .before = MemoryAdvice::dont_dump},
    {.advice = MemoryAdvice::dont_fork, .is_narrowed = true, .flag = "dc"},
    {.advice = MemoryAdvice::fork,
     .is_narrowed = false,
     .flag = "dc",
     .is_set = false,
     .before = MemoryAdvice::dont_fork},
    {.advice = MemoryAdvice::mergeable, .is_narrowed = false, .flag = "mg"},
    {.advice = MemoryAdvice::unmergeable,
     .is_narrowed = true,
     .flag = "mg",
     .is_set = false,
     .before = MemoryAdvice::mergeable},
};

// From the middle of page 1 to the middle of page 3, which holds page 2 alone.
struct Middle {
  explicit Middle(const FilePages& file) : address(file.page(1) + kPage / 2) {}
  const std::byte* address;
  std::size_t length = 2 * kPage;
};

class AdviseTest : public testing::TestWithParam<Advised> {};
INSTANTIATE_TEST_SUITE_P(All, AdviseTest, testing::ValuesIn(kAdvised), [](const auto& test) {
  return std::to_string(static_cast<int>(test.param.advice));
});

TEST_P(AdviseTest, ActsOnWholePages) {
  const FilePages file(5);
  const Middle middle(file);
  const auto pages = advised_pages(middle.address, middle.length, GetParam().advice);
  const bool narrowed = GetParam().is_narrowed;
  EXPECT_EQ(pages.data(), file.page(narrowed ? 2 : 1));
  EXPECT_EQ(pages.size(), (narrowed ? 1 : 3) * kPage);
  const auto exact = advised_pages(file.page(1), 2 * kPage, GetParam().advice);
  EXPECT_EQ(exact.data(), file.page(1));
  EXPECT_EQ(exact.size(), 2 * kPage);
}

TEST_P(AdviseTest, APartOfAPageIsAllOrNothing) {
  const FilePages file(2);
  const std::size_t least = GetParam().is_narrowed ? 0 : kPage;
  const auto size = [&](std::size_t first, std::size_t length) {
    return advised_pages(file.data() + first, length, GetParam().advice).size();
  };
  EXPECT_EQ(size(1, kPage - 1), least);
  EXPECT_EQ(size(0, kPage - 1), least);
  EXPECT_EQ(size(1, kPage), 2 * least);
  EXPECT_EQ(size(1, 0), 0U);
  EXPECT_EQ(size(0, 0), 0U);
}

TEST_P(AdviseTest, TheKernelMarksThesePagesAndNoOthers) {
  const Advised& row = GetParam();
  const FilePages file(5, {.sharing = MAP_PRIVATE});
  const FilePages trial(1, {.sharing = MAP_PRIVATE});
  if (code_of(advise(trial.data(), kPage, row.advice)) == "unsupported") {
    GTEST_SKIP() << "not in this kernel";
  }
  ASSERT_EQ(code_of(advise(file.data(), file.size(), row.before)), "ok");
  const Middle middle(file);
  ASSERT_EQ(code_of(advise(middle.address, middle.length, row.advice)), "ok");
  for (std::size_t i = 1; row.flag != nullptr && i < 5; ++i) {
    const bool is_meant = row.is_narrowed ? i == 2 : i < 4;
    EXPECT_EQ(has_flag(file.page(i), row.flag), is_meant == row.is_set) << i;
  }
}

TEST_P(AdviseTest, ChangesNoByte) {
  for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
    const FilePages file(5, {.sharing = sharing});
    for (std::size_t i = 0; i < 5; ++i) file.page(i)[0] = static_cast<std::byte>('A' + i);
    const auto advised = advise(Middle(file).address, Middle(file).length, GetParam().advice);
    EXPECT_TRUE(advised || advised.error().code() == ErrorCode::unsupported);
    EXPECT_EQ(file.letters(), "ABCDE");
  }
}

TEST(Advise, ANeighbourOfWhatAChildDoesNotGetIsThere) {
  const FilePages file(5);
  ASSERT_TRUE(advise(Middle(file).address, Middle(file).length, MemoryAdvice::dont_fork));
  EXPECT_CHILD_SUCCEEDS([&] {
    return file.page(1)[0] == std::byte{'b'} && file.page(3)[0] == std::byte{'d'} &&
           ::madvise(file.page(2), kPage, MADV_NORMAL) != 0 && errno == ENOMEM;
  });
}

TEST(Advise, PagedOutFilesLeaveMemory) {
  const FilePages file(64);
  if (!file.has_dirty_pages()) GTEST_SKIP() << "a file in memory has nowhere to go";
  file.sync();
  std::uint64_t resident = 64;
  for (int tries = 0; resident != 0 && tries < 100; ++tries) {
    ASSERT_TRUE(populate(file.data(), file.size(), Prefault::read));
    ASSERT_TRUE(advise(file.data(), file.size(), MemoryAdvice::page_out));
    resident = residency(file.data(), file.size(), -1, {}).value().resident;
  }
  EXPECT_EQ(resident, 0U);
}

TEST(Advise, LockedMemoryDoesNotGoOut) {
  const FilePages file(2);
  ASSERT_TRUE(lock_memory(file.data(), file.size()));
  const auto refused = advise(file.data(), file.size(), MemoryAdvice::page_out);
  EXPECT_EQ(code_of(refused), "unsupported");
  EXPECT_STREQ(refused.error().operation(), "advise");
}

// Keeping them.

TEST(LockMemory, LocksThePagesThatHoldTheRange) {
  const FilePages file(8);
  const std::uint64_t before = locked_pages();
  ASSERT_TRUE(lock_memory(file.page(2) - 1, 2));
  EXPECT_EQ(locked_pages(), before + 2);
  EXPECT_TRUE(is_in_table(file.page(1)) && is_in_table(file.page(2)));
  ASSERT_TRUE(lock_memory(file.page(2) - 1, 2)) << "again: locks do not nest";
  ASSERT_TRUE(unlock_memory(file.page(1) + 1, 1));
  EXPECT_EQ(locked_pages(), before + 1);
  ASSERT_TRUE(unlock_memory(file.data(), file.size()));
  EXPECT_EQ(locked_pages(), before);
}

TEST(LockMemory, AnEmptyRangeLocksNothing) {
  const FilePages file(1);
  const std::uint64_t before = locked_pages();
  EXPECT_TRUE(lock_memory(file.data() + 1, 0));
  EXPECT_TRUE(unlock_memory(file.data() + 1, 0));
  EXPECT_EQ(locked_pages(), before);
}

TEST(LockMemory, LeavesThePagesOfAPrivateMapTheFiles) {
  const FilePages file(4, {.sharing = MAP_PRIVATE});
  ASSERT_TRUE(lock_memory(file.data(), file.size()));
  EXPECT_EQ(pages_in(file), 4U);
  EXPECT_TRUE(private_pages(file.data(), file.size()).value().empty());
}

TEST(LockMemory, ACutFileIsAnErrorAndLocksNothing) {
  const FilePages file(4);
  file.cut(1);
  const std::uint64_t before = locked_pages();
  const auto failed = lock_memory(file.data(), file.size());
  ASSERT_EQ(code_of(failed), "io");
  EXPECT_EQ(failed.error().system_code(), EFAULT);
  EXPECT_STREQ(failed.error().operation(), "lock_in_memory");
  EXPECT_EQ(locked_pages(), before);
}

TEST(LockMemory, ALimitThatIsReachedIsNamed) {
  const FilePages file(40);
  EXPECT_CHILD_SUCCEEDS([&] {
    limit_locking(20 * kPage);
    const bool below = lock_memory(file.data(), 20 * kPage) && locked_pages() == 20;
    const auto failed = lock_memory(file.data(), 21 * kPage);
    return below && code_of(failed) == "capacity" && locked_pages() == 0 &&
           failed.error().detail().find(std::to_string(20 * kPage)) != std::string::npos &&
           failed.error().detail().find("RLIMIT_MEMLOCK") != std::string::npos;
  });
}

TEST(LockMemory, WhoMayLockNothingHasNoPermission) {
  const FilePages file(1);
  EXPECT_CHILD_SUCCEEDS([&] {
    limit_locking(0);
    return code_of(lock_memory(file.data(), 1)) == "permission";
  });
}

// Asking about them.

TEST(ResidencyTest, CountsThePagesInMemoryOfARangeOfAnyLength) {
  constexpr std::size_t kPages = 10'000;
  const FilePages file(kPages, {.where = Where::memory, .content = Content::hole});
  for (std::size_t i = 0; i < kPages; i += 3) file.put(i, 'x');
  const auto all = residency(file.data(), file.size(), -1, {}).value();
  EXPECT_EQ(all.pages, kPages);
  EXPECT_EQ(all.resident, (kPages + 2) / 3);
  const auto part = residency(file.page(3) - 1, 3, -1, {}).value();
  EXPECT_EQ(part.pages, 2U);
  EXPECT_EQ(part.resident, 1U);
  EXPECT_EQ(residency(file.page(3), 0, -1, {}).value(), Residency{});
}

TEST(ResidencyTest, PagesThatTheSystemDroppedAreNotResident) {
  const FilePages file(64);
  if (!file.has_dirty_pages()) GTEST_SKIP() << "a file in memory keeps its pages";
  EXPECT_EQ(residency(file.data(), file.size(), -1, {}).value().resident, 64U);
  file.sync();
  ASSERT_EQ(::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED), 0);
  EXPECT_EQ(residency(file.data(), file.size(), -1, {}).value().resident, 0U);
}

bool tells_dirty_pages(const FilePages& file) {
  return file.has_dirty_pages() &&
         residency(file.data(), file.size(), file.descriptor(), {0, file.size()})->dirty;
}

TEST(ResidencyTest, DirtyPagesAreThoseStoredIntoSinceTheLastSync) {
  const FilePages file(64);
  if (!tells_dirty_pages(file)) GTEST_SKIP() << "not in this kernel or file system";
  const auto dirty = [&](std::size_t first, std::size_t count) {
    const ByteRange range{first * kPage, count * kPage};
    return residency(file.page(first), count * kPage, file.descriptor(), range).value();
  };
  file.sync();
  EXPECT_EQ(dirty(0, 64).dirty, 0U);
  EXPECT_EQ(dirty(0, 64).writeback, 0U);
  // The system may write a page at any moment, but not always at once.
  std::uint64_t seen = 0;
  for (int tries = 0; seen == 0 && tries < 100; ++tries) {
    file.page(60)[0] = std::byte{'!'};
    seen = dirty(60, 1).dirty.value();
  }
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(dirty(0, 0).dirty, 0U) << "nothing, and not all to the end";
  file.sync();
  EXPECT_EQ(dirty(0, 64).dirty, 0U);
}

TEST(ResidencyTest, WithoutAFileOrAKernelThatTellsNothingIsDirtyOrClean) {
  const FilePages file(4);
  EXPECT_FALSE(residency(file.data(), file.size(), -1, {0, file.size()})->dirty);
  EXPECT_CHILD_SUCCEEDS([&] {
    constexpr long kCachestat = 451;
    refuse(kCachestat, ENOSYS);
    const auto told = residency(file.data(), file.size(), file.descriptor(), {0, file.size()});
    return told && told->resident == 4 && !told->dirty && !told->writeback;
  });
}

TEST(ResidencyTest, AKernelWithoutMemoryIsAtItsCapacity) {
  const FilePages file(1);
  EXPECT_CHILD_SUCCEEDS([&] {
    refuse(SYS_mincore, EAGAIN);
    return code_of(residency(file.data(), file.size(), -1, {})) == "capacity";
  });
}

TEST(HugePages, SmallPagesAreMappedAndNotHuge) {
  const FilePages file(100);
  const FilePages other(100);
  ASSERT_TRUE(populate(file.data(), 40 * kPage, Prefault::write));
  ASSERT_TRUE(populate(other.data(), other.size(), Prefault::write));
  const auto report = huge_page_report(file.data(), file.size()).value();
  EXPECT_EQ(report, (HugePageReport{.mapped_bytes = 40 * kPage, .huge_bytes = 0}));
}

// Brings the pages into huge ones now (Linux 6.1); false where the kernel has none for this memory.
bool make_huge(const std::byte* address, std::size_t length) {
  constexpr int kCollapse = 25;
  return populate(address, length, Prefault::write) &&
         ::madvise(const_cast<std::byte*>(address), length, kCollapse) == 0 &&
         populate(address, length, Prefault::write);
}

TEST(HugePages, ThoseOfAnonymousMemoryAreCounted) {
  const Mapping memory = Mapping::anonymous(8 * kHuge).value();
  ASSERT_TRUE(populate(memory.data() + 4 * kHuge, kPage, Prefault::write));
  if (!make_huge(memory.data(), 2 * kHuge)) GTEST_SKIP() << "no huge pages here";
  EXPECT_EQ(huge_page_report(memory.data(), memory.size())->huge_bytes, 2 * kHuge);
}

TEST(HugePages, ThoseOfFilesInMemoryAreCounted) {
  const FilePages file(4 * kHuge / kPage, {.where = Where::memory, .content = Content::hole});
  const auto map =
      Mapping::map_file(file.descriptor(), MapAccess::read_write, file.size(), kHuge * 4);
  if (!make_huge(map->data(), 2 * kHuge)) GTEST_SKIP() << "no huge pages here";
  const HugePageReport expected{.mapped_bytes = 2 * kHuge, .huge_bytes = 2 * kHuge};
  EXPECT_EQ(huge_page_report(map->data(), map->size()).value(), expected);
}

class PrivatePagesTest : public testing::Test {
 protected:
  using Ranges = std::vector<ByteRange>;
  static constexpr Kind kPrivate{.sharing = MAP_PRIVATE};

  // In pages.
  static Ranges found(const FilePages& file) {
    auto ranges = private_pages(file.data(), file.size()).value();
    for (ByteRange& range : ranges) range = {range.offset / kPage, range.length / kPage};
    return ranges;
  }
};

TEST_F(PrivatePagesTest, AreThoseStoredInto) {
  const FilePages file(20, kPrivate);
  EXPECT_EQ(file.letters().size(), 20U) << "reading makes none";
  EXPECT_EQ(found(file), Ranges{});
  for (const std::size_t i : {0U, 7U, 8U, 9U, 19U}) file.page(i)[i] = std::byte{'!'};
  EXPECT_EQ(found(file), (Ranges{{0, 1}, {7, 3}, {19, 1}}));
}

TEST_F(PrivatePagesTest, AStoreOfTheSameByteMakesOne) {
  const FilePages file(3, kPrivate);
  const volatile std::byte* const same = file.page(1);
  *const_cast<volatile std::byte*>(same) = *same;
  EXPECT_EQ(found(file), (Ranges{{1, 1}}));
}

TEST_F(PrivatePagesTest, AreFoundInARangeOfAnyLength) {
  constexpr std::size_t kPages = 10'000;
  const FilePages file(kPages, {.content = Content::hole, .sharing = MAP_PRIVATE});
  for (const std::size_t i : {4094U, 4095U, 4096U, 8192U, 9999U}) file.page(i)[0] = std::byte{'!'};
  EXPECT_EQ(found(file), (Ranges{{4094, 3}, {8192, 1}, {9999, 1}}));
  EXPECT_EQ(private_pages(file.page(9999), 1).value(), (Ranges{{0, kPage}})) << "whole pages";
  EXPECT_EQ(private_pages(file.page(9999), 0).value(), Ranges{});
}

TEST_F(PrivatePagesTest, StayPrivateWhenTheyAreSwappedOut) {
  const FilePages file(4, kPrivate);
  file.page(2)[0] = std::byte{'!'};
  ASSERT_TRUE(advise(file.data(), file.size(), MemoryAdvice::page_out));
  EXPECT_EQ(found(file), (Ranges{{2, 1}}));
}

TEST_F(PrivatePagesTest, EachProcessSeesItsOwn) {
  const FilePages file(4, kPrivate);
  file.page(0)[0] = std::byte{'!'};
  EXPECT_EQ(found(file), (Ranges{{0, 1}}));
  EXPECT_CHILD_SUCCEEDS([&] {
    file.page(3)[0] = std::byte{'!'};
    return found(file) == Ranges{{0, 1}, {3, 1}};
  });
  EXPECT_EQ(found(file), (Ranges{{0, 1}}));
}

TEST_F(PrivatePagesTest, AddressesThatTheKernelDoesNotTellAboutAreNotClean) {
  const std::uintptr_t kernels = std::uintptr_t{0xffff} << 48U;
  EXPECT_EQ(code_of(private_pages(reinterpret_cast<const std::byte*>(kernels), kPage)), "io");
}

TEST_F(PrivatePagesTest, WithoutProcNobodyCanTell) {
  const FilePages file(4, kPrivate);
  EXPECT_CHILD_SUCCEEDS([&] {
    refuse(SYS_openat, ENOENT);
    return code_of(private_pages(file.data(), file.size())) == "unsupported" &&
           code_of(huge_page_report(file.data(), file.size())) == "unsupported";
  });
}

}  // namespace
}  // namespace quire::os
