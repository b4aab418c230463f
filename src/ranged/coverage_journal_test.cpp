// The journal by itself: its bytes, what damage does to it, and what a crash may leave of it.
#include "ranged/coverage_journal.hpp"

#include <array>
#include <bit>
#include <utility>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

using testing::HasSubstr;
using Kind = JournalRecord::Kind;

constexpr std::uint64_t kSize = 100;
constexpr os::FileId kFile{.device = 1, .inode = 7, .birth = 11};

class CoverageJournalTest : public RangedFileTest {
 protected:
  using Journal = std::unique_ptr<CoverageJournal>;

  Result<Journal> create(const JournalSubject& subject) {
    auto locked = CoverageJournal::lock_for_creation(disk_, kJournal);
    if (!locked) return std::unexpected(locked.error());
    return CoverageJournal::create(disk_, *std::move(locked), subject);
  }
  Journal make() { return create({kFile, kSize, ""}).value(); }
  // A journal with these records, all durable.
  void make(const std::vector<JournalRecord>& records) {
    const auto journal = make();
    for (const JournalRecord& record : records) {
      ASSERT_TRUE(journal->append(std::span(&record, 1)));
      ASSERT_TRUE(journal->sync());
    }
  }
  Result<Journal> open(Disk& disk, std::uint64_t size = kSize, const os::FileId& file = kFile) {
    written_ = IntervalSet();
    return CoverageJournal::open(disk, kJournal, os::OpenMode::read_write, {file, size, ""},
                                 written_);
  }
  Result<Journal> open(std::uint64_t size = kSize, const os::FileId& file = kFile) {
    return open(disk_, size, file);
  }
  std::string written() const { return list(written_.ranges()); }
  std::vector<std::byte> bytes() {
    auto file = disk_.open(kJournal, os::OpenMode::read, 0).value();
    std::vector<std::byte> all(file->info()->size);
    EXPECT_TRUE(file->read_exactly(0, all));
    return all;
  }
  void put(std::uint64_t offset, std::span<const std::byte> in) {
    ASSERT_TRUE(disk_.open(kJournal, os::OpenMode::read_write, 0).value()->write_all(offset, in));
  }

  IntervalSet written_;
};

TEST_F(CoverageJournalTest, ListsWhatItsRecordsSay) {
  make({{Kind::written, 0, 40, 0}, {Kind::given_back, 10, 10, 0}, {Kind::written, 90, 10, 0}});
  ASSERT_TRUE(open());
  EXPECT_EQ(written(), "0+10 20+20 90+10");
}

// The example of the format's document.
TEST_F(CoverageJournalTest, HasTheBytesOfItsDocument) {
  make({{Kind::written, 0, 40, 0}, {Kind::given_back, 10, 10, 0}});
  const auto all = bytes();
  EXPECT_EQ(text(std::span(all).first(8)), "QUIRECOV");
  const auto number = [&all](std::size_t at) { return base::load_le<std::uint64_t>(all, at); };
  EXPECT_EQ(base::load_le<std::uint32_t>(all, 8), 1U);
  EXPECT_EQ(base::load_le<std::uint32_t>(all, 12), 4096U);
  EXPECT_EQ(number(16), 7U);
  EXPECT_EQ(number(24), 11U);
  EXPECT_EQ(number(32), 100U);
  EXPECT_EQ(base::load_le<std::uint16_t>(all, 48), 0U);
  EXPECT_EQ(number(4088), base::checksum(std::span(all).first(4088)));
  const std::uint64_t salt = number(40);
  EXPECT_EQ(number(4096), std::uint64_t{1} << 56);
  EXPECT_EQ(number(4104), 0U);
  EXPECT_EQ(number(4112), 40U);
  EXPECT_EQ(number(4120), base::checksum(std::span(all).subspan(4096, 24), salt));
  EXPECT_EQ(number(4128), (std::uint64_t{2} << 56) + 1);
  EXPECT_EQ(number(4136), 10U);
  EXPECT_EQ(number(4144), 10U);
  EXPECT_EQ(number(4152), base::checksum(std::span(all).subspan(4128, 24), salt + 1));
}

TEST_F(CoverageJournalTest, GoesOnWhereItEnded) {
  make({{Kind::written, 0, 10, 0}});
  for (std::uint64_t i = 1; i < 5; ++i) {
    const auto journal = open().value();
    const JournalRecord record{Kind::written, 20 * i, 10, 0};
    ASSERT_TRUE(journal->append(std::span(&record, 1)));
    ASSERT_TRUE(journal->sync());
  }
  ASSERT_TRUE(open());
  EXPECT_EQ(written(), "0+10 20+10 40+10 60+10 80+10");
}

TEST_F(CoverageJournalTest, TakesManyRecords) {
  std::vector<JournalRecord> records;
  for (std::uint64_t i = 0; i < 50'000; ++i) records.push_back({Kind::written, 2 * i, 1, 0});
  {
    const auto journal = create({kFile, 100'000, ""}).value();
    ASSERT_TRUE(journal->append(records));
    ASSERT_TRUE(journal->sync());
  }
  ASSERT_TRUE(open(100'000));
  EXPECT_EQ(written_.total(), 50'000U);
}

TEST_F(CoverageJournalTest, IsOfOneFile) {
  make({});
  EXPECT_EQ(code_of(open(kSize, {.device = 1, .inode = 8, .birth = 11})), ErrorCode::changed);
  EXPECT_EQ(code_of(open(kSize, {.device = 1, .inode = 7, .birth = 12})), ErrorCode::changed);
  // Device numbers may be others when the machine starts again.
  EXPECT_TRUE(open(kSize, {.device = 2, .inode = 7, .birth = 11}));
}

TEST_F(CoverageJournalTest, KnowsTheSizesThatTheFileMayHave) {
  make({});
  EXPECT_EQ(code_of(open(101)), ErrorCode::changed);
  make({{Kind::grows, 100, 200, 0}});
  EXPECT_TRUE(open(100));
  EXPECT_TRUE(open(200));
  EXPECT_TRUE(open(150));  // a growth may be cut short anywhere
  EXPECT_EQ(code_of(open(99)), ErrorCode::changed);
  EXPECT_EQ(code_of(open(201)), ErrorCode::changed);
  make({{Kind::grows, 100, 200, 0}, {Kind::grows, 200, 300, 0}});
  EXPECT_EQ(code_of(open(100)), ErrorCode::changed);
  EXPECT_TRUE(open(200));
  EXPECT_TRUE(open(300));
}

TEST_F(CoverageJournalTest, RefusesAFileThatWasCutBelowWhatIsWritten) {
  make({{Kind::grows, 100, 200, 0}, {Kind::written, 95, 10, 0}});
  EXPECT_TRUE(open(200));
  const auto refused = open(100);
  EXPECT_EQ(code_of(refused), ErrorCode::changed);
  EXPECT_THAT(message_of(refused), HasSubstr("bytes from 100 on were written"));
}

TEST_F(CoverageJournalTest, AJournalThatIsRemovedWhileItIsOpenedIsNotUsed) {
  make({{Kind::written, 0, 10, 0}});
  bool removed = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (call.operation == std::string("lock") && !std::exchange(removed, true)) {
      EXPECT_TRUE(disk_.remove(kJournal));
    }
    return os::SimulatedOutcome{};
  });
  EXPECT_EQ(code_of(open()), ErrorCode::not_found);
  make({{Kind::written, 0, 10, 0}});
  removed = false;
  const auto fresh = create({kFile, kSize, ""});
  EXPECT_TRUE(fresh);
  EXPECT_TRUE(exists(kJournal));
}

TEST_F(CoverageJournalTest, IsLockedWhileItIsOpen) {
  const auto journal = make();
  EXPECT_EQ(code_of(open()), ErrorCode::busy);
  EXPECT_EQ(code_of(create({kFile, kSize, ""})), ErrorCode::busy);
}

TEST_F(CoverageJournalTest, RefusesANewerVersion) {
  make({});
  put(8, std::array{std::byte{2}});
  EXPECT_EQ(code_of(open()), ErrorCode::format_version);
}

TEST_F(CoverageJournalTest, RefusesRecordsThatCannotBe) {
  for (const JournalRecord& record : std::vector<JournalRecord>{
           {Kind::written, 0, 0, 0},
           {Kind::written, 0, 101, 0},
           {Kind::written, 101, 1, 0},
           {Kind::written, ~std::uint64_t{0}, 2},
           {Kind::given_back, 100, 1, 0},
           {Kind::grows, 100, 100, 0},
           {Kind::grows, 100, 50, 0},
           {static_cast<Kind>(9), 0, 1, 0},
       }) {
    make({record});
    const auto refused = open();
    EXPECT_EQ(code_of(refused), ErrorCode::corrupt);
    EXPECT_THAT(message_of(refused), HasSubstr("[4096, 4128)"));
  }
}

// Found, or harmless: it never lists a byte that is not written.
TEST_F(CoverageJournalTest, EveryFlippedBitIsFoundOrDropsTheLastRecord) {
  make({{Kind::written, 0, 10, 0}, {Kind::written, 20, 10, 0}, {Kind::written, 40, 10, 0}});
  const std::uint64_t length = 4096 + 3 * 32;
  for (std::uint64_t at = 0; at < length; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      const auto mask = static_cast<std::byte>(1 << bit);
      const auto damaged = disk_.power_cut(os::Survivors::all, random_);
      ASSERT_TRUE(damaged->flip(kJournal, at, mask));
      const auto opened = open(*damaged);
      if (at < length - 32) {
        EXPECT_FALSE(opened) << "byte " << at << " bit " << bit;
      } else {
        ASSERT_TRUE(opened) << opened.error().message();
        EXPECT_EQ(written(), "0+10 20+10");
      }
    }
  }
}

TEST_F(CoverageJournalTest, EveryLengthOpensOrIsRefused) {
  make({{Kind::written, 0, 10, 0}, {Kind::written, 20, 10, 0}, {Kind::written, 40, 10, 0}});
  constexpr std::array kLists{"", "0+10", "0+10 20+10", "0+10 20+10 40+10"};
  for (std::uint64_t length = 0; length <= 4096 + 3 * 32; ++length) {
    const auto cut = disk_.power_cut(os::Survivors::all, random_);
    ASSERT_TRUE(cut->open(kJournal, os::OpenMode::read_write, 0).value()->truncate(length));
    const auto opened = open(*cut);
    if (length < 4096) {
      EXPECT_EQ(code_of(opened), ErrorCode::truncated);
    } else {
      ASSERT_TRUE(opened);
      EXPECT_EQ(written(), kLists.at((length - 4096) / 32));
    }
  }
}

// Records that no sync covered may survive a crash in any selection.
TEST_F(CoverageJournalTest, ATornTailIsDroppedAndNeverComesBack) {
  const auto journal = make();
  const JournalRecord durable{Kind::written, 0, 10, 0};
  ASSERT_TRUE(journal->append(std::span(&durable, 1)));
  ASSERT_TRUE(journal->sync());
  for (std::uint64_t i = 1; i < 4; ++i) {
    const JournalRecord record{Kind::written, 20 * i, 10, 0};
    ASSERT_TRUE(journal->append(std::span(&record, 1)));
  }
  const auto torn = disk_.power_cut(os::Survivors::all, random_);
  ASSERT_TRUE(torn->flip(kJournal, 4096 + 32, std::byte{1}));  // the first that was not synced
  {
    const auto opened = open(*torn);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(written(), "0+10");
    // Takes the place of the torn one: those behind it must not count again.
    const JournalRecord record{Kind::written, 15, 1, 0};
    ASSERT_TRUE((*opened)->append(std::span(&record, 1)));
    ASSERT_TRUE((*opened)->sync());
  }
  ASSERT_TRUE(open(*torn));
  EXPECT_EQ(written(), "0+10 15+1");
}

TEST_F(CoverageJournalTest, ADroppedTailStaysDroppedThroughTheNextPowerCut) {
  {
    const auto journal = make();
    for (std::uint64_t i = 0; i < 30; ++i) {
      const JournalRecord record{Kind::written, i, 1, 0};
      ASSERT_TRUE(journal->append(std::span(&record, 1)));
    }
  }
  const auto torn = disk_.power_cut(os::Survivors::all, random_);
  // The last of its sector: what is behind it survives by itself.
  ASSERT_TRUE(torn->flip(kJournal, 4096 + 15 * 32, std::byte{1}));
  const auto journal = open(*torn).value();
  EXPECT_EQ(written(), "0+15");
  const JournalRecord record{Kind::written, 50, 1, 0};
  ASSERT_TRUE(journal->append(std::span(&record, 1)));  // and not synced
  for (int i = 0; i < 100; ++i) {
    const auto cut = torn->power_cut(os::Survivors::random, random_);
    ASSERT_TRUE(open(*cut));
    EXPECT_THAT(written(), testing::AnyOf("0+15", "0+15 50+1"));
  }
}

TEST_F(CoverageJournalTest, DamageInFrontOfWhatIsDurableIsNoTornTail) {
  make({{Kind::written, 0, 10, 0}, {Kind::given_back, 0, 10, 0}, {Kind::written, 50, 10, 0}});
  ASSERT_TRUE(disk_.flip(kJournal, 4096 + 32 + 9, std::byte{1}));
  EXPECT_EQ(code_of(open()), ErrorCode::corrupt);
}

TEST_F(CoverageJournalTest, AnAppendThatFailedCountsForNothing) {
  {
    const auto journal = make();
    const std::array<JournalRecord, 2> records{
        {{Kind::written, 0, 10, 0}, {Kind::written, 20, 10, 0}}};
    fail_next("write", ENOSPC, kJournal);
    EXPECT_EQ(code_of(journal->append(records)), ErrorCode::no_space);
    ASSERT_TRUE(journal->append(std::span(records).subspan(1)));
    ASSERT_TRUE(journal->sync());
  }
  ASSERT_TRUE(open());
  EXPECT_EQ(written(), "20+10");
}

// Only in the page cache, it may go with the power, and what was built on it would be wrong.
TEST_F(CoverageJournalTest, WhatADeadProcessAppendedIsDurableOnceItIsOpened) {
  make({{Kind::written, 0, 10, 0}});
  {
    const auto journal = open().value();
    const JournalRecord record{Kind::given_back, 0, 5, 0};
    ASSERT_TRUE(journal->append(std::span(&record, 1)));  // and dies before it syncs
  }
  {
    ASSERT_TRUE(open());
  }
  EXPECT_EQ(written(), "5+5");
  const auto after = disk_.power_cut(os::Survivors::none, random_);
  ASSERT_TRUE(open(*after));
  EXPECT_EQ(written(), "5+5");
}

// The system takes the pages of a sync that failed for clean, and drops them when it likes.
TEST_F(CoverageJournalTest, WhatAFailedSyncMayHaveLostIsWrittenAgain) {
  const auto journal = make();
  const JournalRecord record{Kind::written, 0, 10, 0};
  ASSERT_TRUE(journal->append(std::span(&record, 1)));
  fail_next("sync", EIO, kJournal);
  EXPECT_EQ(code_of(journal->sync()), ErrorCode::io);
  EXPECT_TRUE(journal->has_failed());
  put(4096, std::array<std::byte, 32>{});  // as if the page had been dropped
  ASSERT_TRUE(journal->recover());
  EXPECT_FALSE(journal->has_failed());
  const auto after = disk_.power_cut(os::Survivors::none, random_);
  ASSERT_TRUE(open(*after));
  EXPECT_EQ(written(), "0+10");
}

TEST_F(CoverageJournalTest, OfAnAppendThatFailedHalfWayNothingComesBack) {
  const auto journal = make();
  const std::array<JournalRecord, 3> records{
      {{Kind::written, 0, 1, 0}, {Kind::written, 10, 1, 0}, {Kind::written, 20, 1, 0}}};
  int writes = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    os::SimulatedOutcome outcome;
    if (call.operation != std::string("write")) return outcome;
    // Most of it, and then the disk is full.
    if (++writes == 1) outcome.write_limit = 64;
    if (writes == 2) outcome.fail_with = ENOSPC;
    return outcome;
  });
  EXPECT_EQ(code_of(journal->append(records)), ErrorCode::no_space);
  disk_.set_hook(nullptr);
  ASSERT_TRUE(journal->append(std::span(records).last(1)));
  ASSERT_TRUE(journal->sync());
  const auto after = disk_.power_cut(os::Survivors::all, random_);
  ASSERT_TRUE(open(*after));
  EXPECT_EQ(written(), "20+1");
}

TEST_F(CoverageJournalTest, IsNotUsedOnceAnAppendCannotBeTakenBack) {
  const auto journal = make();
  const JournalRecord record{Kind::written, 0, 1, 0};
  disk_.set_hook([&](const os::SimulatedCall& call) {
    const std::string operation = call.operation;
    return os::SimulatedOutcome{.fail_with =
                                    operation == "write" || operation == "truncate" ? EIO : 0};
  });
  EXPECT_EQ(code_of(journal->append(std::span(&record, 1))), ErrorCode::io);
  disk_.set_hook(nullptr);
  EXPECT_EQ(code_of(journal->check_usable()), ErrorCode::read_only_after_error);
  EXPECT_EQ(code_of(journal->append(std::span(&record, 1))), ErrorCode::read_only_after_error);
  EXPECT_EQ(code_of(journal->sync()), ErrorCode::read_only_after_error);
  EXPECT_TRUE(journal->has_failed());
  ASSERT_TRUE(journal->recover());
  ASSERT_TRUE(journal->append(std::span(&record, 1)));
  ASSERT_TRUE(journal->sync());
}

TEST_F(CoverageJournalTest, DoesNotTakeThePlaceOfAnotherKindOfFile) {
  {
    auto file = disk_.open(kJournal, os::OpenMode::create_new, 0644).value();
    ASSERT_TRUE(file->write_all(0, as_bytes("a letter to a friend")));
  }
  EXPECT_EQ(code_of(create({kFile, kSize, ""})), ErrorCode::exists);
  const auto there = bytes();
  EXPECT_EQ(text(there), "a letter to a friend");
}

TEST_F(CoverageJournalTest, AnEndlessTailIsRefused) {
  make({{Kind::written, 0, 10, 0}});
  ASSERT_TRUE(
      disk_.open(kJournal, os::OpenMode::read_write, 0).value()->truncate(std::uint64_t{1} << 40));
  EXPECT_EQ(code_of(open()), ErrorCode::corrupt);
}

TEST_F(CoverageJournalTest, OneSyncIsForAllWhoAppendedBefore) {
  const auto journal = make();
  const JournalRecord record{Kind::written, 0, 10, 0};
  ASSERT_TRUE(journal->append(std::span(&record, 1)));
  ASSERT_TRUE(journal->append(std::span(&record, 1)));
  const std::uint64_t calls = disk_.calls();
  ASSERT_TRUE(journal->sync());
  ASSERT_TRUE(journal->sync());
  EXPECT_EQ(disk_.calls(), calls + 1);
}

}  // namespace
}  // namespace quire::ranged
