// On the simulated file system and on the real one.
#include "vector/control_page.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

using base::load_le;

StoreIdentity identity_of(std::uint8_t mark) {
  StoreIdentity identity;
  identity.id.fill(std::byte{mark});
  return identity;
}

std::vector<std::byte> content(os::File& file) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.info()->size));
  EXPECT_TRUE(succeeded(file.read_exactly(0, bytes)));
  return bytes;
}

class ControlPageTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string pattern = std::filesystem::temp_directory_path() / "quire-XXXXXX";
      directory_ = ::mkdtemp(pattern.data());
      ASSERT_FALSE(directory_.empty());
    }
    os::FileSystem& disk = GetParam() ? os::real_file_system() : simulated_;
    const std::string path = os::join_path(GetParam() ? directory_ : "/", "LOCK");
    lock_ = *disk.open(path, os::OpenMode::create_new);
    reader_ = *disk.open(path, os::OpenMode::read);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void write(std::uint64_t generation, std::uint64_t lsn) {
    ASSERT_TRUE(succeeded(write_control_page(*lock_, identity_of(7), generation, lsn)));
  }
  std::optional<ControlPage> page() {
    auto read = read_control_page(*reader_);
    EXPECT_TRUE(succeeded(read));
    return read ? *read : std::nullopt;
  }
  std::optional<std::string> metrics() {
    auto read = read_metrics_block(*reader_);
    EXPECT_TRUE(succeeded(read));
    return read ? *read : std::nullopt;
  }
  void flip(std::uint64_t offset) {
    std::byte byte{};
    ASSERT_TRUE(succeeded(lock_->read_exactly(offset, {&byte, 1})));
    byte ^= std::byte{0x40};
    ASSERT_TRUE(succeeded(lock_->write_all(offset, {&byte, 1})));
  }

  os::SimulatedFileSystem simulated_;
  std::string directory_;
  std::unique_ptr<os::File> lock_;
  std::unique_ptr<os::File> reader_;
};

TEST_P(ControlPageTest, ReadersSeeTheLastBatch) {
  EXPECT_FALSE(page()) << "nothing was written";
  write(1, 5);
  write(2, 6);
  EXPECT_EQ(page(), (ControlPage{identity_of(7).id, 2, 6}));
}

TEST_P(ControlPageTest, TheBytesAreThoseOfTheDocument) {
  write(3, 9);
  const auto bytes = content(*lock_);
  ASSERT_EQ(bytes.size(), 64U);
  EXPECT_EQ(std::memcmp(bytes.data(), "QUIRECTL", 8), 0);
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 8), 0U);
  EXPECT_EQ(bytes[16], std::byte{7});
  EXPECT_EQ(bytes[31], std::byte{7});
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 32), 3U) << "generation";
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 40), 9U) << "published LSN";
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 48), 0U);
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 56), base::checksum(std::span(bytes).first(56)));
}

TEST_P(ControlPageTest, APageWithAnyWrongByteIsNone) {
  write(3, 9);
  for (std::uint64_t offset = 0; offset < kControlPageBytes; ++offset) {
    flip(offset);
    EXPECT_FALSE(page()) << "byte " << offset;
    flip(offset);
  }
  EXPECT_TRUE(page());
}

TEST_P(ControlPageTest, AShortFileHasNoPage) {
  write(3, 9);
  ASSERT_TRUE(succeeded(lock_->truncate(63)));
  EXPECT_FALSE(page());
}

TEST_P(ControlPageTest, ClearingTakesBackPageAndMetrics) {
  write(3, 9);
  ASSERT_TRUE(succeeded(write_metrics_block(*lock_, "{}")));
  ASSERT_TRUE(succeeded(clear_control_page(*lock_)));
  EXPECT_FALSE(page());
  EXPECT_FALSE(metrics());
  EXPECT_EQ(content(*lock_), std::vector<std::byte>(64)) << "the next page needs no space";
}

TEST_P(ControlPageTest, TheMetricsAreThoseWrittenLast) {
  EXPECT_FALSE(metrics());
  write(1, 1);
  EXPECT_FALSE(metrics()) << "the file ends before";
  ASSERT_TRUE(succeeded(write_metrics_block(*lock_, R"({"put": "a long text"})")));
  ASSERT_TRUE(succeeded(write_metrics_block(*lock_, "{}")));
  EXPECT_EQ(metrics(), "{}");
  EXPECT_TRUE(page()) << "beside them";
  const auto bytes = content(*lock_);
  EXPECT_EQ(load_le<std::uint32_t>(bytes, 4096), 2U);
  EXPECT_EQ(load_le<std::uint32_t>(bytes, 4100), 0U);
  EXPECT_EQ(load_le<std::uint64_t>(bytes, 4104), base::checksum(std::as_bytes(std::span("{}", 2))));
  EXPECT_EQ(bytes[4112], std::byte{'{'});
}

TEST_P(ControlPageTest, MetricsWithAWrongByteAreNone) {
  ASSERT_TRUE(succeeded(write_metrics_block(*lock_, "{\"put\": 1}")));
  for (const std::uint64_t offset : {4096U, 4097U, 4098U, 4099U, 4104U, 4112U, 4121U}) {
    flip(offset);
    EXPECT_FALSE(metrics()) << "byte " << offset;
    flip(offset);
  }
  ASSERT_TRUE(succeeded(lock_->truncate(4121)));
  EXPECT_FALSE(metrics()) << "the text is cut";
}

TEST_P(ControlPageTest, ATextOfAMebibyteIsRefused) {
  const std::string most(kMetricsTextLimit - 1, ' ');
  ASSERT_TRUE(succeeded(write_metrics_block(*lock_, most)));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, write_metrics_block(*lock_, most + " ")));
  EXPECT_EQ(metrics(), most);
}

TEST_P(ControlPageTest, AReaderBesideABusyWriterSeesWholePagesOnly) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (std::uint64_t lsn = 1; !stop; ++lsn) {
      ASSERT_TRUE(succeeded(write_control_page(*lock_, identity_of(7), lsn, lsn)));
    }
  });
  std::uint64_t last = 0;
  for (int i = 0; i < 2'000 || last == 0; ++i) {
    const auto now = page();
    if (!now) continue;
    EXPECT_EQ(now->generation, now->published_lsn);
    EXPECT_GE(now->published_lsn, last);
    last = now->published_lsn;
  }
  stop = true;
  writer.join();
}

INSTANTIATE_TEST_SUITE_P(FileSystems, ControlPageTest, ::testing::Bool(), [](const auto& backend) {
  return backend.param ? std::string("real") : std::string("simulated");
});

// A page of which a byte is wrong for the first `reads` reads.
class TornControlPage : public ::testing::Test {
 protected:
  TornControlPage() {
    lock_ = *disk_.open("/LOCK", os::OpenMode::create_new, 0644);
    EXPECT_TRUE(succeeded(write_control_page(*lock_, identity_of(7), 1, 5)));
    EXPECT_TRUE(succeeded(write_metrics_block(*lock_, "{}")));
  }
  void tear(std::uint64_t offset, int reads) {
    ASSERT_TRUE(succeeded(disk_.flip("/LOCK", offset, std::byte{1})));
    disk_.set_hook([this, offset, reads](const os::SimulatedCall& call) {
      const bool wanted = std::string_view(call.operation) == "read" && call.range.offset <= offset;
      if (wanted && reads_++ == reads) {
        EXPECT_TRUE(succeeded(disk_.flip("/LOCK", offset, std::byte{1})));
      }
      return os::SimulatedOutcome{};
    });
  }

  os::SimulatedFileSystem disk_;
  std::unique_ptr<os::File> lock_;
  int reads_ = 0;
};

TEST_F(TornControlPage, IsReadAgain) {
  tear(40, 2);
  EXPECT_EQ((*read_control_page(*lock_))->published_lsn, 5U);
}

TEST_F(TornControlPage, IsNoneIfItStaysSo) {
  tear(40, 1'000);
  EXPECT_FALSE(*read_control_page(*lock_));
  EXPECT_LT(reads_, 100) << "it gives up";
}

TEST_F(TornControlPage, TornMetricsAreReadAgain) {
  tear(4112, 4);
  EXPECT_EQ(*read_metrics_block(*lock_), "{}");
}

TEST_F(TornControlPage, OneWriteABatch) {
  const std::uint64_t before = disk_.calls();
  ASSERT_TRUE(succeeded(write_control_page(*lock_, identity_of(7), 1, 6)));
  EXPECT_EQ(disk_.calls(), before + 1);
}

TEST_F(TornControlPage, ErrorsAreTold) {
  disk_.set_hook([](const os::SimulatedCall&) { return os::SimulatedOutcome{.fail_with = EIO}; });
  EXPECT_TRUE(failed_with(ErrorCode::io, read_control_page(*lock_)));
  EXPECT_TRUE(failed_with(ErrorCode::io, read_metrics_block(*lock_)));
  EXPECT_TRUE(failed_with(ErrorCode::io, clear_control_page(*lock_)));
  EXPECT_TRUE(failed_with(ErrorCode::io, write_control_page(*lock_, identity_of(7), 1, 6)));
}

TEST_F(TornControlPage, ClearingWorksOnAFullDisk) {
  disk_.set_capacity(0);
  EXPECT_TRUE(succeeded(clear_control_page(*lock_)));
  auto empty = disk_.open("/EMPTY", os::OpenMode::create_new, 0644);
  ASSERT_TRUE(succeeded(empty));
  EXPECT_TRUE(succeeded(clear_control_page(**empty)));
  EXPECT_TRUE(failed_with(ErrorCode::no_space, write_control_page(**empty, identity_of(7), 1, 1)));
}

}  // namespace
}  // namespace quire::vector
