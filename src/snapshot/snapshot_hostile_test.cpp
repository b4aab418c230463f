// Roots and id pages that lie under checksums that are right; limits of what a tail may say.
#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "snapshot/format.hpp"
#include "snapshot/id_page.hpp"
#include "snapshot/snapshot_test_fixture.hpp"

namespace quire::snapshot {
namespace {

using base::load_le;
using base::store_le;

constexpr std::uint64_t kFarId = std::uint64_t{1} << 50;

// Two id pages, of 64 and of 3 blocks of 2 rows, with ids of every width.
class HostilePagesTest : public SnapshotTest {
 protected:
  void SetUp() override {
    SnapshotTest::SetUp();
    const std::uint64_t high = std::uint64_t{1} << 40;
    for (const std::uint64_t id : {5U, 6U, 10U, 13U, 100U, 100'000U, 200'000U}) put(id, id);
    put(high, 1);  // block 3 has ids of 8 bytes
    for (std::uint64_t k = 1; k <= 60; ++k) {
      put(high + 10 * k, k);
      put(high + 10 * k + 3, k);
    }
    for (const std::uint64_t id : {kFarId, kFarId + 3, 2 * kFarId, UINT64_MAX - 9, UINT64_MAX}) {
      put(id, id);
    }
    content_ = publish(2);
    ASSERT_EQ(load_le<std::uint64_t>(tail(), 144), 2 * kRootEntryBytes);
  }

  std::span<std::byte> part(std::uint64_t offset, std::uint64_t length) {
    return std::span(content_).subspan(offset, length);
  }
  std::span<std::byte> tail() { return std::span(content_).last(kTailBytes); }
  std::span<std::byte> root() { return part(load_le<std::uint64_t>(tail(), 136), 80); }
  std::span<std::byte> root_entry(std::size_t page) { return root().subspan(page * 40, 40); }
  std::span<std::byte> page(std::size_t number) {
    const ByteRange range = RootEntry::decode(root_entry(number)).page;
    return part(range.offset, range.length);
  }
  std::span<std::byte> block_entry(std::size_t number, std::size_t block) {
    return page(number).subspan(kPageHeadBytes + block * kBlockEntryBytes, kBlockEntryBytes);
  }
  template <class T>
  static void add(std::span<std::byte> bytes, std::size_t at, T more) {
    store_le(bytes, at, static_cast<T>(load_le<T>(bytes, at) + more));
  }

  // Makes every checksum right; of the pages only where they are inside.
  void seal(bool pages_too = true) {
    const auto salt = load_le<std::uint64_t>(content_, 16);
    for (std::size_t number = 0; pages_too && number < 2; ++number) {
      store_le(root_entry(number), 32, base::checksum(page(number), salt + number));
    }
    store_le(tail(), 152, base::checksum(root(), salt));
    store_le(tail(), 248, base::checksum(tail().first(248)));
  }
  // Puts zeros behind the last page, and moves root and tail.
  void insert_behind_the_pages(std::uint64_t count) {
    const auto at = load_le<std::uint64_t>(tail(), 136);
    content_.insert(content_.begin() + static_cast<std::ptrdiff_t>(at), count, std::byte{0});
    add(tail(), 136, count);
    add(tail(), 160, count);
  }

  // Does it with the content, and puts the content back after.
  template <class Lie>
  void expect_refused_at_opening(const char* what, Lie lie) {
    const Content whole = content_;
    lie();
    seal(false);
    EXPECT_TRUE(failed_with(ErrorCode::corrupt, Snapshot::open(in_memory(content_)))) << what;
    EXPECT_TRUE(failed_with(ErrorCode::corrupt, Snapshot::open(fetched(content_)))) << what;
    content_ = whole;
  }
  // `id` is in the page that lies: no way to read it may succeed.
  template <class Lie>
  void expect_refused_in_use(const char* what, std::uint64_t id, Lie lie) {
    const Content whole = content_;
    lie();
    seal();
    for (const Snapshot& snapshot : opened_both_ways(content_)) {
      EXPECT_TRUE(failed_with(ErrorCode::corrupt, snapshot.find_bytes(id))) << what;
      EXPECT_TRUE(failed_with(ErrorCode::corrupt, snapshot.ids())) << what;
      EXPECT_TRUE(failed_with(ErrorCode::corrupt, snapshot.nearest(vector_of(1, kDimension), 1)));
      EXPECT_FALSE(snapshot.verify()->ok()) << what;
    }
    content_ = whole;
  }

  Content content_;
};

TEST_F(HostilePagesTest, WhatIsSealedIsWhole) {
  seal();
  for (const Snapshot& snapshot : opened_both_ways(content_)) {
    EXPECT_EQ(contents_of(snapshot.scan()), model_);
    EXPECT_TRUE(snapshot.verify()->ok());
  }
}

TEST_F(HostilePagesTest, ARootThatLiesIsRefusedAtOpening) {
  const auto last_of_first = load_le<std::uint64_t>(root_entry(0), 8);
  expect_refused_at_opening("first id above the last",
                            [&] { store_le(root_entry(0), 0, last_of_first + 1); });
  expect_refused_at_opening("pages share an id",
                            [&] { store_le(root_entry(1), 0, last_of_first); });
  expect_refused_at_opening("a page is not where the one before ends",
                            [&] { add<std::uint64_t>(root_entry(1), 16, 8); });
  expect_refused_at_opening("a page past the end",
                            [&] { store_le(root_entry(1), 24, UINT64_MAX - 8); });
  expect_refused_at_opening("bytes behind the pages", [&] { insert_behind_the_pages(8); });
  expect_refused_at_opening("a page longer than its blocks allow", [&] {
    insert_behind_the_pages(1000);
    add<std::uint64_t>(root_entry(1), 24, 1000);
  });
}

TEST_F(HostilePagesTest, APageThatIsNotWhatItShouldBeIsRefused) {
  const auto in_head = [&](const char* what, std::size_t at, std::uint8_t more) {
    expect_refused_in_use(what, 5, [&] { add(page(0), at, more); });
  };
  in_head("the magic", 0, 1);
  in_head("the page number", 8, 1);
  in_head("one block more", 16, 1);
  in_head("one block fewer", 16, 255);
  in_head("what is to be zero", 20, 1);
  expect_refused_in_use("bytes behind its ids", kFarId, [&] {
    insert_behind_the_pages(8);
    add<std::uint64_t>(root_entry(1), 24, 8);
  });
}

TEST_F(HostilePagesTest, ABlockThatCannotBeIsRefused) {
  const auto in_entry = [&](const char* what, std::size_t at, auto value) {
    expect_refused_in_use(what, 10, [&] { store_le(block_entry(0, 1), at, value); });
  };
  in_entry("another place", 8, UINT64_MAX);
  in_entry("a length of 4 GiB", 24, UINT32_MAX);
  in_entry("more rows", 28, std::uint32_t{3});
  in_entry("4 billion rows", 28, UINT32_MAX);
  in_entry("ids past the end", 32, UINT32_MAX);
  in_entry("another codec", 36, std::uint8_t{1});
  in_entry("a width of 3", 37, std::uint8_t{3});
  in_entry("ids wider than there are bytes", 37, std::uint8_t{8});
  in_entry("what is to be zero", 38, std::uint8_t{1});
  expect_refused_in_use("a row fewer", 5, [&] {
    store_le(block_entry(0, 0), 24, kDimension);
    store_le(block_entry(0, 0), 28, std::uint32_t{1});
  });
  expect_refused_in_use("a dense block with ids past the end", kFarId, [&] {
    store_le(block_entry(1, 2), 32, static_cast<std::uint32_t>(page(1).size()));
    store_le(block_entry(1, 2), 37, std::uint8_t{8});
  });
  expect_refused_in_use("a width of 16, and bytes for it", kFarId, [&] {
    insert_behind_the_pages(16);
    add<std::uint64_t>(root_entry(1), 24, 16);
    store_le(block_entry(1, 1), 37, std::uint8_t{16});
  });
}

TEST_F(HostilePagesTest, IdsThatDoNotAscendAreRefused) {
  const auto ids_of = [&](std::size_t number, std::size_t block) {
    return page(number).subspan(load_le<std::uint32_t>(block_entry(number, block), 32));
  };
  expect_refused_in_use("a first id that is not the root's", kFarId,
                        [&] { add<std::uint64_t>(root_entry(1), 0, UINT64_MAX); });
  expect_refused_in_use("a last id that is not the root's", 5,
                        [&] { add<std::uint64_t>(root_entry(0), 8, 1); });
  expect_refused_in_use("a first difference that is not zero", 10,
                        [&] { store_le(ids_of(0, 1), 0, std::uint16_t{1}); });
  expect_refused_in_use("an id twice in a block", 10,
                        [&] { store_le(ids_of(0, 1), 2, std::uint16_t{0}); });
  expect_refused_in_use("an id of the next block", 10,
                        [&] { store_le(ids_of(0, 1), 2, std::uint16_t{90}); });
  expect_refused_in_use("ids past the largest", 10,
                        [&] { store_le(ids_of(0, 3), 8, UINT64_MAX - 1000); });
  expect_refused_in_use("the largest id in two blocks", kFarId,
                        [&] { store_le(ids_of(1, 1), 8, UINT64_MAX - 2 * kFarId); });
}

// The last difference that fits a width, and the first that does not.
TEST_F(SnapshotTest, IdsAtTheEdgesOfAWidthAreKept) {
  for (const std::uint64_t span : {std::uint64_t{UINT16_MAX}, std::uint64_t{UINT16_MAX} + 1,
                                   std::uint64_t{UINT32_MAX}, std::uint64_t{UINT32_MAX} + 1}) {
    auto made =
        vector::StoreAccess::create(*disk_, "/span" + std::to_string(span),
                                    {.dimension = kDimension, .element_type = ElementType::u8});
    ASSERT_TRUE(succeeded(made->put(7, vector_of(1, kDimension))));
    ASSERT_TRUE(succeeded(made->put(7 + span, vector_of(2, kDimension))));
    const Snapshot snapshot = opened(in_memory(publish(made->view(), 2)));
    const auto ids = snapshot.ids();
    ASSERT_TRUE(succeeded(ids));
    EXPECT_EQ(*ids, (std::vector<std::uint64_t>{7, 7 + span}));
  }
}

TEST_F(HostilePagesTest, AScanGoesOnBehindADamagedPage) {
  page(0)[40] ^= std::byte{1};
  for (const Snapshot& snapshot : opened_both_ways(content_)) {
    auto scan = snapshot.scan();
    EXPECT_TRUE(failed_with(ErrorCode::corrupt, scan.next()));
    const Model rest = contents_of(std::move(scan));
    EXPECT_EQ(rest, Model(model_.lower_bound(kFarId), model_.end()));
  }
}

// A tail whose parts follow one another, so that only the limits are left to refuse it.
class TailLimitsTest : public testing::Test {
 protected:
  static std::array<std::byte, kTailBytes> tail_of(const Description& description) {
    const std::uint64_t end = kHeaderBytes + description.rows * description.stride();
    return Tail{.description = description,
                .pages_offset = end,
                .root_offset = end,
                .root_length = description.pages() * kRootEntryBytes}
        .encode();
  }
  static Result<Tail> decoded(std::array<std::byte, kTailBytes> bytes) {
    store_le(std::span(bytes), 248, base::checksum(std::span(bytes).first(248)));
    return Tail::decode(bytes, load_le<std::uint64_t>(bytes, 160), "tail");
  }
  static Result<Tail> decoded(std::uint64_t rows, std::uint32_t dimension,
                              std::uint32_t block_rows) {
    return decoded(tail_of({.rows = rows,
                            .dimension = dimension,
                            .element_type = ElementType::u8,
                            .block_rows = block_rows}));
  }
};

TEST_F(TailLimitsTest, TheLargestOfEachIsTakenAndOneMoreRefused) {
  constexpr std::uint64_t kMostPages = kMaxRootBytes / kRootEntryBytes;
  EXPECT_TRUE(succeeded(decoded(std::uint64_t{1} << 40, 1, 65'536)));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, decoded((std::uint64_t{1} << 40) + 1, 1, 65'536)));
  EXPECT_TRUE(succeeded(decoded(1, 65'536, 256)));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, decoded(1, 65'536, 257)));
  EXPECT_TRUE(succeeded(decoded(kMostPages * 64, 1, 1)));
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, decoded(kMostPages * 64 + 1, 1, 1)));
}

TEST_F(TailLimitsTest, FixedFieldsAreCompared) {
  const auto whole = tail_of({.rows = 1, .dimension = 1, .element_type = ElementType::u8});
  EXPECT_TRUE(succeeded(decoded(whole)));
  for (const std::size_t at : {8U,         // version 0
                               12U,        // its length
                               16U + 78U,  // zero
                               16U + 84U,  // blocks of a page
                               16U + 88U,  // offset of the first block
                               16U + 96U,  // zero
                               168U}) {    // zero
    auto changed = whole;
    changed[at] = changed[at] == std::byte{0} || at == 12 ? std::byte{1} : std::byte{0};
    EXPECT_TRUE(failed_with(ErrorCode::corrupt, decoded(changed))) << at;
  }
}

TEST_F(TailLimitsTest, NothingLiesBetweenTheRootAndTheTail) {
  auto bytes = tail_of({.rows = 1, .dimension = 1, .element_type = ElementType::u8});
  store_le(std::span(bytes), 160, load_le<std::uint64_t>(bytes, 160) + 8);
  EXPECT_TRUE(failed_with(ErrorCode::corrupt, decoded(bytes)));
}

}  // namespace
}  // namespace quire::snapshot
