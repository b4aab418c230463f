// Promise 4: flush means durable, and a failed one is not forgotten.
#include <functional>

#include "mapped/simulated_disk_fixture.hpp"

namespace quire::mapped {
namespace {

using DurabilityTest = SimulatedDiskTest;

TEST_F(DurabilityTest, WithoutAFlushAPowerCutTakesTheStores) {
  MappedFile file = make(5).value();
  ASSERT_TRUE(file.write(0, as_bytes("hello")));
  EXPECT_EQ(read(*cut_power()), std::string(5, '\0'));
}

TEST_F(DurabilityTest, AFlushMakesDurableWhatAnyoneStored) {
  MappedFile file = make(5 * kPage).value();
  MappedFile other = open();
  const auto store = [](std::span<std::byte> bytes) noexcept { bytes[0] = std::byte{'g'}; };
  ASSERT_TRUE(file.write(0, as_bytes("w")));
  ASSERT_TRUE(file.fill(kPage, 1, std::byte{'f'}));
  file.mutable_bytes(2 * kPage, 1).value()[0] = std::byte{'s'};
  ASSERT_TRUE(file.mutable_guarded({3 * kPage, 1}, store));
  other.mutable_view_as<char>(4 * kPage, 1).value()[0] = 'o';
  ASSERT_TRUE(file.flush());
  const std::string after = read(*cut_power());
  for (std::size_t page = 0; page < 5; ++page) EXPECT_EQ(after[page * kPage], "wfsgo"[page]);
}

TEST_F(DurabilityTest, AFlushMakesTheSizeDurable) {
  MappedFile file = make(5).value();
  ASSERT_TRUE(file.grow(3 * kPage));
  EXPECT_EQ(read(*cut_power()).size(), 5U);
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(read(*cut_power()).size(), 3 * kPage);
  ASSERT_TRUE(file.shrink(1));
  ASSERT_TRUE(file.flush());
  EXPECT_EQ(read(*cut_power()).size(), 1U);
}

TEST_F(DurabilityTest, ARangeIsDurableWithTheSizeItNeeds) {
  MappedFile file = make(5).value();
  ASSERT_TRUE(file.grow(3 * kPage));
  ASSERT_TRUE(file.fill(0, 3 * kPage, std::byte{'x'}));
  ASSERT_TRUE(file.flush_range({2 * kPage + 1, 2}));
  const std::string after = read(*cut_power());
  ASSERT_EQ(after.size(), 3 * kPage);
  EXPECT_EQ(after.substr(2 * kPage + 1, 2), "xx");
  EXPECT_EQ(after[0], '\0') << "the other pages were not asked for";
}

TEST_F(DurabilityTest, AReaderCanFlushWhatAWriterStored) {
  MappedFile writer = make(5).value();
  MappedFile reader = open(Access::read_only);
  ASSERT_TRUE(writer.write(0, as_bytes("hello")));
  ASSERT_TRUE(reader.flush_range({0, 1}));
  EXPECT_EQ(read(*cut_power()), "hello");
}

TEST_F(DurabilityTest, CloseFlushesAndTheDestructorDoesNot) {
  ASSERT_TRUE(make(5).value().write(0, as_bytes("gone?")));
  EXPECT_EQ(read(*cut_power()), std::string(5, '\0'));
  MappedFile file = open();
  ASSERT_TRUE(file.close());
  EXPECT_EQ(read(*cut_power()), "gone?");
}

TEST_F(DurabilityTest, CloseReportsAFailedFlushAndReleases) {
  MappedFile file = make(5).value();
  fail_next("sync", EIO);
  EXPECT_EQ(code_of(file.close()), "io");
  EXPECT_FALSE(file.is_open());
  open().reopen_after_error().value();
}

TEST_F(DurabilityTest, AFailedFlushIsRememberedUntilReopened) {
  MappedFile file = make(5).value();
  fail_next("sync", EIO);
  const auto first = file.flush();
  EXPECT_EQ(code_of(first), "io");
  EXPECT_EQ(first.error().path(), kPath);
  EXPECT_EQ(code_of(file.flush()), "read_only_after_error") << "although it would succeed";
  EXPECT_EQ(code_of(file.flush_range({0, 1})), "read_only_after_error");
  ASSERT_TRUE(file.reopen_after_error());
  EXPECT_TRUE(file.flush());
}

TEST_F(DurabilityTest, AFailedFlushIsRememberedThroughEveryObject) {
  MappedFile file = make(5).value();
  MappedFile reader = open(Access::read_only);
  fail_next("sync_range", EIO);
  EXPECT_EQ(code_of(file.flush_range({0, 1})), "io");
  EXPECT_EQ(code_of(reader.flush()), "read_only_after_error");
  EXPECT_EQ(code_of(open().flush()), "read_only_after_error") << "opened afterwards";
  ASSERT_TRUE(reader.reopen_after_error());
  EXPECT_TRUE(reader.flush());
}

TEST_F(DurabilityTest, AfterAFailedFlushChangesAreRefused) {
  MappedFile file = make(5).value();
  fail_next("sync", EIO);
  ASSERT_FALSE(file.flush());
  EXPECT_EQ(code_of(file.write(0, as_bytes("x"))), "read_only_after_error");
  EXPECT_EQ(code_of(file.fill(0, 1, {})), "read_only_after_error");
  EXPECT_EQ(code_of(file.grow(6)), "read_only_after_error");
  EXPECT_EQ(code_of(file.shrink(4)), "read_only_after_error");
  EXPECT_TRUE(file.bytes(0, 5)) << "reading goes on";
  ASSERT_TRUE(file.reopen_after_error());
  EXPECT_TRUE(file.write(0, as_bytes("x")));
}

TEST_F(DurabilityTest, RangesAreCheckedAlsoWhereNothingIsToDo) {
  MappedFile file = make(5).value();
  EXPECT_TRUE(file.flush_range({5, 0}));
  EXPECT_EQ(code_of(file.flush_range({6, 0})), "out_of_range");
}

}  // namespace
}  // namespace quire::mapped
