// The bytes on disk are those of docs/formats/vector-store.md, built here by hand.
#include "vector/format.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "vector/log_record.hpp"
#include "vector/store_test_fixture.hpp"

namespace quire::vector {
namespace {

using base::load_le;

// The document's example: dimension 2, u8, put(7, {10, 20}), then a crash.
class DocumentExample : public ::testing::Test {
 protected:
  DocumentExample() {
    auto made =
        StoreAccess::create(disk_, kStorePath, {.dimension = 2, .element_type = ElementType::u8});
    EXPECT_TRUE(succeeded(made));
    EXPECT_TRUE(succeeded(made->put(7, std::vector<std::uint8_t>{10, 20})));
  }
  std::vector<std::byte> content(const std::string& name) {
    auto opened = disk_.open(os::join_path(kStorePath, name), os::OpenMode::read, 0);
    EXPECT_TRUE(succeeded(opened));
    std::vector<std::byte> bytes(static_cast<std::size_t>((*opened)->info()->size));
    EXPECT_TRUE(succeeded((*opened)->read_exactly(0, bytes)));
    return bytes;
  }
  static std::string text(std::span<const std::byte> bytes, std::size_t offset) {
    return {reinterpret_cast<const char*>(bytes.data()) + offset, 8};
  }

  os::SimulatedFileSystem disk_;
};

TEST_F(DocumentExample, BeforeRecovery) {
  const auto manifest = content("MANIFEST");
  ASSERT_EQ(manifest.size(), 256U);
  EXPECT_EQ(text(manifest, 0), "QUIREMAN");
  EXPECT_EQ(load_le<std::uint32_t>(manifest, 8), 1U);
  EXPECT_EQ(load_le<std::uint32_t>(manifest, 32), 2U);
  EXPECT_EQ(manifest[36], std::byte{2});
  EXPECT_EQ(manifest[37], std::byte{1});
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 72), 1U);
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 248), base::checksum(std::span(manifest).first(248)));

  const auto log = content("log-1.wal");
  EXPECT_EQ(text(log, 0), "QUIRELOG");
  const auto salt = load_le<std::uint64_t>(log, 48);
  const auto record = std::span(log).subspan(4096, 104);
  EXPECT_EQ(load_le<std::uint64_t>(record, 0), base::checksum(record.subspan(8), salt + 4096));
  EXPECT_EQ(load_le<std::uint64_t>(record, 8), 104U);
  EXPECT_EQ(load_le<std::uint64_t>(record, 16), 1U) << "LSN";
  EXPECT_EQ(load_le<std::uint64_t>(record, 24), 0U) << "durable LSN";
  EXPECT_EQ(load_le<std::uint64_t>(record, 32), 1U) << "generation";
  EXPECT_EQ(load_le<std::uint32_t>(record, 40), 1U) << "inline";
  EXPECT_EQ(load_le<std::uint32_t>(record, 44), 0x80000000U) << "part 0, the last";
  EXPECT_EQ(load_le<std::uint64_t>(record, 48), 1U) << "one operation";
  EXPECT_EQ(load_le<std::uint32_t>(record, 56), 1U) << "put";
  EXPECT_EQ(load_le<std::uint64_t>(record, 64), 7U) << "id";
  EXPECT_EQ(load_le<std::uint64_t>(record, 72), 0U) << "row";
  EXPECT_EQ(load_le<std::uint64_t>(record, 80), base::checksum(record.subspan(88, 2)));
  EXPECT_EQ(record[88], std::byte{10});
  EXPECT_EQ(record[89], std::byte{20});
  EXPECT_EQ(text(record, 96), "QUIREEND");
}

TEST_F(DocumentExample, AfterRecovery) {
  ASSERT_TRUE(succeeded(StoreAccess::open(disk_, kStorePath, StoreMode::read_write)));
  const auto manifest = content("MANIFEST");
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 48), 1U) << "checkpoint LSN";
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 56), 1U) << "entries";
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 64), 1U) << "row limit";
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 72), 2U) << "first log";
  EXPECT_EQ(load_le<std::uint64_t>(manifest, 80), 1U) << "live";
  EXPECT_EQ(content("gen-1.rows")[4097], std::byte{20});

  const auto slots = content("gen-1.slots");
  EXPECT_EQ(text(slots, 0), "QUIRESLT");
  const auto entry = std::span(slots).subspan(4096, 48);
  EXPECT_EQ(load_le<std::uint32_t>(entry, 0), 1U);
  EXPECT_EQ(load_le<std::uint64_t>(entry, 8), 7U);
  EXPECT_EQ(load_le<std::uint64_t>(entry, 24), 1U);
  EXPECT_EQ(load_le<std::uint64_t>(entry, 40),
            base::checksum(entry.first(40), load_le<std::uint64_t>(slots, 48)));
  EXPECT_EQ(*disk_.list(kStorePath),
            (std::vector<std::string>{"LOCK", "MANIFEST", "MANIFEST.tmp", "gen-1.rows",
                                      "gen-1.slots", "log-2.wal", "spare-1.tmp"}));
}

TEST_F(DocumentExample, AnEntryIsSealedToItsPlace) {
  auto store = StoreAccess::open(disk_, kStorePath, StoreMode::read_write);
  ASSERT_TRUE(succeeded(store));
  ASSERT_TRUE(succeeded(store->put(8, std::vector<std::uint8_t>{30, 40})));
  ASSERT_TRUE(succeeded(store->close()));
  const auto slots = content("gen-1.slots");
  const auto second = std::span(slots).subspan(4096 + 48, 48);
  EXPECT_EQ(load_le<std::uint64_t>(second, 40),
            base::checksum(second.first(40), load_le<std::uint64_t>(slots, 48) + 1));
}

TEST(Manifest, RefusesEveryFlippedBit) {
  const Manifest manifest{.identity = {.dimension = 4}, .slot_count = 5, .live = 3};
  auto block = manifest.encode();
  EXPECT_EQ(*Manifest::decode(block, "m"), manifest);
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    block[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(Manifest::decode(block, "m")) << "bit " << bit;
    block[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(LogRecord, ARecordWrittenInPartIsNeverValid) {
  // Even where all that is missing are zeros, as a vector of zeros ends and the log is zeros ahead.
  const std::vector<std::byte> row(64);
  const std::span<const std::byte> rows[] = {row};
  const Operation operation{.kind = OperationKind::put, .id = 1, .row = 0, .row_checksum = 3};
  const auto record = encode_record({.lsn = 1}, {&operation, 1}, rows, 9);
  Record decoded;
  ASSERT_TRUE(decode_record(record, 9, 64, decoded));
  EXPECT_FALSE(decode_record(record, 10, 64, decoded)) << "of another log or place";
  for (std::size_t length = 0; length < record.size(); ++length) {
    auto torn = record;
    std::fill(torn.begin() + static_cast<long>(length), torn.end(), std::byte{0});
    EXPECT_FALSE(decode_record(torn, 9, 64, decoded)) << length;
  }
}

TEST(LogNames, AreParsedStrictly) {
  std::uint64_t number = 0;
  EXPECT_TRUE(parse_log_name("log-12.wal", number));
  EXPECT_EQ(number, 12U);
  for (const char* name : {"log-.wal", "log-1", "log-x.wal", "log-1.wal2", "log--1.wal",
                           "log-99999999999999999999.wal"}) {
    EXPECT_FALSE(parse_log_name(name, number)) << name;
  }
}

}  // namespace
}  // namespace quire::vector
