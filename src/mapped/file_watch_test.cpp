// Watching a mapped file: what is told, when it ends, and what it gives back.
#include "quire/file_watch.hpp"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "mapped/mapped_file_fixture.hpp"
#include "mapped/watched_file.hpp"
#include "os/file_events.hpp"

namespace quire::mapped {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr auto kLimit = 20s;  // for what must happen
constexpr auto kHold = 280s;  // for a callback that is held while the test does something

std::string name_of(FileEventKind kind) {
  switch (kind) {
    case FileEventKind::overflow:
      return "overflow";
    case FileEventKind::removed:
      return "removed";
    case FileEventKind::created:
      return "created";
    case FileEventKind::replaced:
      return "replaced";
    case FileEventKind::truncated:
      return "truncated";
    case FileEventKind::modified:
      return "modified";
    case FileEventKind::metadata:
      return "metadata";
    case FileEventKind::failed:
      return "failed";
  }
  return "unknown";
}

std::string told_as(const FileEvent& event) {
  return name_of(event.kind) + " " + std::to_string(event.size);
}

// A gate that is opened once.
class Gate {
 public:
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  // False if it was not opened within the limit.
  bool pass(std::chrono::seconds limit = kLimit) {
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, limit, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// What a watch told, in order, to be taken out one by one.
class Told {
 public:
  FileWatch::Callback callback() {
    return [this](const FileEvent& event) { add(event); };
  }
  void add(const FileEvent& event) {
    const std::scoped_lock lock(mutex_);
    events_.push_back(told_as(event));
    if (event.error) failure_ = event.error->message();
    added_.notify_all();
  }
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!added_.wait_for(lock, kLimit, [&] { return !events_.empty(); })) return "nothing";
    std::string event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  // Losing a name is a change of metadata to the system, which may be told before.
  std::string next_but_metadata() {
    std::string event = next();
    while (event.starts_with("metadata")) event = next();
    return event;
  }
  bool empty() {
    const std::scoped_lock lock(mutex_);
    return events_.empty();
  }
  // What the last event with an error said.
  std::string failure() {
    const std::scoped_lock lock(mutex_);
    return failure_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<std::string> events_;
  std::string failure_;
};

class FileWatchTest : public MappedFileTest {
 protected:
  static FileWatch watch(const MappedFile& file, FileWatch::Callback callback) {
    auto started = FileWatch::start(file, std::move(callback));
    EXPECT_TRUE(started) << started.error().message();
    return started ? *std::move(started) : FileWatch();
  }
  // For callbacks that use the watch themselves: none runs before it is in its place.
  static void watch_in(FileWatch& place, const MappedFile& file, FileWatch::Callback callback) {
    auto in_place = std::make_shared<Gate>();
    place = watch(file, [in_place, callback = std::move(callback)](const FileEvent& event) mutable {
      if (in_place->pass()) callback(event);
    });
    in_place->open();
  }
  FileWatch watch(const MappedFile& file) { return watch(file, told_.callback()); }

  std::string next() { return told_.next(); }
  std::string next_but_metadata() { return told_.next_but_metadata(); }

  MappedFile create_in_sub() const {
    std::filesystem::create_directory(path("sub"));
    return MappedFile::create(path("sub/file"), 10).value();
  }

  // As others do it.
  static void append(const std::string& name, std::string_view text) {
    std::ofstream(name, std::ios::binary | std::ios::app) << text;
  }
  void replace(std::string_view text) const {
    put(path("new"), text);
    std::filesystem::rename(path("new"), path());
  }
  // A whole file under another name, to be linked: its creation cannot be seen half done.
  std::string other_file(std::string_view text) const {
    put(path("other"), text);
    return path("other");
  }
  static void change_mode(const std::string& name, std::filesystem::perms to) {
    std::filesystem::permissions(name, to);
  }
  // A change that is always told, for showing that nothing was told before it.
  void mark(const std::string& name) { change_mode(name, marks_++ % 2 == 0 ? kOne : kOther); }

  template <class Condition>
  static bool comes_true(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  static constexpr auto kOne = std::filesystem::perms(0600);
  static constexpr auto kOther = std::filesystem::perms(0640);

  int marks_ = 0;
  Told told_;
};

TEST_F(FileWatchTest, TellsWritesAndGrowthAsModified) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  append(path(), "abc");
  EXPECT_EQ(next(), "modified 13");
  cut(path(), 100);
  EXPECT_EQ(next(), "modified 100");
}

TEST_F(FileWatchTest, TellsACutAsTruncated) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  cut(path(), 4);
  EXPECT_EQ(next(), "truncated 4");
  cut(path(), 0);
  EXPECT_EQ(next(), "truncated 0");
}

TEST_F(FileWatchTest, TellsGrowthAndShrinkingThroughTheObjectToo) {
  MappedFile file = create(10);
  const FileWatch watching = watch(file);
  ASSERT_TRUE(file.grow(20));
  EXPECT_EQ(next(), "modified 20");
  ASSERT_TRUE(file.shrink(5));
  EXPECT_EQ(next(), "truncated 5");
}

TEST_F(FileWatchTest, TellsModeAndTimesAsMetadata) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  change_mode(path(), kOne);
  EXPECT_EQ(next(), "metadata 10");
  const std::array<timespec, 2> times{{{1, 0}, {2, 0}}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path().c_str(), times.data(), 0), 0);
  EXPECT_EQ(next(), "metadata 10");
}

TEST_F(FileWatchTest, DoesNotSeeStoresThroughTheMap) {
  MappedFile file = create(10);
  const FileWatch watching = watch(file);
  ASSERT_TRUE(file.write(0, as_bytes("stored")));
  ASSERT_TRUE(file.flush());
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
}

TEST_F(FileWatchTest, SeesStoresThroughAMapWhenItsOwnerIsDone) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::this_thread::sleep_for(20ms);  // the clock that files are stamped with ticks some ms
  {
    MappedFile other = open(path());
    ASSERT_TRUE(other.write(0, as_bytes("stored")));
  }
  EXPECT_EQ(next(), "modified 10");
}

TEST_F(FileWatchTest, SaysNothingWhenAWriterOnlyOpensAndCloses) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  append(path(), "");
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
}

TEST_F(FileWatchTest, TellsAnAtomicReplaceAndFollowsTheNewFile) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  replace("new content");
  EXPECT_EQ(next_but_metadata(), "replaced 11");
  append(path(), "!");
  EXPECT_EQ(next(), "modified 12");
  replace("again");
  EXPECT_EQ(next_but_metadata(), "replaced 5");
}

TEST_F(FileWatchTest, LeavesTheOldFileAloneOnceItIsReplaced) {
  MappedFile file = create(10);
  const FileWatch watching = watch(file);
  replace("new");
  EXPECT_EQ(next_but_metadata(), "replaced 3");
  ASSERT_TRUE(file.grow(20));
  mark(path());
  EXPECT_EQ(next(), "metadata 3");
}

TEST_F(FileWatchTest, TellsAnUnlinkWhileTheFileIsMapped) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::remove(path());
  EXPECT_EQ(next_but_metadata(), "removed 0");
  EXPECT_TRUE(watching.is_watching());
}

TEST_F(FileWatchTest, TellsCreationAfterRemovalAndFollowsTheNewFile) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::remove(path());
  EXPECT_EQ(next_but_metadata(), "removed 0");
  std::filesystem::create_hard_link(other_file("four"), path());
  EXPECT_EQ(next(), "created 4");
  append(path(), "!");
  EXPECT_EQ(next_but_metadata(), "modified 5");
}

TEST_F(FileWatchTest, TellsRemovalAndCreationAnew) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::remove(path());
  std::filesystem::create_hard_link(other_file("four"), path());
  const std::string first = next_but_metadata();
  EXPECT_THAT(first, AnyOf("replaced 4", "removed 0"));
  if (first == "removed 0") {
    EXPECT_EQ(next(), "created 4");
  }
}

TEST_F(FileWatchTest, TellsRenamingAwayAndBack) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::rename(path(), path("elsewhere"));
  EXPECT_EQ(next(), "removed 0");
  append(path("elsewhere"), "not seen");
  std::filesystem::rename(path("elsewhere"), path());
  EXPECT_EQ(next(), "created 18");
  append(path(), "!");
  EXPECT_EQ(next(), "modified 19");
}

TEST_F(FileWatchTest, SeesWritesUnderAnotherNameOfTheFile) {
  const MappedFile file = create(10);
  std::filesystem::create_directory(path("elsewhere"));
  std::filesystem::create_hard_link(path(), path("elsewhere/link"));
  const FileWatch watching = watch(file);
  append(path("elsewhere/link"), "!");
  EXPECT_EQ(next(), "modified 11");
}

TEST_F(FileWatchTest, TakesADirectoryInTheFilesPlaceForNoFile) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::remove(path());
  EXPECT_EQ(next_but_metadata(), "removed 0");
  std::filesystem::create_directory(path());
  std::filesystem::remove(path());
  put(path("new"), "file");
  std::filesystem::rename(path("new"), path());
  EXPECT_EQ(next(), "created 4");
}

TEST_F(FileWatchTest, LivesThroughALinkToTheDirectoryItself) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  std::filesystem::create_symlink(".", path("link"));
  std::filesystem::rename(path("link"), path());
  EXPECT_EQ(next_but_metadata(), "removed 0");
  replace("file");
  EXPECT_EQ(next(), "created 4");
  for (int i = 0; i < 2; ++i) {
    mark(path());
    EXPECT_EQ(next(), "metadata 4");
  }
}

TEST_F(FileWatchTest, IsNotDisturbedByOtherFilesOfTheDirectory) {
  const MappedFile file = create(10);
  const FileWatch watching = watch(file);
  for (int i = 0; i < 200; ++i) {
    put(path("file" + std::to_string(i)), "text");
    std::filesystem::rename(path("file" + std::to_string(i)), path("fil"));
    std::filesystem::remove(path("fil"));
  }
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
}

TEST_F(FileWatchTest, FollowsALinkToTheFile) {
  {
    const MappedFile made = create(10);
  }
  std::filesystem::create_directory(path("links"));
  std::filesystem::create_symlink(path(), path("links/link"));
  const MappedFile file = open(path("links/link"));
  const FileWatch watching = watch(file);
  replace("new");
  EXPECT_EQ(next_but_metadata(), "replaced 3");
}

TEST_F(FileWatchTest, TellsAtOnceWhatBecameOfThePathBefore) {
  const MappedFile file = create(10);
  replace("new");
  const FileWatch watching = watch(file);
  EXPECT_EQ(next(), "replaced 3");
  std::filesystem::remove(path());
  EXPECT_EQ(next_but_metadata(), "removed 0");

  Told told_later;
  const FileWatch later = watch(file, told_later.callback());
  EXPECT_EQ(told_later.next(), "removed 0");
  replace("again");
  EXPECT_EQ(told_later.next(), "created 5");
}

TEST_F(FileWatchTest, GoesOnWhenTheMappedFileIsClosed) {
  MappedFile file = create(10);
  const FileWatch watching = watch(file);
  ASSERT_TRUE(file.close());
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
}

TEST_F(FileWatchTest, TwoWatchesAreBothTold) {
  const MappedFile file = create(10);
  Told told_first;
  FileWatch first = watch(file, told_first.callback());
  const FileWatch second = watch(file);
  append(path(), "!");
  EXPECT_EQ(told_first.next(), "modified 11");
  EXPECT_EQ(next(), "modified 11");
  first.stop();
  append(path(), "!");
  EXPECT_EQ(next(), "modified 12");
  EXPECT_TRUE(told_first.empty());
}

TEST_F(FileWatchTest, FailsWhenTheDirectoryIsRemoved) {
  const MappedFile file = create_in_sub();
  const FileWatch watching = watch(file);
  std::filesystem::remove_all(path("sub"));
  EXPECT_EQ(next_but_metadata(), "removed 0");
  EXPECT_EQ(next(), "failed 0");
  EXPECT_THAT(told_.failure(), StartsWith("watch " + path("sub/file") + ": not_found"));
  EXPECT_FALSE(watching.is_watching());
}

TEST_F(FileWatchTest, FailsWhenTheDirectoryIsMoved) {
  const MappedFile file = create_in_sub();
  FileWatch watching;
  std::atomic<bool> watching_inside = true;
  watch_in(watching, file, [&](const FileEvent& event) {
    watching_inside = watching.is_watching();
    told_.add(event);
  });
  std::filesystem::rename(path("sub"), path("moved"));
  EXPECT_EQ(next(), "removed 0");
  EXPECT_EQ(next(), "failed 0");
  EXPECT_FALSE(watching_inside);
  EXPECT_THAT(told_.failure(), StartsWith("watch " + path("sub/file") + ": not_found"));
}

TEST_F(FileWatchTest, FailsWhenADirectoryFurtherUpWasMoved) {
  std::filesystem::create_directories(path("up/sub"));
  const MappedFile file = MappedFile::create(path("up/sub/file"), 10).value();
  const FileWatch watching = watch(file);
  std::filesystem::rename(path("up"), path("moved"));
  std::filesystem::create_directories(path("up/sub"));
  put(path("up/sub/file"), "other");
  mark(path("moved/sub/file"));
  EXPECT_EQ(next(), "replaced 5");
  EXPECT_EQ(next(), "failed 0");
}

TEST_F(FileWatchTest, GathersWhatComesWhileTheCallbackRuns) {
  const MappedFile file = create(10);
  Gate entered;
  Gate release;
  const FileWatch watching = watch(file, [&](const FileEvent& event) {
    told_.add(event);
    entered.open();
    release.pass(kHold);
  });
  mark(path());
  ASSERT_TRUE(entered.pass());
  for (int i = 0; i < 50; ++i) append(path(), "!"), mark(path());
  release.open();
  EXPECT_EQ(next(), "metadata 10");
  EXPECT_EQ(next(), "modified 60");
  EXPECT_EQ(next(), "metadata 60");
  cut(path(), 1);
  EXPECT_EQ(next(), "truncated 1");
}

// The test of a queue that is full: what happens to the file then is told by nobody.
class FileWatchOverflowTest : public FileWatchTest {
 protected:
  void SetUp() override {
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queue_;
    if (queue_ == 0 || queue_ > 200'000) GTEST_SKIP() << "the queue is too long to be filled";
  }
  // Two events for each renaming of another file.
  void flood(const std::string& directory) const {
    std::string name = directory + "/flood";
    std::string other = directory + "/other";
    put(name, "");
    for (int i = 0; i <= queue_ / 2; ++i) {
      ASSERT_EQ(::rename(name.c_str(), other.c_str()), 0);
      std::swap(name, other);
    }
  }
  // Starts a watch whose first callback is held until `release_`, and fills its queue meanwhile.
  FileWatch watch_flooded(const MappedFile& file) {
    FileWatch watching = watch(file, [&](const FileEvent& event) {
      told_.add(event);
      entered_.open();
      release_.pass(kHold);
    });
    mark(file.path());
    EXPECT_EQ(next(), "metadata 10");
    EXPECT_TRUE(entered_.pass());
    flood(std::filesystem::path(file.path()).parent_path());
    return watching;
  }

  int queue_ = 0;
  Gate entered_;
  Gate release_;
};

TEST_F(FileWatchOverflowTest, TellsTheOverflowAndGoesOn) {
  const MappedFile file = create(10);
  const FileWatch watching = watch_flooded(file);
  release_.open();
  EXPECT_EQ(next(), "overflow 10");
  append(path(), "!");
  EXPECT_EQ(next(), "modified 11");
  EXPECT_TRUE(watching.is_watching());
}

TEST_F(FileWatchOverflowTest, LooksItselfForWhatWasLost) {
  const MappedFile file = create(10);
  const FileWatch watching = watch_flooded(file);
  replace("new");
  release_.open();
  EXPECT_EQ(next(), "overflow 3");
  EXPECT_EQ(next(), "replaced 3");
  append(path(), "!");
  EXPECT_EQ(next(), "modified 4");
}

TEST_F(FileWatchOverflowTest, FindsALostCut) {
  const MappedFile file = create(10);
  const FileWatch watching = watch_flooded(file);
  cut(path(), 5);
  release_.open();
  EXPECT_EQ(next(), "overflow 5");
  EXPECT_EQ(next(), "truncated 5");
}

TEST_F(FileWatchOverflowTest, FindsALostMoveOfTheDirectory) {
  const MappedFile file = create_in_sub();
  const FileWatch watching = watch_flooded(file);
  std::filesystem::rename(path("sub"), path("moved"));
  release_.open();
  EXPECT_EQ(next(), "overflow 0");
  EXPECT_EQ(next(), "removed 0");
  EXPECT_EQ(next(), "failed 0");
}

TEST_F(FileWatchOverflowTest, FindsALostMoveWhereTheSameFileIsInANewDirectory) {
  const MappedFile file = create_in_sub();
  const FileWatch watching = watch_flooded(file);
  std::filesystem::rename(path("sub"), path("moved"));
  std::filesystem::create_directory(path("sub"));
  std::filesystem::create_hard_link(path("moved/file"), path("sub/file"));
  release_.open();
  EXPECT_EQ(next(), "overflow 10");
  EXPECT_EQ(next(), "failed 0");
}

TEST_F(FileWatchTest, StopWaitsForTheCallback) {
  const MappedFile file = create(10);
  Gate entered;
  std::atomic<bool> left = false;
  FileWatch watching = watch(file, [&](const FileEvent&) {
    entered.open();
    std::this_thread::sleep_for(50ms);
    left = true;
  });
  mark(path());
  ASSERT_TRUE(entered.pass());
  watching.stop();
  EXPECT_TRUE(left);
  EXPECT_FALSE(watching.is_watching());
}

TEST_F(FileWatchTest, TellsNothingAfterStop) {
  const MappedFile file = create(10);
  FileWatch watching = watch(file);
  watching.stop();
  watching.stop();
  append(path(), "!");
  std::this_thread::sleep_for(30ms);
  EXPECT_TRUE(told_.empty());
}

TEST_F(FileWatchTest, StopFromManyThreadsWaitsInEach) {
  const MappedFile file = create(10);
  Gate entered;
  std::atomic<bool> left = false;
  FileWatch watching = watch(file, [&](const FileEvent&) {
    entered.open();
    std::this_thread::sleep_for(50ms);
    left = true;
  });
  mark(path());
  ASSERT_TRUE(entered.pass());
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      watching.stop();
      EXPECT_TRUE(left);
    });
  }
}

TEST_F(FileWatchTest, StopInsideTheCallbackMakesItTheLast) {
  const MappedFile file = create(10);
  FileWatch watching;
  Gate started;
  Gate release;
  watch_in(watching, file, [&](const FileEvent& event) {
    if (event.kind == FileEventKind::truncated) watching.stop();
    told_.add(event);
    started.open();
    release.pass(kHold);
  });
  mark(path());
  ASSERT_TRUE(started.pass());
  cut(path(), 5), mark(path());  // one batch: truncated, metadata
  release.open();
  EXPECT_EQ(next(), "metadata 10");
  EXPECT_EQ(next(), "truncated 5");
  EXPECT_FALSE(watching.is_watching());
  watching.stop();
  EXPECT_TRUE(told_.empty());
}

TEST_F(FileWatchTest, MayBeDestroyedInsideTheCallback) {
  const MappedFile file = create(10);
  const Held before = held();
  auto kept = std::make_shared<int>();
  auto watching = std::make_unique<FileWatch>();
  watch_in(*watching, file, [&, kept](const FileEvent& event) {
    watching.reset();
    told_.add(event);
  });
  cut(path(), 5), mark(path());
  EXPECT_EQ(next(), "truncated 5");
  EXPECT_TRUE(comes_true([&] { return held() == before && kept.use_count() == 1; }));
  EXPECT_TRUE(told_.empty());
}

TEST_F(FileWatchTest, MovesWithItsWatch) {
  const MappedFile file = create(10);
  FileWatch first = watch(file);
  FileWatch second = std::move(first);
  EXPECT_FALSE(first.is_watching());  // NOLINT(bugprone-use-after-move): the promise
  EXPECT_TRUE(second.is_watching());
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
  second = FileWatch();
  EXPECT_FALSE(second.is_watching());
  append(path(), "!");
  std::this_thread::sleep_for(30ms);
  EXPECT_TRUE(told_.empty());
}

TEST_F(FileWatchTest, GivesAllBackWhenStopped) {
  const MappedFile file = create(10);
  const Held before = held();
  auto kept = std::make_shared<int>();
  FileWatch watching = watch(file, [kept](const FileEvent&) {});
  EXPECT_EQ(held().descriptors, before.descriptors + 2);
  watching.stop();
  EXPECT_EQ(held(), before);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(FileWatchTest, GivesAllBackAtEveryEnd) {
  const MappedFile file = create_in_sub();
  const Held before = held();
  {
    const FileWatch destroyed = watch(file);
  }
  EXPECT_EQ(held(), before);
  FileWatch assigned = watch(file);
  assigned = FileWatch();
  EXPECT_EQ(held(), before);
  FileWatch failing = watch(file);
  std::filesystem::rename(path("sub"), path("moved"));
  EXPECT_TRUE(comes_true([&] { return !failing.is_watching(); }));
  failing.stop();
  EXPECT_EQ(held(), before);
}

TEST_F(FileWatchTest, GivesAllBackAfterAStopInsideTheCallback) {
  const MappedFile file = create(10);
  const Held before = held();
  FileWatch watching;
  watch_in(watching, file, [&](const FileEvent& event) {
    watching.stop();
    told_.add(event);
  });
  mark(path());
  EXPECT_EQ(next(), "metadata 10");
  watching.stop();
  EXPECT_EQ(held(), before);
}

TEST_F(FileWatchTest, RefusesWhatCannotBeWatched) {
  EXPECT_EQ(code_of(FileWatch::start(MappedFile(), told_.callback())), "closed");
  const MappedFile memory = MappedFile::anonymous(10).value();
  EXPECT_EQ(code_of(FileWatch::start(memory, told_.callback())), "unsupported");
  const MappedFile file = create(10);
  EXPECT_EQ(code_of(FileWatch::start(file, nullptr)), "invalid_argument");
}

TEST_F(FileWatchTest, SaysThatTheDirectoryIsGone) {
  const MappedFile file = create_in_sub();
  std::filesystem::remove_all(path("sub"));
  const Held before = held();
  const auto started = FileWatch::start(file, told_.callback());
  ASSERT_EQ(code_of(started), "not_found");
  EXPECT_EQ(started.error().path(), path("sub/file"));
  EXPECT_EQ(held(), before);
}

// Fewer descriptors for a while.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const rlimit limit{static_cast<rlim_t>(next + more), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(FileWatchTest, SaysThatDescriptorsAreUsedUp) {
  const MappedFile file = create(10);
  const Held before = held();
  // UBSan looks at an object's type by a pipe, when it first meets the type: not below the limit.
  watch(file).stop();
  Told& told = told_;
  for (const int more : {0, 1}) {
    Result<FileWatch> started = [&] {
      const DescriptorLimit limit(more);
      return FileWatch::start(file, told.callback());
    }();
    ASSERT_EQ(code_of(started), "capacity") << more << " more descriptors";
    EXPECT_EQ(started.error().path(), path());
    EXPECT_EQ(held(), before);
  }
  const FileWatch watching = watch(file);
  EXPECT_TRUE(watching.is_watching());
}

// A user namespace has limits of its own, which a child process may lower.
class FileWatchLimitTest : public FileWatchTest {
 protected:
  static constexpr int kNoNamespace = 200;
  // What `start` says with `limit` set to `value` before: the number of an ErrorCode.
  int start_with(const MappedFile& file, const char* limit, int value) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::unshare(CLONE_NEWUSER) != 0) ::_exit(kNoNamespace);
      std::ofstream setting(std::string("/proc/sys/user/") + limit);
      setting << value << std::flush;
      if (!setting) ::_exit(kNoNamespace);
      auto started = FileWatch::start(file, told_.callback());
      ::_exit(started ? 0 : static_cast<int>(started.error().code()));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
};

TEST_F(FileWatchLimitTest, SaysThatTheUserHasTooMany) {
  const MappedFile file = create(10);
  const int instances = start_with(file, "max_inotify_instances", 0);
  if (instances == kNoNamespace) GTEST_SKIP() << "no user namespace can be made here";
  EXPECT_EQ(instances, static_cast<int>(ErrorCode::capacity));
  EXPECT_EQ(start_with(file, "max_inotify_watches", 0), static_cast<int>(ErrorCode::capacity));
  EXPECT_EQ(start_with(file, "max_inotify_watches", 1), static_cast<int>(ErrorCode::capacity));
}

// The batches alone.
class FileEventsTest : public MappedFileTest {
 protected:
  std::unique_ptr<os::FileEvents> events() const {
    auto made = os::FileEvents::watch(path());
    EXPECT_TRUE(made) << made.error().message();
    return made ? *std::move(made) : nullptr;
  }
  // Of the whole process.
  static int inotify_watches() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream info(entry.path());
      for (std::string line; std::getline(info, line);) count += line.starts_with("inotify wd");
    }
    return count;
  }
};

TEST_F(FileEventsTest, HoldOnlyWhatIsAboutTheFile) {
  put(path(), "text");
  const auto watched = events();
  put(path("file2"), "text");
  std::filesystem::rename(path("file2"), path("fil"));
  std::filesystem::remove(path("fil"));
  std::filesystem::permissions(path(), std::filesystem::perms(0600));
  os::FileEventBatch only_metadata;
  only_metadata.metadata = true;
  EXPECT_EQ(watched->wait().value(), only_metadata);
}

TEST_F(FileEventsTest, LeaveTheFilesOfBefore) {
  const auto watched = events();
  for (int i = 0; i < 5; ++i) {
    put(path("new"), "text");
    std::filesystem::rename(path("new"), path());
    EXPECT_TRUE(watched->follow());
  }
  EXPECT_EQ(inotify_watches(), 2) << "one of the directory and one of the file";
}

TEST_F(FileEventsTest, NeverWaitAgainOnceWoken) {
  const auto watched = events();  // no file is there yet
  put(path(), "text");
  watched->wake();
  EXPECT_EQ(watched->wait().value(), std::nullopt);
  EXPECT_EQ(watched->wait().value(), std::nullopt);
}

// Without the system: made-up batches and looks.
class WatchedFileTest : public testing::Test {
 protected:
  static os::FileInfo file(std::uint64_t inode, std::uint64_t size, std::uint64_t modified_ns = 0) {
    os::FileInfo info;
    info.id.inode = inode;
    info.size = size;
    info.modified_ns = modified_ns;
    return info;
  }
  std::vector<std::string> tell(const os::FileEventBatch& batch,
                                const std::optional<os::FileInfo>& now) {
    std::vector<std::string> told;
    for (const FileEvent& event : watched_.update(batch, now)) told.push_back(told_as(event));
    return told;
  }
  static os::FileEventBatch batch(std::initializer_list<bool os::FileEventBatch::*> parts) {
    os::FileEventBatch made;
    for (const auto part : parts) made.*part = true;
    return made;
  }
  using Batch = os::FileEventBatch;

  WatchedFile watched_{file(1, 10)};
};

TEST_F(WatchedFileTest, TellsEachKindOnceInOrder) {
  const auto all = batch({&Batch::overflowed, &Batch::name_changed, &Batch::written,
                          &Batch::writer_closed, &Batch::metadata});
  EXPECT_THAT(tell(all, file(1, 12)), ElementsAre("overflow 12", "modified 12", "metadata 12"));
  EXPECT_THAT(tell(all, file(1, 11)), ElementsAre("overflow 11", "truncated 11", "metadata 11"));
  EXPECT_THAT(tell(all, file(2, 5)), ElementsAre("overflow 5", "replaced 5"));
  EXPECT_THAT(tell(all, std::nullopt), ElementsAre("overflow 0", "removed 0"));
  EXPECT_THAT(tell(all, file(3, 6)), ElementsAre("overflow 6", "created 6"));
}

TEST_F(WatchedFileTest, WhatComesAndGoesIsNothing) {
  EXPECT_THAT(tell(batch({&Batch::name_changed}), file(1, 10)), IsEmpty());
  EXPECT_THAT(tell({}, std::nullopt), ElementsAre("removed 0"));
  EXPECT_THAT(tell(batch({&Batch::name_changed}), std::nullopt), IsEmpty());
}

TEST_F(WatchedFileTest, ANewFileWithTheOldIdIsAnother) {
  const auto gone = batch({&Batch::name_changed, &Batch::inode_gone});
  EXPECT_THAT(tell(gone, file(1, 10)), ElementsAre("replaced 10"));
}

TEST_F(WatchedFileTest, TheLossOfANameIsNoMetadata) {
  const auto lost = batch({&Batch::name_changed, &Batch::metadata});
  EXPECT_THAT(tell(lost, std::nullopt), ElementsAre("removed 0"));
  EXPECT_THAT(tell(lost, file(1, 10)), ElementsAre("created 10"));
  EXPECT_THAT(tell(lost, file(2, 10)), ElementsAre("replaced 10"));
}

TEST_F(WatchedFileTest, AWriterThatClosedHasWrittenIfTheTimeMoved) {
  const auto closed = batch({&Batch::writer_closed});
  EXPECT_THAT(tell(closed, file(1, 10, 0)), IsEmpty());
  EXPECT_THAT(tell(closed, file(1, 10, 5)), ElementsAre("modified 10"));
  EXPECT_THAT(tell(closed, file(1, 10, 5)), IsEmpty());
  // As `touch` does it.
  EXPECT_THAT(tell(batch({&Batch::writer_closed, &Batch::metadata}), file(1, 10, 7)),
              ElementsAre("metadata 10"));
}

TEST_F(WatchedFileTest, AnOverflowComparesTheTime) {
  EXPECT_THAT(tell(batch({&Batch::overflowed}), file(1, 10, 5)),
              ElementsAre("overflow 10", "modified 10"));
}

TEST_F(WatchedFileTest, AnotherSizeIsToldWithoutAnEvent) {
  EXPECT_THAT(tell({}, file(1, 9)), ElementsAre("truncated 9"));
  EXPECT_THAT(tell({}, file(1, 20)), ElementsAre("modified 20"));
}

}  // namespace
}  // namespace quire::mapped
