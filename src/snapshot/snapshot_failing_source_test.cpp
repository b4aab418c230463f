// Snapshots of sources that fail, change or are cut after they were opened.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/fault_guard.hpp"
#include "snapshot/format.hpp"
#include "snapshot/snapshot_access.hpp"
#include "snapshot/snapshot_test_fixture.hpp"
#include "source/local_backends_fixture.hpp"

namespace quire::snapshot {
namespace {

// Fetches what may be changed meanwhile; fails when it is told to.
class FlakySource final : public ByteSource {
 public:
  explicit FlakySource(Content content, ErrorCode failure = ErrorCode::io)
      : ByteSource("flaky", content.size(), {IdentityStrength::strong, "1"}),
        content_(std::move(content)),
        failure_(failure) {}
  Content& content() { return content_; }
  // Of those to come, from 0.
  void fail_read(int number) { until_failure_ = number; }

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    if (until_failure_-- == 0) return std::unexpected(Error(failure_, "read"));
    return Bytes::copy(std::span(content_).subspan(range.offset, range.length));
  }
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& options) const override {
    const auto bytes = do_read({offset, out.size()}, options);
    if (!bytes) return std::unexpected(bytes.error());
    std::ranges::copy(bytes->span(), out.begin());
    return {};
  }

  Content content_;
  const ErrorCode failure_;
  mutable std::atomic<int> until_failure_ = -1;
};

// A map of a file of whose rows the first page can be lost, as to a bad sector.
class MapWithABadSector final : public ByteSource {
 public:
  static constexpr std::uint64_t kSector = 4096;  // of file and memory, behind the header

  explicit MapWithABadSector(const Content& content)
      : ByteSource("map", content.size(), {IdentityStrength::size_only, "1"}) {
    whole_.put({reinterpret_cast<const char*>(content.data()), content.size()});
    rows_.put({reinterpret_cast<const char*>(content.data()), kHeaderBytes + kSector});
    memory_ = map(whole_.path(), nullptr, size(), 0);
    map(rows_.path(), memory_ + kHeaderBytes, kSector, kHeaderBytes);
    offer_view(memory_);
  }
  ~MapWithABadSector() override { ::munmap(memory_, size()); }
  void lose() const { rows_.cut(kHeaderBytes); }

 private:
  static std::byte* map(const std::string& path, std::byte* at, std::uint64_t length,
                        std::uint64_t offset) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const int fixed = at == nullptr ? 0 : MAP_FIXED;
    void* memory =
        ::mmap(at, length, PROT_READ, MAP_SHARED | fixed, file, static_cast<off_t>(offset));
    EXPECT_NE(memory, MAP_FAILED);
    ::close(file);
    return static_cast<std::byte*>(memory);
  }
  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    return Bytes::borrow({memory_ + range.offset, range.length}, shared_from_this());
  }
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& /*options*/) const override {
    if (os::guarded_copy_from(out.data(), memory_ + offset, out.size()) == nullptr) return {};
    return std::unexpected(Error(ErrorCode::io, "read"));
  }

  source::LocalFile whole_;
  source::LocalFile rows_;
  std::byte* memory_ = nullptr;
};

class SnapshotOfAFailingSourceTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    ASSERT_TRUE(succeeded(put_many(0, 1000)));
  }
  // Every call that is to return an error where find() and matrix() raise a signal.
  void expect_changed(const Snapshot& snapshot) {
    std::vector<std::byte> out(kDimension);
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.get(3, out)));
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.nearest(vector_of(3, kDimension), 1)));
    EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot.verify()));
  }
};

// Only damage is passed over: what could not be fetched comes when it can be.
TEST_F(SnapshotOfAFailingSourceTest, AScanComesBackToWhatItCouldNotFetch) {
  const Content content = publish(8);
  constexpr int kReads = 2 + 125;  // id pages and blocks
  for (int number = 0; number < kReads; ++number) {
    const auto source = std::make_shared<FlakySource>(content);
    SnapshotScan scan = opened(source).scan();
    source->fail_read(number);
    std::size_t rows = 0;
    int failures = 0;
    for (auto next = scan.next(); !next || !next->ids.empty(); next = scan.next()) {
      if (next) {
        rows += next->ids.size();
      } else {
        ASSERT_TRUE(failed_with(ErrorCode::io, next));
        ++failures;
      }
    }
    EXPECT_EQ(rows, 1000U) << number;
    EXPECT_EQ(failures, 1) << number;
  }
}

TEST_F(SnapshotOfAFailingSourceTest, ABatchThatCouldNotBeFetchedGivesNothingAndCanBeAskedAgain) {
  const Content content = publish(8);
  const std::vector<std::uint64_t> ids{3, 999, 500, 4};
  constexpr int kReads = 2 + 3;  // id pages and blocks
  for (int number = 0; number < kReads; ++number) {
    const auto source = std::make_shared<FlakySource>(content);
    const Snapshot snapshot = opened(source);
    std::vector<Bytes> rows(ids.size());
    source->fail_read(number);
    ASSERT_TRUE(failed_with(ErrorCode::io, snapshot.get_many(ids, rows))) << number;
    EXPECT_TRUE(std::ranges::all_of(rows, &Bytes::empty));
    EXPECT_EQ(*snapshot.get_many(ids, rows), ids.size());
    EXPECT_EQ(std::memcmp(rows[1].data(), model_.at(999).data(), kDimension), 0);
  }
}

TEST_F(SnapshotOfAFailingSourceTest, SalvagingLeavesOutNothingThatOnlyCouldNotBeFetched) {
  const auto source = std::make_shared<FlakySource>(publish(16), ErrorCode::network);
  const Snapshot snapshot = opened(source);
  source->fail_read(0);
  EXPECT_TRUE(failed_with(ErrorCode::network, SnapshotAccess::restore(*disk_, snapshot, "/restored",
                                                                      {.salvage = true})));
}

TEST_F(SnapshotOfAFailingSourceTest, StoppingARestoreLeavesNoStore) {
  const Content content = publish(16);
  for (const Snapshot& snapshot : opened_both_ways(content)) {
    EXPECT_EQ(snapshot.ids()->size(), 1000U);
    std::stop_source stop;
    const auto restored = SnapshotAccess::restore(
        *disk_, snapshot, "/restored",
        {.stop = stop.get_token(), .progress = [&](std::uint64_t done, std::uint64_t) {
           return done < 500 || stop.request_stop();
         }});
    EXPECT_TRUE(failed_with(ErrorCode::cancelled, restored));
    EXPECT_TRUE(
        failed_with(ErrorCode::not_found,
                    vector::StoreAccess::open(*disk_, "/restored", vector::StoreMode::read_only)));
  }
}

TEST_F(SnapshotOfAFailingSourceTest, StoppingWhileItIsWrittenLeavesNoSnapshot) {
  for (const std::uint64_t rows : {16U, 500U, 1000U}) {
    std::stop_source stop;
    MemorySink sink;
    const auto made = write_snapshot(store_->view(), sink,
                                     {.block_bytes = 16 * kDimension,
                                      .stop = stop.get_token(),
                                      .progress = [&](std::uint64_t done, std::uint64_t) {
                                        return done < rows || stop.request_stop();
                                      }});
    EXPECT_TRUE(failed_with(ErrorCode::cancelled, made)) << rows;
    EXPECT_FALSE(sink.is_committed());
  }
}

// Whatever was compared before.
TEST_F(SnapshotOfAFailingSourceTest, VerifyReadsEverythingAnew) {
  const auto source = std::make_shared<FlakySource>(publish(16));
  const Snapshot snapshot = opened(source);
  ASSERT_EQ(contents_of(snapshot.scan()), model_);
  const std::size_t rows_end = kHeaderBytes + 1000 * kDimension;
  const std::size_t size = source->size();
  for (const std::size_t at : {std::size_t{4000}, rows_end - 1, rows_end + 40,
                               size - kTailBytes - 1, size - kTailBytes, size - 1}) {
    source->content()[at] ^= std::byte{1};
    const auto report = snapshot.verify();
    ASSERT_TRUE(succeeded(report));
    ASSERT_EQ(report->damaged.size(), 1U) << at;
    EXPECT_LE(report->damaged[0].range.offset, at);
    EXPECT_GT(report->damaged[0].range.end(), at);
    source->content()[at] ^= std::byte{1};
  }
  EXPECT_TRUE(snapshot.verify()->ok());
}

TEST_F(SnapshotOfAFailingSourceTest, VerifyFindsTheHeaderOfAnotherSnapshot) {
  Content content = publish(16);
  const Content other = publish(16);
  std::copy_n(other.begin(), kHeaderBytes, content.begin());
  const auto report = opened(in_memory(content)).verify();
  ASSERT_EQ(report->damaged.size(), 1U);
  EXPECT_EQ(report->damaged[0].range, (ByteRange{0, kHeaderBytes}));
  EXPECT_EQ(report->rows, 1000U);
}

TEST_F(SnapshotOfAFailingSourceTest, VerifyFindsAHeaderThatSaysWhatItMayNot) {
  Content content = publish(16);
  content[200] = std::byte{1};
  const auto header = std::span(content).first(kHeaderBytes);
  base::store_le(header, 4088, base::checksum(header.first(4088)));
  EXPECT_EQ(opened(in_memory(content)).verify()->damaged.size(), 1U);
}

TEST_F(SnapshotOfAFailingSourceTest, AReportHasAtMostTenThousandPlaces) {
  ASSERT_TRUE(succeeded(put_many(0, 10'050)));
  Content content = publish(1);
  std::fill_n(content.begin() + kHeaderBytes, 10'050 * kDimension, std::byte{0});
  const auto report = opened(in_memory(content)).verify();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->damaged.size(), 10'000U);
}

// What is compared must be alive until it was compared, even if no cache keeps it.
TEST_F(SnapshotOfAFailingSourceTest, SearchesWithoutACache) {
  const auto snapshot = Snapshot::open(fetched(publish(16)), {.cache_bytes = 0});
  ASSERT_TRUE(succeeded(snapshot));
  const auto query = vector_of(1'000'000, kDimension);
  EXPECT_EQ(*snapshot->nearest(query, 10), *store_->view().nearest(query, 10));
}

TEST_F(SnapshotOfAFailingSourceTest, ABadPageUnderAMapIsAnErrorAndNoSignal) {
  const auto source = std::make_shared<MapWithABadSector>(publish(16));
  const Snapshot snapshot = opened(source);
  const Snapshot untouched = opened(source);
  ASSERT_TRUE(succeeded(snapshot.matrix_bytes()));
  source->lose();
  std::vector<std::byte> out(kDimension);
  for (const Snapshot& one : {snapshot, untouched}) {
    EXPECT_TRUE(failed_with(ErrorCode::io, one.get(3, out)));
    EXPECT_TRUE(failed_with(ErrorCode::io, one.nearest(vector_of(3, kDimension), 1)));
  }
  EXPECT_TRUE(failed_with(ErrorCode::io, untouched.scan().next()));
  EXPECT_TRUE(failed_with(ErrorCode::io, untouched.matrix_bytes()));
  EXPECT_TRUE(succeeded(snapshot.get(900, out)));
}

TEST_F(SnapshotOfAFailingSourceTest, WhatTheDeviceCannotReadIsDamageAndTheRestIsSalvaged) {
  const auto source = std::make_shared<MapWithABadSector>(publish(16));
  const Snapshot snapshot = opened(source);
  source->lose();
  constexpr std::uint64_t kLostRows = MapWithABadSector::kSector / kDimension;
  const auto report = snapshot.verify();
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, 1000 - kLostRows);
  ASSERT_EQ(report->damaged.size(), kLostRows / 16);
  EXPECT_EQ(report->damaged[1].what, "block 1 (rows 16 to 31, ids 16 to 31) cannot be read");
  const auto restored = SnapshotAccess::restore(*disk_, snapshot, "/restored", {.salvage = true});
  ASSERT_TRUE(succeeded(restored));
  EXPECT_EQ(restored->rows, 1000 - kLostRows);
  ASSERT_EQ(restored->left_out.size(), kLostRows / 16);
  EXPECT_EQ(restored->left_out[1].what, report->damaged[1].what);
}

TEST_F(SnapshotOfAFailingSourceTest, ACutFileUnderAMapIsAnErrorAndNoSignal) {
  const source::LocalFile file;
  const Content content = publish(16);
  file.put({reinterpret_cast<const char*>(content.data()), content.size()});
  const auto snapshot = Snapshot::open(std::filesystem::path(file.path()));
  ASSERT_TRUE(succeeded(snapshot));
  ASSERT_TRUE(succeeded(snapshot->matrix_bytes()));
  ASSERT_TRUE(succeeded(snapshot->ids()));
  file.cut(kHeaderBytes);
  expect_changed(*snapshot);
  EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot->contains(3)));
  EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot->ids()));
  EXPECT_TRUE(failed_with(ErrorCode::changed, snapshot->scan().next()));
}

}  // namespace
}  // namespace quire::snapshot
