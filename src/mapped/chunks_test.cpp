// A file piece by piece: as a range, in copies, in place.
#include "quire/chunks.hpp"

#include <limits>
#include <new>
#include <ranges>

#include "mapped/simulated_disk_fixture.hpp"
#include "quire/mapped_memory.hpp"

namespace quire::mapped {
namespace {

static_assert(std::ranges::random_access_range<Chunks>);
static_assert(std::ranges::sized_range<Chunks> && std::ranges::common_range<Chunks>);
static_assert(std::ranges::borrowed_range<Chunks> && std::ranges::view<Chunks>);
static_assert(std::ranges::random_access_range<const Chunks>);
static_assert(std::same_as<std::ranges::range_value_t<Chunks>, std::span<const std::byte>>);
static_assert(std::ranges::borrowed_range<MutableChunks>);
static_assert(std::same_as<std::ranges::range_value_t<MutableChunks>, std::span<std::byte>>);

constexpr auto kReads = [](std::uint64_t, std::span<const std::byte>) {};
constexpr auto kStores = [](std::uint64_t, std::span<std::byte>) {};
constexpr auto kSaysBool = [](std::uint64_t, std::span<const std::byte>) { return true; };
static_assert(ChunkVisitor<decltype(kReads), const std::byte>);
static_assert(!ChunkVisitor<decltype(kStores), const std::byte>, "copies are not for storing");
static_assert(!ChunkVisitor<decltype(kSaysBool), const std::byte>, "what would false mean?");

class ChunksTest : public SimulatedDiskTest {
 protected:
  // A file that says "0123456789abc".
  MappedFile thirteen() {
    put(path(), "0123456789abc");
    return MappedFileTest::open(path());
  }
  static void put(const std::string& name, std::string_view text) {
    MappedFileTest::put(name, text);
  }
  // The pieces with a bar between.
  static std::string joined(auto&& pieces) {
    std::string all;
    for (const auto piece : pieces) all += text(piece) + "|";
    return all;
  }
};

TEST_F(ChunksTest, TheLastOneIsShorter) {
  const MappedFile file = thirteen();
  EXPECT_EQ(joined(chunks(file, 5).value()), "01234|56789|abc|");
  EXPECT_EQ(chunks(file, 5).value().size(), 3U);
  EXPECT_EQ(joined(chunks(file, 13).value()), "0123456789abc|");
  EXPECT_EQ(joined(chunks(file, 12).value()), "0123456789ab|c|");
  EXPECT_EQ(chunks(file, 1).value().size(), 13U);
}

TEST_F(ChunksTest, AChunkMayBeLargerThanTheFile) {
  const MappedFile file = thirteen();
  for (const std::uint64_t size : {std::uint64_t{14}, std::numeric_limits<std::uint64_t>::max()}) {
    EXPECT_EQ(joined(chunks(file, size).value()), "0123456789abc|");
    EXPECT_EQ(chunks(file, size).value().chunk_bytes(), size);
  }
}

TEST_F(ChunksTest, OfNoBytesThereAreNoChunks) {
  const MappedFile file = create(0);
  EXPECT_TRUE(chunks(file, 5).value().empty());
  EXPECT_TRUE(pages(file).value().empty());
  EXPECT_EQ(std::ranges::distance(chunks(file, 5).value()), 0);
}

TEST_F(ChunksTest, PagesAreThoseOfTheSystem) {
  const MappedFile file = create(3 * page_size() + 1);
  const Chunks all = pages(file).value();
  EXPECT_EQ(all.size(), 4U);
  EXPECT_EQ(all.chunk_bytes(), page_size());
  EXPECT_EQ(all.back().size(), 1U);
}

TEST_F(ChunksTest, NothingIsCopied) {
  const MappedFile file = thirteen();
  EXPECT_EQ(chunks(file, 5).value()[1].data(), file.bytes(5, 1).value().data());
}

TEST_F(ChunksTest, ImpossibleOnesAreRefused) {
  const MappedFile file = thirteen();
  EXPECT_EQ(chunks(file, 0).error().message(),
            "chunks " + path() + ": invalid_argument: a chunk needs at least one byte");
  EXPECT_EQ(code_of(Chunks::of({}, 0)), "invalid_argument");
  EXPECT_EQ(code_of(chunks(MappedFile(), 0)), "closed");
  EXPECT_EQ(code_of(pages(MappedFile())), "closed");
}

TEST_F(ChunksTest, IteratorsGoAnywhere) {
  const MappedFile file = thirteen();
  const Chunks all = chunks(file, 5).value();
  auto at = all.begin() + 2;
  EXPECT_EQ(text(*at), "abc");
  EXPECT_EQ(text(at[-2]), "01234");
  EXPECT_EQ(text(*--at), "56789");
  EXPECT_EQ(text(*at--), "56789");
  EXPECT_EQ(text(*at++), "01234");
  EXPECT_EQ(text(*(1 + at)), "abc");
  EXPECT_EQ(all.end() - at, 2);
  EXPECT_TRUE(all.begin() < at && at - 1 == all.begin() && (at += 2) == all.end());
}

TEST_F(ChunksTest, RangeAlgorithmsAndAdaptorsWork) {
  const MappedFile file = thirteen();
  const Chunks all = chunks(file, 5).value();
  EXPECT_EQ(joined(all | std::views::reverse), "abc|56789|01234|");
  EXPECT_EQ(joined(all | std::views::drop(1) | std::views::take(1)), "56789|");
  const auto first = [](auto chunk) { return chunk[0]; };
  EXPECT_EQ(text(*std::ranges::lower_bound(all, std::byte{'6'}, {}, first)), "abc");
}

TEST_F(ChunksTest, TheRangeIsTheFileAsItWas) {
  MappedFile file = create(kPage);
  const Chunks all = chunks(file, 1000).value();
  ASSERT_TRUE(file.grow(10 * kPage));
  EXPECT_EQ(all.size(), 5U);
  EXPECT_EQ(chunks(file, 1000).value().size(), 41U);
}

TEST_F(ChunksTest, AChunkDanglesNotAfterAGrowth) {
  MappedFile file = create(3 * kPage);
  const auto second = *std::next(chunks(file, kPage).value().begin());
  ASSERT_TRUE(file.grow(100 * kMiB));
  ASSERT_TRUE(file.write(kPage, as_bytes("same")));
  EXPECT_EQ(text(second.first(4)), "same");
}

TEST_F(ChunksTest, MutableOnesChangeWhatTheyAreOf) {
  MappedFile file = thirteen();
  const auto all = MutableChunks::of(file.mutable_bytes(0, 13).value(), 5).value();
  for (const auto chunk : all) chunk[0] = std::byte{'!'};
  EXPECT_EQ(contents(path()), "!1234!6789!bc");
}

// In copies.

class ChunkCopiesTest : public ChunksTest {
 protected:
  // Notes what it is called with: "offset:text".
  auto note() {
    return [this](std::uint64_t offset, std::span<const std::byte> chunk) {
      seen_.push_back(std::to_string(offset) + ":" + text(chunk));
    };
  }
  std::vector<std::string> seen_;
};

TEST_F(ChunkCopiesTest, EveryChunkComesWithItsOffset) {
  ASSERT_TRUE(for_each_chunk(thirteen(), 5, note()));
  EXPECT_EQ(seen_, (std::vector<std::string>{"0:01234", "5:56789", "10:abc"}));
}

TEST_F(ChunkCopiesTest, LargeOnesAndNoneAtAll) {
  ASSERT_TRUE(for_each_chunk(create(0), 5, note()));
  EXPECT_TRUE(seen_.empty());
  put(path(), "short");
  constexpr auto kLargest = std::numeric_limits<std::uint64_t>::max();
  ASSERT_TRUE(for_each_chunk(MappedFileTest::open(path()), kLargest, note()));
  EXPECT_EQ(seen_, std::vector<std::string>{"0:short"});
}

TEST_F(ChunkCopiesTest, ItIsACopyThatIsSeen) {
  MappedFile file = thirteen();
  ASSERT_TRUE(for_each_chunk(file, 5, [&](std::uint64_t offset, std::span<const std::byte> chunk) {
    file.fill(0, 13, std::byte{'x'}).value();
    seen_.push_back(std::to_string(offset) + ":" + text(chunk));
  }));
  EXPECT_EQ(seen_, (std::vector<std::string>{"0:01234", "5:xxxxx", "10:xxx"}));
}

TEST_F(ChunkCopiesTest, TheFirstErrorEndsThePassAndIsReturned) {
  int calls = 0;
  const auto done = for_each_chunk(thirteen(), 5, [&](std::uint64_t, auto) -> Result<void> {
    if (++calls < 2) return {};
    return std::unexpected(Error(ErrorCode::corrupt, "parse"));
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "parse: corrupt");
  EXPECT_EQ(calls, 2);
}

TEST_F(ChunkCopiesTest, WhatTheVisitorThrowsGoesThrough) {
  const auto full = [](std::uint64_t, std::span<const std::byte>) { throw std::bad_alloc(); };
  const MappedFile file = thirteen();
  EXPECT_THROW(ignore_error(for_each_chunk(file, 5, full)), std::bad_alloc);
}

int g_calls = 0;
void count_call(std::uint64_t /*offset*/, std::span<const std::byte> /*chunk*/) { ++g_calls; }

TEST_F(ChunkCopiesTest, AFunctionWillDo) {
  g_calls = 0;
  ASSERT_TRUE(for_each_chunk(thirteen(), 5, count_call));
  ASSERT_TRUE(for_each_chunk(thirteen(), 5, &count_call));
  EXPECT_EQ(g_calls, 6);
}

TEST_F(ChunkCopiesTest, ACutFileIsAnErrorAfterItsLastWholeChunk) {
  const MappedFile file = create(8 * kPage);
  cut(path(), 3 * kPage);
  const auto done = for_each_chunk(file, 2 * kPage, note());
  EXPECT_EQ(code_of(done), "truncated");
  EXPECT_EQ(done.error().range(), (ByteRange{2 * kPage, 2 * kPage}));
  EXPECT_EQ(seen_.size(), 1U);
}

TEST_F(ChunkCopiesTest, AFileShrunkOnTheWayIsAnError) {
  MappedFile file = create(4 * kPage);
  const auto done =
      for_each_chunk(file, kPage, [&](std::uint64_t, auto) { file.shrink(2 * kPage).value(); });
  EXPECT_EQ(code_of(done), "out_of_range");
}

TEST_F(ChunkCopiesTest, AFileGrownOnTheWayIsReadAsItWas) {
  MappedFile file = create(2 * kPage);
  int calls = 0;
  ASSERT_TRUE(for_each_chunk(file, kPage, [&](std::uint64_t, auto) {
    file.grow(file.size() + kPage).value();
    ++calls;
  }));
  EXPECT_EQ(calls, 2);
}

TEST_F(ChunkCopiesTest, ImpossibleOnesAreRefused) {
  const auto refused = for_each_chunk(thirteen(), 0, note());
  EXPECT_EQ(code_of(refused), "invalid_argument");
  EXPECT_EQ(refused.error().path(), path());
  put(path("empty"), "");
  const MappedFile empty = MappedFileTest::open(path("empty"));
  EXPECT_EQ(code_of(for_each_chunk(empty, 0, note())), "invalid_argument");
  EXPECT_EQ(code_of(for_each_chunk(MappedFile(), 0, note())), "closed");
}

// In place.

class ChunksInPlaceTest : public ChunksTest {
 protected:
  static constexpr std::uint64_t kNever = std::uint64_t{1} << 40;

  // "0123456789abc", under a policy that counts.
  MappedFile counting() {
    put(path(), "0123456789abc");
    return MappedFileTest::open(path(), Access::read_write,
                                {.flush_policy = FlushPolicy::every_writes(kNever)});
  }
  static void shout(std::uint64_t /*offset*/, std::span<std::byte> chunk) {
    chunk[0] = std::byte{'!'};
  }
  // From now on, counting them.
  void fail_syncs() {
    disk_.set_hook([this](const os::SimulatedCall& call) {
      const bool sync = std::string_view(call.operation).starts_with("sync");
      syncs_ += sync ? 1 : 0;
      return os::SimulatedOutcome{.fail_with = sync ? EIO : 0};
    });
  }
  int syncs_ = 0;
};

TEST_F(ChunksInPlaceTest, WhatIsStoredIsInTheFile) {
  MappedFile file = thirteen();
  std::vector<std::uint64_t> offsets;
  ASSERT_TRUE(for_each_mutable_chunk(file, 5, [&](std::uint64_t offset, auto chunk) {
    shout(offset, chunk);
    offsets.push_back(offset);
  }));
  EXPECT_EQ(contents(path()), "!1234!6789!bc");
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 5, 10}));
}

TEST_F(ChunksInPlaceTest, APassCountsAsOneWrite) {
  MappedFile file = counting();
  ASSERT_TRUE(for_each_mutable_chunk(file, 5, shout));
  EXPECT_EQ(file.pending(), (PendingWrites{.bytes = 13, .writes = 1}));
}

TEST_F(ChunksInPlaceTest, AnErrorEndsThePassAndWhatWasVisitedCounts) {
  MappedFile file = counting();
  const auto done =
      for_each_mutable_chunk(file, 5, [](std::uint64_t offset, auto chunk) -> Result<void> {
        shout(offset, chunk);
        if (offset == 0) return {};
        return std::unexpected(Error(ErrorCode::corrupt, "parse"));
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "parse: corrupt");
  EXPECT_EQ(contents(path()), "!1234!6789abc");
  EXPECT_EQ(file.pending(), (PendingWrites{.bytes = 10, .writes = 1}));
}

TEST_F(ChunksInPlaceTest, WhatWasVisitedCountsAlsoWhenTheVisitorThrows) {
  MappedFile file = counting();
  const auto full = [](std::uint64_t, std::span<std::byte>) { throw std::bad_alloc(); };
  EXPECT_THROW(ignore_error(for_each_mutable_chunk(file, 5, full)), std::bad_alloc);
  EXPECT_EQ(file.pending(), (PendingWrites{.bytes = 5, .writes = 1}));
}

TEST_F(ChunksInPlaceTest, APassOverNothingIsNoWrite) {
  put(path("empty"), "");
  MappedFile file = MappedFileTest::open(path("empty"), Access::read_write,
                                         {.flush_policy = FlushPolicy::every_writes(kNever)});
  ASSERT_TRUE(for_each_mutable_chunk(file, 5, shout));
  EXPECT_EQ(file.pending(), PendingWrites{});
}

TEST_F(ChunksInPlaceTest, TheFlushThatIsDueComesOnceAndItsErrorIsReturned) {
  MappedFile file = make(10, {.flush_policy = FlushPolicy::always()}).value();
  ASSERT_TRUE(for_each_mutable_chunk(file, 5, shout));
  EXPECT_EQ(read(*cut_power()), std::string("!\0\0\0\0!\0\0\0\0", 10));
  fail_syncs();
  EXPECT_EQ(code_of(for_each_mutable_chunk(file, 5, shout)), "io");
  EXPECT_EQ(syncs_, 1);
  file.reopen_after_error().value();
}

TEST_F(ChunksInPlaceTest, TheVisitorsErrorComesBeforeThatOfTheFlush) {
  MappedFile file = make(10, {.flush_policy = FlushPolicy::always()}).value();
  fail_syncs();
  const auto done = for_each_mutable_chunk(file, 5, [](std::uint64_t, auto) -> Result<void> {
    return std::unexpected(Error(ErrorCode::corrupt, "parse"));
  });
  EXPECT_EQ(code_of(done), "corrupt");
  EXPECT_EQ(code_of(file.flush()), "read_only_after_error") << "and this one is not forgotten";
  file.reopen_after_error().value();
}

TEST_F(ChunksInPlaceTest, OfAFileShrunkInTheEndWhatIsLeftCounts) {
  MappedFile file = counting();
  ASSERT_TRUE(
      for_each_mutable_chunk(file, 13, [&](std::uint64_t, auto) { file.shrink(4).value(); }));
  EXPECT_EQ(file.pending(), (PendingWrites{.bytes = 4, .writes = 1}));
}

TEST_F(ChunksInPlaceTest, AReadOnlyFileIsRefusedAlsoAnEmptyOne) {
  thirteen();
  put(path("empty"), "");
  for (const std::string& name : {path(), path("empty")}) {
    MappedFile file = MappedFileTest::open(name, Access::read_only);
    EXPECT_EQ(code_of(for_each_mutable_chunk(file, 5, shout)), "wrong_mode");
  }
}

TEST_F(ChunksInPlaceTest, ImpossibleOnesAreRefused) {
  MappedFile file = thirteen();
  MappedFile closed;
  EXPECT_EQ(code_of(for_each_mutable_chunk(file, 0, shout)), "invalid_argument");
  EXPECT_EQ(code_of(for_each_mutable_chunk(closed, 5, shout)), "closed");
}

TEST_F(ChunksInPlaceTest, AFileShrunkOnTheWayIsAnErrorAndNoSignal) {
  MappedFile file = create(4 * kPage);
  const auto done = for_each_mutable_chunk(file, kPage, [&](std::uint64_t offset, auto chunk) {
    shout(offset, chunk);
    file.shrink(kPage).value();
  });
  EXPECT_EQ(code_of(done), "out_of_range");
}

}  // namespace
}  // namespace quire::mapped
