#include "quire/snapshot.hpp"

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

TEST_F(SnapshotTest, HoldsTheStoreHoweverItIsReadAndCutIntoBlocks) {
  put_some();
  for (const std::uint32_t block_rows : {1U, 3U, 7U, 4096U}) {
    for (const Snapshot& snapshot : opened_both_ways(publish(block_rows))) {
      EXPECT_TRUE(contents_of(snapshot.scan()) == model_);
      EXPECT_EQ(*snapshot.ids(), store_->view().ids());
      EXPECT_EQ(snapshot.size(), model_.size());
      EXPECT_EQ(snapshot.info().lsn, store_->view().lsn());
    }
  }
}

TEST_F(SnapshotTest, FindsEveryVectorAndNoOther) {
  put_some();
  for (const Snapshot& snapshot : opened_both_ways(publish(5))) {
    for (const auto& [id, vector] : model_) {
      const auto row = snapshot.find<std::uint8_t>(id);
      ASSERT_TRUE(succeeded(row));
      EXPECT_TRUE(std::ranges::equal(row->elements(), vector)) << id;
      std::vector<std::byte> out(kDimension);
      ASSERT_TRUE(succeeded(snapshot.get(id, out)));
      EXPECT_EQ(std::memcmp(out.data(), vector.data(), kDimension), 0);
      EXPECT_EQ((*snapshot.ids())[*snapshot.row_of(id)], id);
      for (const std::uint64_t near : {id - 1, id + 1}) {
        EXPECT_EQ(*snapshot.contains(near), model_.contains(near)) << near;
      }
    }
    EXPECT_TRUE(failed_with(ErrorCode::not_found, snapshot.find_bytes(5)));
  }
}

TEST_F(SnapshotTest, ARowKeepsItsBytesWhenTheSnapshotIsGone) {
  put(1, 1);
  for (Snapshot& snapshot : opened_both_ways(publish(8))) {
    const auto row = snapshot.find<std::uint8_t>(1);
    {
      const Snapshot gone = std::move(snapshot);
    }
    EXPECT_TRUE(std::ranges::equal(row->elements(), vector_of(1, kDimension)));
  }
}

TEST_F(SnapshotTest, ScansARangeOfIds) {
  put_some();
  for (const Snapshot& snapshot : opened_both_ways(publish(4))) {
    for (const auto& [first, last] :
         std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 0},
                                                              {11, 13},
                                                              {12, 110},
                                                              {30, 99},
                                                              {31, 100},
                                                              {2'000'000, UINT64_MAX},
                                                              {UINT64_MAX, UINT64_MAX},
                                                              {20, 10}}) {
      Model wanted;
      for (const auto& [id, vector] : model_) {
        if (id >= first && id <= last) wanted.emplace(id, vector);
      }
      EXPECT_TRUE(contents_of(snapshot.scan(first, last)) == wanted) << first << " to " << last;
    }
  }
}

TEST_F(SnapshotTest, TheFirstRowOfAScannedBlockIsItsNumberInTheMatrix) {
  put_some();
  const Snapshot snapshot = opened(in_memory(publish(4)));
  const auto matrix = snapshot.matrix<std::uint8_t>();
  ASSERT_TRUE(succeeded(matrix));
  auto scan = snapshot.scan(12);
  for (auto rows = scan.next(); !rows->ids.empty(); rows = scan.next()) {
    const auto* expected = matrix->data() + rows->first_row * kDimension;
    EXPECT_EQ(static_cast<const void*>(rows->rows.data()), static_cast<const void*>(expected));
  }
}

TEST_F(SnapshotTest, TheMatrixIsTheModelInOrderOfIds) {
  put_some();
  const Content content = publish(6);
  std::vector<std::uint8_t> wanted;
  for (const auto& [id, vector] : model_) wanted.insert(wanted.end(), vector.begin(), vector.end());
  const Snapshot snapshot = opened(in_memory(content));
  EXPECT_TRUE(std::ranges::equal(*snapshot.matrix<std::uint8_t>(), wanted));
  EXPECT_TRUE(failed_with(ErrorCode::unsupported, opened(fetched(content)).matrix_bytes()));
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, snapshot.matrix<float>()));
}

TEST_F(SnapshotTest, FindsTheNeighboursThatTheStoreHas) {
  ASSERT_TRUE(succeeded(put_many(0, 2000)));
  ASSERT_TRUE(succeeded(store_->remove(77)));
  const auto queries = vector_of(1'000'000, kDimension * 3);
  for (const Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
    const auto wanted = store_->view().nearest(queries, 10, {.metric = metric});
    for (const Snapshot& snapshot : opened_both_ways(publish(300))) {
      const auto found = snapshot.nearest(queries, 10, {.metric = metric});
      ASSERT_TRUE(succeeded(found));
      EXPECT_EQ(*found, *wanted);
    }
  }
}

TEST_F(SnapshotTest, NearestRefusesWhatTheStoreRefuses) {
  put(1, 1);
  const Snapshot snapshot = opened(in_memory(publish(8)));
  const std::vector<float> floats(kDimension);
  const std::vector<std::uint8_t> one(kDimension);
  EXPECT_TRUE(failed_with(ErrorCode::mismatch, snapshot.nearest(floats, 1)));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument, snapshot.nearest(one, 0)));
  EXPECT_TRUE(failed_with(ErrorCode::invalid_argument,
                          snapshot.nearest(std::span(one).first(kDimension - 1), 1)));
}

TEST_F(SnapshotTest, AnEmptyStoreIsAHeaderAndATail) {
  const Content content = publish(8);
  EXPECT_EQ(content.size(), 4096U + 256U);
  for (const Snapshot& snapshot : opened_both_ways(content)) {
    EXPECT_EQ(snapshot.size(), 0U);
    EXPECT_TRUE(contents_of(snapshot.scan()).empty());
    EXPECT_TRUE(snapshot.verify()->ok());
    EXPECT_FALSE(*snapshot.contains(0));
    EXPECT_FALSE(snapshot.info().first_id.has_value());
    EXPECT_TRUE(snapshot.nearest(vector_of(1, kDimension), 3)->front().empty());
  }
}

TEST_F(SnapshotTest, IsTheStoreAtTheMomentOfTheView) {
  put(1, 1);
  put(2, 2);
  const ReadView view = store_->view();
  const Model then = model_;
  put(1, 10);
  put(3, 3);
  ASSERT_TRUE(succeeded(store_->remove(2)));
  const Snapshot snapshot = opened(in_memory(publish(view, 8)));
  EXPECT_TRUE(contents_of(snapshot.scan()) == then);
  EXPECT_EQ(snapshot.info().lsn, 2U);
}

// Opening is one read of the end, and a row one more, or two if its id page was not read yet.
TEST_F(SnapshotTest, OpensWithOneReadAndFindsARowWithTwo) {
  ASSERT_TRUE(succeeded(put_many(0, 1000)));
  const auto source = fetched(publish(8));
  const Snapshot snapshot = opened(source);
  EXPECT_EQ(source->reads(), 1);
  EXPECT_TRUE(succeeded(snapshot.find_bytes(500)));
  EXPECT_EQ(source->reads(), 3);
  EXPECT_TRUE(succeeded(snapshot.find_bytes(400)));
  EXPECT_EQ(source->reads(), 4);
  EXPECT_TRUE(succeeded(snapshot.find_bytes(401)));
  EXPECT_EQ(source->reads(), 4);
  EXPECT_FALSE(*snapshot.contains(5000));
  EXPECT_EQ(source->reads(), 4);
}

TEST_F(SnapshotTest, OpensWithTwoReadsWhenTheRootIsLarge) {
  ASSERT_TRUE(succeeded(put_many(0, 110'000)));
  const auto source = fetched(publish(1));
  const Snapshot snapshot = opened(source);
  EXPECT_EQ(source->reads(), 2);
  EXPECT_TRUE(succeeded(snapshot.find_bytes(100'000)));
  EXPECT_EQ(source->reads(), 4);
}

TEST_F(SnapshotTest, TheCacheIsBounded) {
  ASSERT_TRUE(succeeded(put_many(0, 1000)));
  const auto source = fetched(publish(10));
  const auto snapshot = Snapshot::open(source, {.cache_bytes = 0});
  ASSERT_TRUE(succeeded(snapshot));
  EXPECT_TRUE(succeeded(snapshot->find_bytes(5)));
  const int reads = source->reads();
  EXPECT_TRUE(succeeded(snapshot->find_bytes(5)));
  EXPECT_GT(source->reads(), reads);
  EXPECT_TRUE(contents_of(snapshot->scan()) == model_);
}

// Rows that are not aligned for their elements where they lie are copied.
TEST_F(SnapshotTest, ReadsFloatsFromAnyAddress) {
  auto made = vector::StoreAccess::create(*disk_, "/floats", {.dimension = 3});
  ASSERT_TRUE(succeeded(made));
  ASSERT_TRUE(succeeded(made->put(1, std::array{1.0F, 2.0F, 3.0F})));
  Content content = publish(made->view(), 64);
  const std::size_t size = content.size();
  content.insert(content.begin(), std::byte{0});
  const Snapshot snapshot = opened(memory_source(*Bytes::own(content).slice(1, size)));
  const auto row = snapshot.find<float>(1);
  ASSERT_TRUE(succeeded(row));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(row->elements().data()) % alignof(float), 0U);
  EXPECT_EQ(row->elements()[2], 3.0F);
}

TEST_F(SnapshotTest, SaysWhatItIs) {
  put_some();
  const Content content = publish(6);
  const SnapshotInfo info = opened(in_memory(content)).info();
  EXPECT_EQ(info.rows, model_.size());
  EXPECT_EQ(info.bytes, content.size());
  EXPECT_EQ(info.block_rows, 6U);
  EXPECT_EQ(info.blocks, (model_.size() + 5) / 6);
  EXPECT_EQ(info.first_id, 0U);
  EXPECT_EQ(info.last_id, UINT64_MAX);
  EXPECT_FALSE(info.parent.has_value());
  EXPECT_NE(info.id, SnapshotId{});
  EXPECT_NE(info.created_ns, 0U);
}

// The example of docs/formats/snapshot.md, byte by byte.
TEST_F(SnapshotTest, IsLaidOutAsTheDocumentSays) {
  auto made = vector::StoreAccess::create(*disk_, "/two",
                                          {.dimension = 2, .element_type = ElementType::u8});
  ASSERT_TRUE(succeeded(made));
  ASSERT_TRUE(succeeded(made->put(9, std::array<std::uint8_t, 2>{30, 40})));
  ASSERT_TRUE(succeeded(made->put(7, std::array<std::uint8_t, 2>{10, 20})));
  MemorySink sink;
  ASSERT_TRUE(succeeded(write_snapshot(made->view(), sink)));
  const std::span<const std::byte> file = sink.content();
  ASSERT_EQ(file.size(), 4472U);
  const auto u64 = [&](std::size_t at) { return base::load_le<std::uint64_t>(file, at); };
  const auto u32 = [&](std::size_t at) { return base::load_le<std::uint32_t>(file, at); };
  const auto u8 = [&](std::size_t at) { return std::to_integer<int>(file[at]); };
  const std::uint64_t salt = u64(16);

  EXPECT_EQ(std::memcmp(file.data(), "QUIRESNP", 8), 0);
  EXPECT_EQ(u32(8), 1U);
  EXPECT_EQ(u32(12), 4096U);
  EXPECT_EQ(u64(16 + 64), 2U);     // rows
  EXPECT_EQ(u32(16 + 80), 4096U);  // R
  EXPECT_EQ(u64(4088), base::checksum(file.first(4088)));
  EXPECT_EQ(std::memcmp(file.data() + 4096, "\x0a\x14\x1e\x28", 4), 0);

  EXPECT_EQ(std::memcmp(file.data() + 4100, "QUIREIDS", 8), 0);
  EXPECT_EQ(u32(4116), 1U);
  EXPECT_EQ(u64(4132), 7U);
  EXPECT_EQ(u64(4140), 4096U);
  EXPECT_EQ(u64(4148), base::checksum(file.subspan(4096, 4), salt));
  EXPECT_EQ(u32(4156), 4U);
  EXPECT_EQ(u32(4160), 2U);
  EXPECT_EQ(u32(4164), 72U);
  EXPECT_EQ(u8(4169), 2);
  EXPECT_EQ(std::memcmp(file.data() + 4172, "\0\0\2\0", 4), 0);

  EXPECT_EQ(u64(4176), 7U);
  EXPECT_EQ(u64(4184), 9U);
  EXPECT_EQ(u64(4192), 4100U);
  EXPECT_EQ(u64(4200), 76U);
  EXPECT_EQ(u64(4208), base::checksum(file.subspan(4100, 76), salt));

  EXPECT_EQ(std::memcmp(file.data() + 4216, "QUIRETOC", 8), 0);
  EXPECT_EQ(std::memcmp(file.data() + 4216 + 16, file.data() + 16, 112), 0);
  EXPECT_EQ(u64(4216 + 128), 4100U);
  EXPECT_EQ(u64(4216 + 136), 4176U);
  EXPECT_EQ(u64(4216 + 144), 40U);
  EXPECT_EQ(u64(4216 + 152), base::checksum(file.subspan(4176, 40), salt));
  EXPECT_EQ(u64(4216 + 160), 4472U);
  EXPECT_EQ(u64(4464), base::checksum(file.subspan(4216, 248)));
}

}  // namespace
}  // namespace quire::snapshot
