// Resuming: what a journal says of a file, and what the file then hands out.
#include <utility>

#include "mapped/factory.hpp"
#include "ranged/ranged_file_fixture.hpp"

namespace quire::ranged {
namespace {

using testing::HasSubstr;

class CoverageTest : public RangedFileTest {
 protected:
  RangedFile create(std::uint64_t size) { return RangedFileTest::create(size, kResume); }
  RangedFile reopen(RangedFile& file) {
    EXPECT_TRUE(file.close());
    return open(kResume).value();
  }
  // A file of 100 bytes of which "0123456789" at 10 is surely written.
  RangedFile partly_written() {
    auto file = create(100);
    EXPECT_TRUE(file.sync(file.allocate_at({10, 10})->write(as_bytes("0123456789")).value()));
    return file;
  }
  static std::string written(const RangedFile& file) { return list(file.coverage()->written); }
  static std::string missing(const RangedFile& file) { return list(file.coverage()->missing); }
};

TEST_F(CoverageTest, OfANewFileAllIsMissing) {
  auto file = create(100);
  const auto coverage = file.coverage().value();
  EXPECT_EQ(list(coverage.written), "");
  EXPECT_EQ(list(coverage.missing), "0+100");
  EXPECT_FALSE(coverage.is_whole());
  EXPECT_TRUE(exists(kJournal));
}

TEST_F(CoverageTest, ListsWhatWasSyncedAndNothingElse) {
  auto file = create(100);
  auto range = file.allocate(50).value();
  const auto receipt = range.write(as_bytes("0123456789")).value();
  const auto later = range.write(as_bytes("abc"), 20).value();
  EXPECT_EQ(written(file), "");
  ASSERT_TRUE(file.sync(receipt));
  EXPECT_EQ(written(file), "0+10");
  EXPECT_EQ(missing(file), "10+90");
  ASSERT_TRUE(file.sync(later));
  EXPECT_EQ(written(file), "0+10 20+3");
  EXPECT_EQ(file.coverage()->written_bytes, 13U);
}

TEST_F(CoverageTest, SyncAllRecordsAllThatRangesWrote) {
  auto file = create(100);
  auto range = file.allocate(50).value();
  ASSERT_TRUE(range.write(as_bytes("0123456789")));
  ASSERT_TRUE(range.mark_written({10, 5}));
  {
    ASSERT_TRUE(file.allocate_at({60, 10})->write(as_bytes("abc")));
  }
  ASSERT_TRUE(file.unchecked().write_all_at(90, as_bytes("unseen")));
  ASSERT_TRUE(file.sync_all());
  EXPECT_EQ(written(file), "0+15 60+3");
}

// The next opening began at byte 0 before, whatever was there.
TEST_F(CoverageTest, ReopeningContinues) {
  auto file = partly_written();
  file = reopen(file);
  EXPECT_EQ(written(file), "10+10");
  EXPECT_EQ(file.unallocated(), 90U);
  EXPECT_EQ(code_of(file.allocate_at({15, 10})), ErrorCode::busy);
  auto gap = file.allocate_at({0, 10}).value();
  auto rest = file.allocate(80).value();
  EXPECT_EQ(rest.range(), (ByteRange{20, 80}));
  ASSERT_TRUE(gap.write(as_bytes("ABCDEFGHIJ")));
  ASSERT_TRUE(file.sync_all());
  EXPECT_EQ(written(file), "0+20");
  EXPECT_EQ(content(0, 20), "ABCDEFGHIJ0123456789");
}

TEST_F(CoverageTest, WhatWasWrittenAndNotSyncedIsHandedOutAgain) {
  {
    auto file = create(100);
    ASSERT_TRUE(file.allocate(10)->write(as_bytes("0123456789")));
  }
  auto file = open(kResume).value();  // nobody closed it
  EXPECT_EQ(missing(file), "0+100");
  EXPECT_EQ(file.unallocated(), 100U);
}

TEST_F(CoverageTest, FinishesWhenNothingIsMissing) {
  auto file = partly_written();
  const auto refused = file.finish();
  EXPECT_EQ(code_of(refused), ErrorCode::truncated);
  EXPECT_THAT(message_of(refused), HasSubstr("finish /file [0, 10)"));
  EXPECT_TRUE(file.is_open());
  const Coverage coverage = file.coverage().value();
  for (const ByteRange gap : coverage.missing) {
    auto range = file.allocate_at(gap).value();
    ASSERT_TRUE(range.write(as_bytes(std::string(gap.length, 'x'))));
    EXPECT_EQ(code_of(file.finish()), ErrorCode::busy);
  }
  ASSERT_TRUE(file.finish());
  EXPECT_FALSE(file.is_open());
  EXPECT_FALSE(exists(kJournal));
  EXPECT_FALSE(disk_.power_cut(os::Survivors::none, random_)->info(kJournal));
  EXPECT_EQ(content(0, 30), std::string(10, 'x') + "0123456789" + std::string(10, 'x'));
  EXPECT_TRUE(open());
}

TEST_F(CoverageTest, AFileOfNoBytesIsWhole) {
  auto file = create(0);
  EXPECT_TRUE(file.coverage()->is_whole());
  EXPECT_TRUE(file.finish());
}

TEST_F(CoverageTest, OnlyAResumedFileHasCoverage) {
  auto file = RangedFileTest::create(100);
  EXPECT_EQ(code_of(file.coverage()), ErrorCode::wrong_mode);
  EXPECT_EQ(code_of(file.finish()), ErrorCode::wrong_mode);
}

TEST_F(CoverageTest, WithoutItsJournalAFileIsNotResumed) {
  ASSERT_TRUE(RangedFileTest::create(100).close());
  const auto refused = open(kResume);
  EXPECT_EQ(code_of(refused), ErrorCode::wrong_mode);
  EXPECT_THAT(message_of(refused), HasSubstr(kJournal));
  EXPECT_EQ(code_of(RangedAccess::open_or_create(disk_, kPath, 100, kResume)),
            ErrorCode::wrong_mode);
  EXPECT_TRUE(open());  // and nothing holds it
}

TEST_F(CoverageTest, RefusesTheJournalOfAFileThatWasReplaced) {
  ASSERT_TRUE(partly_written().close());
  ASSERT_TRUE(disk_.remove(kPath));
  ASSERT_TRUE(mapped::Factory::create(disk_, kPath, 100, {}));
  const auto refused = open(kResume);
  EXPECT_EQ(code_of(refused), ErrorCode::changed);
  EXPECT_THAT(message_of(refused), HasSubstr("another file"));
}

TEST_F(CoverageTest, RefusesTheJournalOfAFileThatGotAnotherSize) {
  ASSERT_TRUE(partly_written().close());
  for (const std::uint64_t size : {99U, 101U}) {
    ASSERT_TRUE(disk_.open(kPath, os::OpenMode::read_write, 0).value()->truncate(size));
    EXPECT_EQ(code_of(open(kResume)), ErrorCode::changed);
  }
  ASSERT_TRUE(disk_.open(kPath, os::OpenMode::read_write, 0).value()->truncate(100));
  EXPECT_TRUE(open(kResume));
}

TEST_F(CoverageTest, OpensOrCreatesOneOfTheSameSize) {
  auto file = RangedAccess::open_or_create(disk_, kPath, 100, kResume).value();
  ASSERT_TRUE(file.sync(file.allocate(10)->write(as_bytes("0123456789")).value()));
  ASSERT_TRUE(file.close());
  EXPECT_EQ(code_of(RangedAccess::open_or_create(disk_, kPath, 101, kResume)), ErrorCode::mismatch);
  file = RangedAccess::open_or_create(disk_, kPath, 100, kResume).value();
  EXPECT_EQ(written(file), "0+10");
}

TEST_F(CoverageTest, ReplacingBeginsAnew) {
  ASSERT_TRUE(partly_written().close());
  auto file = RangedAccess::create(disk_, kPath, 50, kResume, IfExists::replace).value();
  EXPECT_EQ(missing(file), "0+50");
  file = reopen(file);
  EXPECT_EQ(missing(file), "0+50");
}

TEST_F(CoverageTest, AJournalOfAFileThatWasReplacedIsNobodys) {
  ASSERT_TRUE(partly_written().close());
  ASSERT_TRUE(RangedAccess::create(disk_, kPath, 100, {}, IfExists::replace)->close());
  EXPECT_TRUE(open());  // no journal of this file
  EXPECT_EQ(code_of(open(kResume)), ErrorCode::changed);
}

// What is listed as written would be overwritten, and torn by a crash.
TEST_F(CoverageTest, AFileWithAJournalIsNotWrittenWithoutIt) {
  ASSERT_TRUE(partly_written().close());
  const auto refused = open({.existing = ExistingBytes::overwrite});
  EXPECT_EQ(code_of(refused), ErrorCode::wrong_mode);
  EXPECT_THAT(message_of(refused), HasSubstr(kJournal));
  EXPECT_TRUE(open({}, Access::read_only));
}

TEST_F(CoverageTest, WhatIsWrittenIsOfOneVersionOfTheContent) {
  const RangedFileOptions first{.resume = true, .content_version = "\"etag-1\""};
  ASSERT_TRUE(RangedAccess::create(disk_, kPath, 100, first)->close());
  EXPECT_TRUE(open(first));
  const auto refused = open({.resume = true, .content_version = "\"etag-2\""});
  EXPECT_EQ(code_of(refused), ErrorCode::changed);
  EXPECT_THAT(message_of(refused), HasSubstr("of the version \"\"etag-1\"\", not \"\"etag-2\"\""));
  EXPECT_EQ(code_of(open(kResume)), ErrorCode::changed);
  EXPECT_TRUE(open(kResume, Access::read_only));
  const std::string longest(kMaxContentVersion, 'v');
  ASSERT_TRUE(
      RangedAccess::create(disk_, "/other", 1, {.resume = true, .content_version = longest}));
  EXPECT_EQ(code_of(RangedAccess::create(disk_, "/third", 1,
                                         {.resume = true, .content_version = longest + "v"})),
            ErrorCode::invalid_argument);
}

TEST_F(CoverageTest, AJournalWithoutItsFileIsWrittenAnew) {
  ASSERT_TRUE(partly_written().close());
  ASSERT_TRUE(disk_.remove(kPath));
  auto file = RangedAccess::open_or_create(disk_, kPath, 30, kResume).value();
  EXPECT_EQ(missing(file), "0+30");
}

TEST_F(CoverageTest, CreatingWhatIsThereLeavesItsJournal) {
  ASSERT_TRUE(partly_written().close());
  EXPECT_EQ(code_of(RangedAccess::create(disk_, kPath, 100, kResume)), ErrorCode::exists);
  auto file = open(kResume).value();
  EXPECT_EQ(written(file), "10+10");
}

TEST_F(CoverageTest, ASecondWriterIsBusyAndHarmsNothing) {
  auto file = partly_written();
  EXPECT_EQ(code_of(open(kResume)), ErrorCode::busy);
  EXPECT_EQ(code_of(RangedAccess::open_or_create(disk_, kPath, 100, kResume)), ErrorCode::busy);
  EXPECT_EQ(code_of(RangedAccess::create(disk_, kPath, 100, kResume, IfExists::replace)),
            ErrorCode::busy);
  EXPECT_EQ(written(file), "10+10");
  file = reopen(file);
  EXPECT_EQ(written(file), "10+10");
}

TEST_F(CoverageTest, AReaderSeesTheCoverageOfItsMoment) {
  auto file = partly_written();
  auto reader = open(kResume, Access::read_only).value();
  EXPECT_EQ(written(reader), "10+10");
  ASSERT_TRUE(file.sync(file.allocate_at({0, 3})->write(as_bytes("abc")).value()));
  EXPECT_EQ(written(reader), "10+10");
  EXPECT_EQ(written(open(kResume, Access::read_only).value()), "0+3 10+10");
  EXPECT_EQ(code_of(reader.finish()), ErrorCode::wrong_mode);
}

TEST_F(CoverageTest, WhatIsFreedIsMissingAgain) {
  auto file = create(100);
  auto range = file.allocate(50).value();
  ASSERT_TRUE(file.sync(range.write(as_bytes("0123456789")).value()));
  auto parts = std::move(range).split_at(5).value();
  ASSERT_TRUE(std::move(*parts.high).free());
  EXPECT_EQ(written(file), "0+5");
  parts = {};
  file = reopen(file);
  EXPECT_EQ(written(file), "0+5");
  EXPECT_EQ(file.allocate(95)->range(), (ByteRange{5, 95}));
}

// A receipt that is older than what now has its bytes must not vouch for it.
TEST_F(CoverageTest, AnOldReceiptSaysNothingOfBytesThatWereFreed) {
  auto file = create(100);
  auto range = file.allocate(10).value();
  const auto old = range.write(as_bytes("0123456789")).value();
  ASSERT_TRUE(std::move(range).free());
  ASSERT_TRUE(file.sync(old));
  EXPECT_EQ(written(file), "");
  auto next = file.allocate(10).value();
  ASSERT_TRUE(next.write(as_bytes("abc")));
  ASSERT_TRUE(file.sync(old));
  EXPECT_EQ(written(file), "0+3");
}

// Its bytes may be another's before the journal says that they are written.
TEST_F(CoverageTest, WhatIsFreedWhileASyncRunsIsNotRecorded) {
  auto file = create(100);
  auto parts = std::move(file.allocate(20).value()).split_at(10).value();
  std::vector<WriteReceipt> receipts;
  receipts.push_back(parts.low->write(as_bytes("0123456789")).value());
  receipts.push_back(parts.high->write(as_bytes("abcdefghij")).value());
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (call.operation == std::string("sync_range") && parts.high) {
      EXPECT_TRUE(std::move(*std::exchange(parts.high, std::nullopt)).free());
    }
    return os::SimulatedOutcome{};
  });
  ASSERT_TRUE(file.sync(receipts));
  EXPECT_EQ(written(file), "0+10");
}

TEST_F(CoverageTest, GrowsAndKeepsWhatIsWritten) {
  auto file = partly_written();
  ASSERT_TRUE(file.grow(200));
  EXPECT_EQ(missing(file), "0+10 20+180");
  ASSERT_TRUE(file.sync(file.allocate_at({190, 10})->write(as_bytes("0123456789")).value()));
  file = reopen(file);
  EXPECT_EQ(file.size(), 200U);
  EXPECT_EQ(written(file), "10+10 190+10");
  ASSERT_TRUE(file.grow(300));
  ASSERT_TRUE(file.grow(400));
  file = reopen(file);
  EXPECT_EQ(missing(file), "0+10 20+170 200+200");
}

TEST_F(CoverageTest, AGrowthThatFailedDoesNotSpoilTheJournal) {
  auto file = partly_written();
  for (int i = 0; i < 3; ++i) {
    fail_next("allocate", ENOSPC);
    EXPECT_EQ(code_of(file.grow(1 << 20)), ErrorCode::no_space);
  }
  file = reopen(file);
  EXPECT_EQ(file.size(), 100U);
  ASSERT_TRUE(file.grow(1 << 20));
  file = reopen(file);
  EXPECT_EQ(written(file), "10+10");
}

TEST_F(CoverageTest, AGrowthThatCannotBeIsNotAnnounced) {
  auto file = partly_written();
  const std::uint64_t calls = disk_.calls();
  EXPECT_EQ(code_of(file.grow(~std::uint64_t{0})), ErrorCode::capacity);
  EXPECT_EQ(code_of(file.grow(99)), ErrorCode::invalid_argument);
  EXPECT_EQ(disk_.calls(), calls);
}

TEST_F(CoverageTest, NewBytesAreHandedOutOnceTheFileDurablyHasThem) {
  auto file = create(100);
  fail_next("sync", EIO);  // of the old size
  EXPECT_EQ(code_of(file.grow(200)), ErrorCode::io);
  EXPECT_EQ(file.unallocated(), 100U);
  EXPECT_EQ(code_of(file.grow(300)), ErrorCode::read_only_after_error);
  ASSERT_TRUE(file.reopen_after_error());
  int syncs = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    const bool is_of_file = call.operation == std::string("sync") && call.path != kJournal;
    return os::SimulatedOutcome{.fail_with = is_of_file && ++syncs == 2 ? EIO : 0};
  });
  EXPECT_EQ(code_of(file.grow(200)),
            ErrorCode::io);  // it is longer now, and nobody knows how surely
  EXPECT_EQ(file.size(), 200U);
  EXPECT_EQ(file.unallocated(), 100U);
  disk_.set_hook(nullptr);
  EXPECT_EQ(code_of(file.grow(200)), ErrorCode::read_only_after_error);
  ASSERT_TRUE(file.reopen_after_error());
  ASSERT_TRUE(file.grow(200));
  EXPECT_EQ(file.unallocated(), 200U);
  const auto after = disk_.power_cut(os::Survivors::none, random_);
  EXPECT_EQ(RangedAccess::open(*after, kPath, Access::read_write, kResume)->size(), 200U);
}

TEST_F(CoverageTest, ReopeningAfterNoErrorChangesNothing) {
  auto file = create(100);
  const auto receipt = file.allocate(10)->write(as_bytes("0123456789")).value();
  ASSERT_TRUE(file.reopen_after_error());
  ASSERT_TRUE(file.sync(receipt));
  EXPECT_EQ(written(file), "0+10");
}

// Both see no file; the one who comes second must not take the first one's journal.
TEST_F(CoverageTest, OfTwoWhoCreateOneLeavesTheOthersJournal) {
  bool raced = false;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    if (call.path.ends_with("partial") && call.operation == std::string("map") &&
        !std::exchange(raced, true)) {
      EXPECT_TRUE(partly_written().close());
    }
    return os::SimulatedOutcome{};
  });
  auto file = RangedAccess::open_or_create(disk_, kPath, 100, kResume).value();
  EXPECT_TRUE(raced);
  EXPECT_EQ(written(file), "10+10");
}

TEST_F(CoverageTest, FinishingLeavesAJournalThatIsAnothers) {
  auto file = create(0);
  ASSERT_TRUE(disk_.rename(kJournal, "/moved", IfExists::fail));
  ASSERT_TRUE(disk_.open(kJournal, os::OpenMode::create_new, 0644));
  EXPECT_EQ(code_of(file.finish()), ErrorCode::changed);
  EXPECT_TRUE(exists(kJournal));
}

TEST_F(CoverageTest, AReaderBearsWithAWriterThatGrowsMeanwhile) {
  auto file = partly_written();
  int growths = 0;
  disk_.set_hook([&](const os::SimulatedCall& call) {
    // Between the look at the file's size and that at the journal.
    if (call.operation == std::string("open") && call.path == kJournal && growths < 3) {
      ++growths;
      const std::uint64_t size = file.size();
      EXPECT_TRUE(file.grow(size + 100));
      EXPECT_TRUE(file.sync(file.allocate_at({size, 10})->write(as_bytes("0123456789")).value()));
    }
    return os::SimulatedOutcome{};
  });
  auto reader = open(kResume, Access::read_only).value();
  EXPECT_EQ(growths, 3);
  EXPECT_EQ(written(reader), "10+10 100+10 200+10 300+10");
}

TEST_F(CoverageTest, AFullDiskUnderTheJournalIsToldAndLosesNothing) {
  auto file = create(100);
  const auto receipt = file.allocate(10)->write(as_bytes("0123456789")).value();
  fail_next("write", ENOSPC, kJournal);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::no_space);
  EXPECT_EQ(written(file), "");
  ASSERT_TRUE(file.sync(receipt));
  EXPECT_EQ(written(file), "0+10");
}

TEST_F(CoverageTest, WhatAFailedSyncMayHaveLostIsNotTakenForWritten) {
  auto file = create(100);
  auto range = file.allocate(50).value();
  const auto receipt = range.write(as_bytes("0123456789")).value();
  fail_next("sync_range", EIO);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::io);
  ASSERT_TRUE(file.reopen_after_error());
  ASSERT_TRUE(file.sync_all());
  EXPECT_EQ(written(file), "");
  ASSERT_TRUE(file.sync(range.write(as_bytes("01234")).value()));
  EXPECT_EQ(written(file), "0+5");
}

TEST_F(CoverageTest, AJournalThatCannotBeSyncedVouchesForNothingMore) {
  auto file = create(100);
  const auto receipt = file.allocate(10)->write(as_bytes("0123456789")).value();
  fail_next("sync", EIO, kJournal);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::io);
  EXPECT_EQ(code_of(file.sync(receipt)), ErrorCode::read_only_after_error);
  EXPECT_EQ(code_of(file.coverage()), ErrorCode::read_only_after_error);
}

TEST_F(CoverageTest, ResumesThroughASymbolicLinksTarget) {
  // The simulated disk has no links: the real one.
  const std::string directory = testing::TempDir() + "/coverage_link";
  ASSERT_EQ(std::system(("rm -rf '" + directory + "' && mkdir '" + directory + "' && ln -s real '" +
                         directory + "/link'")
                            .c_str()),
            0);
  auto file = RangedFile::open_or_create(directory + "/link", 100, kResume).value();
  ASSERT_TRUE(file.sync(file.allocate(10)->write(as_bytes("0123456789")).value()));
  ASSERT_TRUE(file.close());
  file = RangedFile::open(directory + "/real", Access::read_write, kResume).value();
  EXPECT_EQ(written(file), "0+10");
  file = RangedFile();
  std::system(("rm -rf '" + directory + "'").c_str());
}

}  // namespace
}  // namespace quire::ranged
