// What a file source does beside the contract: how it reads, and what it says when that fails.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "os/simulated_file_system.hpp"
#include "quire/local_source.hpp"
#include "source/local_backends_fixture.hpp"
#include "source/source_access.hpp"
#include "source/source_backend_fixture.hpp"

namespace quire::source {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class FileSourceTest : public testing::Test {
 protected:
  FileSourceTest() : bytes_(pattern(9 * kMiB)) {
    auto file = disk_.open("/file", os::OpenMode::create_new, 0644).value();
    EXPECT_TRUE(file->write_all(0, std::as_bytes(std::span(bytes_))));
    source_ = open_file_source(disk_, "/file").value();
    disk_.set_hook([this](const os::SimulatedCall& call) { return heard(call); });
  }

  os::SimulatedOutcome heard(const os::SimulatedCall& call) {
    std::size_t number = 0;
    {
      const base::MutexLock lock(mutex_);
      if (call.operation == std::string_view("read")) reads_.push_back(call.range);
      number = reads_.size();
    }
    os::SimulatedOutcome result;
    if (failing_ == call.operation) result.fail_with = EIO;
    if (at_read_ && call.operation == std::string_view("read")) at_read_(number);
    return result;
  }
  // From now on calls of this operation fail.
  void fail(std::string operation) { failing_ = std::move(operation); }
  // Calls `act` before the read of this number, counted from 1.
  void at_read(std::size_t number, const std::function<void()>& act) {
    at_read_ = [=](std::size_t now) {
      if (now == number) act();
    };
  }
  std::vector<ByteRange> reads() {
    const base::MutexLock lock(mutex_);
    return reads_;
  }
  std::string read_all(const ReadOptions& options = {}) {
    const auto result = source_->read(0, bytes_.size(), options);
    return result ? "ok" : code_of(result);
  }
  void write(std::uint64_t offset, std::string_view bytes) {
    auto file = disk_.open("/file", os::OpenMode::read_write, 0).value();
    EXPECT_TRUE(file->write_all(offset, std::as_bytes(std::span(bytes))));
  }

  os::SimulatedFileSystem disk_;
  std::string bytes_;
  std::shared_ptr<const ByteSource> source_;
  std::string failing_;
  std::function<void(std::size_t)> at_read_;
  base::Mutex mutex_;
  std::vector<ByteRange> reads_ QUIRE_GUARDED_BY(mutex_);
};

TEST_F(FileSourceTest, ReadsPiecesOf4MiB) {
  EXPECT_EQ(read_all(), "ok");
  EXPECT_EQ(reads(),
            (std::vector<ByteRange>{{0, 4 * kMiB}, {4 * kMiB, 4 * kMiB}, {8 * kMiB, 1 * kMiB}}));
}

TEST_F(FileSourceTest, LooksAtTheTimeBetweenPieces) {
  std::stop_source stop;
  at_read(2, [&] { stop.request_stop(); });
  EXPECT_EQ(read_all({.stop = stop.get_token()}), "cancelled");
  EXPECT_EQ(reads().size(), 2);
}

TEST_F(FileSourceTest, NeverMixesTwoVersions) {
  at_read(2, [&] { write(5 * kMiB, "new"); });
  EXPECT_EQ(read_all(), "changed");
  const Error error = source_->read(0, 10).error();
  EXPECT_EQ(error.code(), ErrorCode::changed) << "the first bytes are of the old version";
  EXPECT_EQ(error.message(),
            "read /file [0, 10): changed: the file was written since it was opened");
}

TEST_F(FileSourceTest, AFailingDeviceIsIo) {
  for (const char* operation : {"read", "stat"}) {
    fail(operation);
    EXPECT_EQ(read_all(), "io") << operation;
    const std::array ranges{ByteRange{0, 1}, ByteRange{kMiB, 1}, ByteRange{2 * kMiB, 1}};
    EXPECT_EQ(code_of(source_->read_many(ranges)), "io") << operation;
    fail("");
    EXPECT_EQ(read_all(), "ok") << operation;
  }
}

TEST_F(FileSourceTest, AFailingHintIsNoMatter) {
  fail("advise");
  source_->hint({0, 100}, AccessHint::will_need);
  EXPECT_EQ(read_all(), "ok");
}

TEST_F(FileSourceTest, ReadsNearRangesAtOnceIntoOneBuffer) {
  const std::array ranges{ByteRange{5000, 10}, ByteRange{0, 10}, ByteRange{8 * kMiB, 10}};
  const auto bytes = source_->read_many(ranges).value();
  EXPECT_EQ(reads().size(), 2);
  EXPECT_EQ(bytes[0].data() - bytes[1].data(), 5000);
}

// A batch with an error in front starts no further reads than are under way.
TEST_F(FileSourceTest, ABatchEndsAtItsFirstError) {
  std::vector<ByteRange> ranges(90);
  for (std::size_t i = 0; i < ranges.size(); ++i) ranges[i] = {i * 100'000, 1};
  fail("read");
  EXPECT_EQ(code_of(source_->read_many(ranges)), "io");
  EXPECT_LE(reads().size(), 4);
}

TEST(FileSourceOpening, SaysWhatIsWrong) {
  const LocalFile place;
  const std::string missing = place.path();
  const std::string directory = std::filesystem::path(missing).parent_path();
  const std::string pipe = directory + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const auto open : {quire::open_file_source, quire::open_map_source}) {
    EXPECT_EQ(code_of(open(missing)), "not_found");
    EXPECT_EQ(open(missing).error().path(), missing);
    EXPECT_EQ(code_of(open("")), "invalid_argument");
    EXPECT_EQ(code_of(open(directory)), "invalid_argument");
    EXPECT_EQ(code_of(open(pipe)), "invalid_argument");
  }
}

}  // namespace
}  // namespace quire::source
