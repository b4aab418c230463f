// Vector files where the file system fails, writes short, or loses power.
#include <cerrno>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "formats/injection.hpp"
#include "formats/vector_files_fixture.hpp"
#include "os/simulated_file_system.hpp"

namespace quire::formats {
namespace {

const std::string kRows(600, 'r');  // 200 rows of 3 u8
const std::string kOldFile = "old and durable";

class VectorFileFaultsTest : public testing::Test {
 protected:
  VectorFileFaultsTest() {
    put("/a.npy", kOldFile);
    files_.set_hook([this](const os::SimulatedCall& call) {
      if (calls_.empty() || calls_.back() != call.operation) calls_.emplace_back(call.operation);
      os::SimulatedOutcome outcome;
      if (failing_ == call.operation) outcome.fail_with = ENOSPC;
      outcome.write_limit = (call.range.length + 1) / 2;
      return outcome;
    });
  }

  void put(const std::string& path, const std::string& bytes) {
    auto file = files_.open(path, os::OpenMode::create_new, 0644).value();
    ASSERT_TRUE(file->write_all(0, as_bytes(bytes)));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(files_.sync_directory("/"));
  }
  static std::string load(os::FileSystem& files, const std::string& path) {
    auto file = files.open(path, os::OpenMode::read, 0).value();
    std::string bytes(static_cast<std::size_t>(file->info()->size), '\0');
    EXPECT_TRUE(file->read_exactly(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }
  Result<VectorFileWriter> create_npy() {
    return Injection::create(files_, "/a.npy", VectorFormat::npy, 3, ElementType::u8, 100);
  }
  // Replaces /a.npy by the rows; the error is that of the first call that fails.
  Result<void> replace() {
    auto writer = create_npy();
    if (!writer) return std::unexpected(writer.error());
    if (auto done = writer->append(as_bytes(kRows)); !done) return done;
    return writer->finish();
  }
  // From now on calls of this operation fail.
  void fail(std::string operation) { failing_ = std::move(operation); }
  std::vector<std::string> names() { return files_.list("/").value(); }

  os::SimulatedFileSystem files_;
  std::vector<std::string> calls_;  // repetitions of a call left out
  std::string failing_;
};

const std::string kNewFile = npy_file(
    "{'descr': '|u1', 'fortran_order': False, 'shape': (200, 3), }" + std::string(40, ' '), kRows);

TEST_F(VectorFileFaultsTest, SyncsThenRenamesThenSyncsTheDirectory) {
  ASSERT_TRUE(replace());
  EXPECT_EQ(load(files_, "/a.npy"), kNewFile);
  calls_.resize(10);
  EXPECT_EQ(calls_, (std::vector<std::string>{"stat", "create", "lock", "stat", "write", "stat",
                                              "sync", "rename", "unlock", "sync_directory"}));
}

TEST_F(VectorFileFaultsTest, AFailureLeavesTheOldFile) {
  for (const char* operation : {"stat", "create", "write", "sync", "rename"}) {
    SCOPED_TRACE(operation);
    fail(operation);
    EXPECT_EQ(replace().error().code(), ErrorCode::no_space);
    fail("");
    EXPECT_EQ(load(files_, "/a.npy"), kOldFile);
    EXPECT_EQ(names(), std::vector<std::string>{"a.npy"});
  }
}

// Were a block that could not be written forgotten, finish() would put a file with a hole in place.
TEST_F(VectorFileFaultsTest, AFailedWriterStaysFailed) {
  auto writer = create_npy().value();
  ASSERT_TRUE(writer.append(as_bytes(kRows)));
  fail("write");
  EXPECT_EQ(writer.append(as_bytes(kRows)).error().code(), ErrorCode::no_space);
  fail("");
  EXPECT_EQ(writer.append(as_bytes(kRows)).error().code(), ErrorCode::no_space);
  EXPECT_EQ(writer.finish().error().code(), ErrorCode::no_space);
  EXPECT_EQ(load(files_, "/a.npy"), kOldFile);
}

TEST_F(VectorFileFaultsTest, SaysSoIfTheDirectoryWasNotSynced) {
  fail("sync_directory");
  EXPECT_EQ(replace().error().code(), ErrorCode::outcome_unknown);
  EXPECT_EQ(load(files_, "/a.npy"), kNewFile);
  EXPECT_EQ(names(), std::vector<std::string>{"a.npy"});
}

// The power goes at each call in turn, and some of what was not synced is lost.
TEST_F(VectorFileFaultsTest, APowerCutLeavesTheOldFileOrTheNew) {
  os::Random random(1);
  std::vector<std::string> found;
  files_.set_hook([&](const os::SimulatedCall&) {
    for (const auto survivors :
         {os::Survivors::none, os::Survivors::all, os::Survivors::random, os::Survivors::random}) {
      found.push_back(load(*files_.power_cut(survivors, random), "/a.npy"));
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(replace());
  files_.set_hook({});
  for (const std::string& file : found) EXPECT_TRUE(file == kOldFile || file == kNewFile) << file;
  EXPECT_EQ(found.front(), kOldFile);
  EXPECT_EQ(load(*files_.power_cut(os::Survivors::none, random), "/a.npy"), kNewFile);
}

// Appends of every size around a block of 10 bytes: what is buffered and what is not keeps its
// order.
TEST_F(VectorFileFaultsTest, BlocksDoNotShow) {
  std::string all;
  auto writer = Injection::create(files_, "/a.raw", VectorFormat::raw, 1, ElementType::u8, 10);
  for (std::size_t size = 0; size < 35; ++size) {
    const std::string rows(size, static_cast<char>('A' + size));
    ASSERT_TRUE(writer->append(as_bytes(rows)));
    all += rows;
  }
  ASSERT_TRUE(writer->finish());
  EXPECT_EQ(load(files_, "/a.raw"), all);
}

TEST_F(VectorFileFaultsTest, ABlockIsReadOnce) {
  put("/a.raw", "ABCDEFGH");
  const VectorFileOptions told{.dimension = 1, .element_type = ElementType::u8};
  auto file = files_.open("/a.raw", os::OpenMode::read, 0).value();
  auto reader = Injection::open(std::move(file), told, 5).value();
  EXPECT_EQ(as_text(reader.next(1).value()), "A");
  fail("read");
  EXPECT_EQ(as_text(reader.next(3).value()), "BCD");
  EXPECT_EQ(as_text(reader.next(1).value()), "E");
  EXPECT_FALSE(reader.next(1));
  fail("");
  EXPECT_EQ(as_text(reader.next(9).value()), "FGH");
}

}  // namespace
}  // namespace quire::formats
