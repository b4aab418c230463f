// Damage is found and named, never served: every byte flipped, every length cut, hostile fields.
#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "snapshot/allocation_probe_fixture.hpp"
#include "snapshot/format.hpp"
#include "snapshot/snapshot_access.hpp"
#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

// A snapshot of a few KiB must not make anyone allocate more, whatever it says.
constexpr std::size_t kLargestAllocation = std::size_t{64} << 10;

class SnapshotDamageTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    put_some();
    content_ = publish(4);
  }

  // Opens what `source` holds and reads all there is by every way; whatever is given must be the model's.
  void expect_nothing_wrong_is_served(const std::shared_ptr<const ByteSource>& source) const {
    const auto snapshot = Snapshot::open(source);
    if (!snapshot) return;
    const std::vector<std::uint64_t> all = store_->view().ids();
    if (const auto rows = snapshot->get_many<std::uint8_t>(all)) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_TRUE(std::ranges::equal((*rows)[i].elements(), model_.at(all[i]))) << all[i];
      }
    } else {
      EXPECT_EQ(rows.error().code(), ErrorCode::corrupt) << rows.error().message();
    }
    for (const auto& [id, vector] : model_) {
      const auto row = snapshot->find<std::uint8_t>(id);
      if (row) {
        EXPECT_TRUE(std::ranges::equal(row->elements(), vector)) << id;
      } else {
        EXPECT_EQ(row.error().code(), ErrorCode::corrupt) << row.error().message();
      }
    }
    for (SnapshotScan scan = snapshot->scan();;) {
      const auto rows = scan.next();
      if (!rows) continue;
      if (rows->ids.empty()) break;
      for (std::size_t i = 0; i < rows->ids.size(); ++i) {
        const auto wanted = model_.find(rows->ids[i]);
        ASSERT_NE(wanted, model_.end()) << "id " << rows->ids[i];
        EXPECT_EQ(
            std::memcmp(rows->rows.data() + i * kDimension, wanted->second.data(), kDimension), 0);
      }
    }
    if (const auto ids = snapshot->ids()) {
      EXPECT_EQ(*ids, store_->view().ids());
    }
    if (const auto found = snapshot->nearest(queries_, 5)) {
      EXPECT_EQ(*found, neighbours_);
    }
  }

  static bool is_found(const std::shared_ptr<const ByteSource>& source) {
    const auto snapshot = Snapshot::open(source);
    if (!snapshot) return is_damage(snapshot.error());
    const auto report = snapshot->verify();
    return report.has_value() && !report->ok();
  }
  static bool is_damage(const Error& error) {
    return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::truncated ||
           error.code() == ErrorCode::format_version || error.code() == ErrorCode::unsupported;
  }

  SnapshotVerifyReport report_of(const Content& content) {
    auto report = opened(in_memory(content)).verify();
    EXPECT_TRUE(succeeded(report));
    return report.value_or(SnapshotVerifyReport{});
  }

  Content content_;
  std::vector<std::uint8_t> queries_ = vector_of(99, kDimension);
  std::vector<std::vector<Neighbour>> neighbours_;
};

TEST_F(SnapshotDamageTest, AWholeSnapshotIsWhole) {
  const auto report = report_of(content_);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.rows, model_.size());
  EXPECT_EQ(report.blocks, (model_.size() + 3) / 4);
}

TEST_F(SnapshotDamageTest, EveryFlippedByteIsFoundAndNothingWrongIsServed) {
  neighbours_ = *store_->view().nearest(queries_, 5);
  const AllocationProbe probe;
  for (std::size_t at = 0; at < content_.size(); ++at) {
    const std::byte mask{static_cast<unsigned char>(1U << (at % 8))};
    content_[at] ^= mask;
    EXPECT_TRUE(is_found(in_memory(content_))) << "byte " << at;
    // The header is not read but by verify: one look at its bytes is enough.
    if (at >= kHeaderBytes || at % 256 == 0) {
      EXPECT_TRUE(is_found(fetched(content_))) << "byte " << at;
      expect_nothing_wrong_is_served(in_memory(content_));
      expect_nothing_wrong_is_served(fetched(content_));
    }
    content_[at] ^= mask;
    if (HasFailure()) break;
  }
  EXPECT_LE(probe.largest(), kLargestAllocation);
}

TEST_F(SnapshotDamageTest, EveryTruncationIsRefused) {
  const AllocationProbe probe;
  for (std::size_t size = 0; size < content_.size(); ++size) {
    const Content cut(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(size));
    for (const std::shared_ptr<const ByteSource>& source :
         {in_memory(cut), std::shared_ptr<const ByteSource>(fetched(cut))}) {
      const auto snapshot = Snapshot::open(source);
      ASSERT_FALSE(snapshot.has_value()) << size;
      const ErrorCode code = snapshot.error().code();
      EXPECT_TRUE(code == ErrorCode::truncated || (size < 8 && code == ErrorCode::corrupt)) << size;
    }
  }
  EXPECT_LE(probe.largest(), kLargestAllocation);
}

TEST_F(SnapshotDamageTest, AppendedBytesAreFound) {
  for (const std::size_t more : {1U, 255U, 256U, 5000U}) {
    Content longer = content_;
    longer.resize(content_.size() + more);
    EXPECT_TRUE(is_found(in_memory(longer))) << more;
  }
  Content twice = content_;
  twice.insert(twice.end(), content_.begin(), content_.end());
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, Snapshot::open(in_memory(twice))));
}

TEST_F(SnapshotDamageTest, ADamagedBlockIsNamedWithItsRowsAndTheRestIsServed) {
  content_[kHeaderBytes + 5 * kDimension] ^= std::byte{1};  // row 5, in the block of rows 4 to 7
  const auto ids = store_->view().ids();
  const auto report = report_of(content_);
  ASSERT_EQ(report.damaged.size(), 1U);
  const SnapshotDamage& damage = report.damaged[0];
  EXPECT_EQ(damage.range, (ByteRange{kHeaderBytes + 4 * kDimension, 4 * kDimension}));
  EXPECT_EQ(damage.first_row, 4U);
  EXPECT_EQ(damage.rows, 4U);
  EXPECT_EQ(damage.first_id, ids[4]);
  EXPECT_EQ(damage.last_id, ids[7]);
  EXPECT_EQ(report.rows, model_.size() - 4);

  const Snapshot snapshot = opened(in_memory(content_));
  EXPECT_TRUE(succeeded(snapshot.find_bytes(ids[3])));
  EXPECT_TRUE(succeeded(snapshot.find_bytes(ids[8])));
  const auto lost = snapshot.find_bytes(ids[6]);
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, lost));
  EXPECT_EQ(lost.error().range(), damage.range);
  EXPECT_NE(lost.error().message().find("rows 4 to 7"), std::string::npos);
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, snapshot.matrix_bytes()));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, snapshot.nearest(queries_, 5)));
}

TEST_F(SnapshotDamageTest, ADamagedPageIsNamedWithAllItsRows) {
  content_[kHeaderBytes + model_.size() * kDimension + 40] ^= std::byte{1};
  const auto report = report_of(content_);
  ASSERT_EQ(report.damaged.size(), 1U);
  EXPECT_EQ(report.damaged[0].rows, model_.size());
  EXPECT_EQ(report.damaged[0].last_id, UINT64_MAX);
}

TEST_F(SnapshotDamageTest, AScanGoesOnBehindADamagedBlock) {
  content_[kHeaderBytes] ^= std::byte{1};
  const Snapshot snapshot = opened(in_memory(content_));
  auto scan = snapshot.scan();
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, scan.next()));
  Model rest = contents_of(std::move(scan));
  EXPECT_EQ(rest.size(), model_.size() - 4);
  for (const auto& [id, vector] : rest) EXPECT_EQ(vector, model_.at(id));
}

TEST_F(SnapshotDamageTest, SalvagingRestoresTheRestAndSaysWhatIsLeftOut) {
  content_[kHeaderBytes + 5 * kDimension] ^= std::byte{1};
  const Snapshot snapshot = opened(in_memory(content_));
  EXPECT_TRUE(
      failed_with(ErrorCode::corrupt, SnapshotAccess::restore(*disk_, snapshot, "/restored", {})));
  EXPECT_TRUE(
      failed_with(ErrorCode::not_found,
                  vector::StoreAccess::open(*disk_, "/restored", vector::StoreMode::read_only)));
  const auto report = SnapshotAccess::restore(*disk_, snapshot, "/restored", {.salvage = true});
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->rows, model_.size() - 4);
  ASSERT_EQ(report->left_out.size(), 1U);
  EXPECT_EQ(report->left_out[0].first_row, 4U);
  EXPECT_EQ(report->left_out[0].what, report_of(content_).damaged[0].what);
}

TEST_F(SnapshotDamageTest, ADamagedVectorOfTheStoreIsNotHandedOn) {
  ASSERT_TRUE(succeeded(store_->checkpoint()));
  ASSERT_TRUE(succeeded(disk_->flip(file("gen-1.rows"), 4096 + 3 * kDimension, std::byte{4})));
  MemorySink sink;
  const auto made = write_snapshot(store_->view(), sink);
  ASSERT_TRUE(failed_with(ErrorCode::corrupt, made));
  EXPECT_NE(made.error().message().find("id 13"), std::string::npos) << made.error().message();
  EXPECT_FALSE(sink.is_committed());
}

TEST_F(SnapshotDamageTest, AFullSinkGetsNoSnapshot) {
  for (const std::size_t limit : {0UL, 4096UL, 5000UL, content_.size() - 1}) {
    MemorySink sink;
    sink.set_limit(limit);
    EXPECT_TRUE(failed_with(ErrorCode::no_space,
                            write_snapshot(store_->view(), sink, {.block_bytes = 64})));
    EXPECT_FALSE(sink.is_committed());
  }
}

TEST_F(SnapshotDamageTest, StoppingLeavesNoSnapshot) {
  std::stop_source stop;
  stop.request_stop();
  MemorySink sink;
  EXPECT_TRUE(failed_with(ErrorCode::cancelled,
                          write_snapshot(store_->view(), sink, {.stop = stop.get_token()})));
  EXPECT_FALSE(sink.is_committed());
}

TEST_F(SnapshotDamageTest, ImpossibleBlockSizesAreRefused) {
  MemorySink sink;
  for (const std::uint32_t bytes : {0U, (16U << 20) + 1}) {
    EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                            write_snapshot(store_->view(), sink, {.block_bytes = bytes})));
  }
}

TEST_F(SnapshotDamageTest, ASinkThatHoldsBytesAndAnUnknownCodecAreRefused) {
  MemorySink sink;
  EXPECT_TRUE(failed_with(ErrorCode::unsupported,
                          write_snapshot(store_->view(), sink, {.codec = SnapshotCodec{1}})));
  ASSERT_TRUE(succeeded(sink.append(std::as_bytes(std::span("before")))));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, write_snapshot(store_->view(), sink)));
  EXPECT_FALSE(sink.is_committed());
}

// Fields that lie, under checksums that are right: refused before anything is allocated for them.
class HostileSnapshotTest : public SnapshotDamageTest {
 protected:
  // The file with an integer of its tail (and header) replaced, and the tail's checksum made right.
  template <class T>
  Content with(std::size_t at, T value) {
    Content content = content_;
    const auto tail = std::span(content).last(kTailBytes);
    base::store_le(tail, at, value);
    base::store_le(tail, 248, base::checksum(tail.first(248)));
    return content;
  }

  static void expect_refused(const Content& content, ErrorCode code = ErrorCode::corrupt) {
    const AllocationProbe probe;
    EXPECT_TRUE(failed_with(code, Snapshot::open(in_memory(content))));
    EXPECT_TRUE(failed_with(code, Snapshot::open(fetched(content))));
    EXPECT_LE(probe.largest(), std::max(kLargestAllocation, content.size()));
  }
};

TEST_F(HostileSnapshotTest, CountsThatTheFileCannotHold) {
  for (const std::uint64_t rows : {std::uint64_t{0}, model_.size() + 1, std::uint64_t{1} << 40,
                                   (std::uint64_t{1} << 40) + 1, UINT64_MAX}) {
    expect_refused(with(16 + 64, rows));
  }
  for (const std::uint32_t block_rows : {0U, 65'537U, UINT32_MAX}) {
    expect_refused(with(16 + 80, block_rows));
  }
  for (const std::uint32_t dimension : {0U, 17U, 65'537U, UINT32_MAX}) {
    expect_refused(with(16 + 72, dimension));
  }
}

TEST_F(HostileSnapshotTest, BlocksOfOtherSizesThanThePagesSay) {
  for (const std::uint32_t block_rows : {1U, 3U, 5U, 65'536U}) {
    const Content content = with(16 + 80, block_rows);
    for (const auto& source :
         {in_memory(content), std::shared_ptr<const ByteSource>(fetched(content))}) {
      const auto snapshot = Snapshot::open(source);
      const auto row = snapshot ? snapshot->find_bytes(10) : std::unexpected(snapshot.error());
      EXPECT_TRUE(failed_with(ErrorCode::corrupt, row)) << block_rows;
    }
  }
}

TEST_F(HostileSnapshotTest, PartsThatLieElsewhere) {
  for (const std::size_t field : {128U, 136U, 144U}) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{4097}, content_.size() - 256,
                                      std::uint64_t{1} << 63, UINT64_MAX}) {
      if (value == base::load_le<std::uint64_t>(std::span(content_).last(kTailBytes), field)) {
        continue;
      }
      expect_refused(with(field, value));
    }
  }
  expect_refused(with(160, std::uint64_t{content_.size() + 1}), ErrorCode::truncated);
}

TEST_F(HostileSnapshotTest, WhatThisVersionDoesNotKnow) {
  expect_refused(with(8, std::uint32_t{2}), ErrorCode::format_version);
  expect_refused(with(16 + 77, std::uint8_t{1}), ErrorCode::unsupported);
  expect_refused(with(16 + 76, std::uint8_t{9}));
  expect_refused(with(168, std::uint8_t{1}));
  expect_refused(with(16 + 96, std::uint8_t{1}));
}

TEST_F(HostileSnapshotTest, FilesThatAreNoSnapshots) {
  for (const std::size_t size : {0U, 1U, 255U, 256U, 4351U, 4352U, 100'000U}) {
    expect_refused(Content(size, std::byte{'x'}));
  }
}

}  // namespace
}  // namespace quire::snapshot
