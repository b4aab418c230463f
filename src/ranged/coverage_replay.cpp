#include "ranged/coverage_replay.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "base/try.hpp"

namespace quire::ranged {

namespace {

constexpr std::uint64_t kBlockRecords = (std::uint64_t{1} << 20) / kJournalRecordBytes;
// Behind the last record that counts lie zeros written ahead and what a crash tore, never this much.
constexpr std::uint64_t kMostBehindTheEnd = (std::uint64_t{64} << 20) / kJournalRecordBytes;

std::unexpected<Error> damage(const os::File& journal, std::uint64_t number) {
  return std::unexpected(
      Error(ErrorCode::corrupt, "resume")
          .with_path(journal.path())
          .with_range({kJournalHeaderBytes + number * kJournalRecordBytes, kJournalRecordBytes})
          .with_detail("record " + std::to_string(number) +
                       " of the journal is damaged, or one before it"));
}

}  // namespace

Result<Replay> Replay::run(os::File& journal, const JournalHeader& header) {
  Replay replay(header);
  QUIRE_TRY(const os::FileInfo info, journal.info());
  const std::uint64_t all =
      (info.size - std::min(info.size, kJournalHeaderBytes)) / kJournalRecordBytes;
  std::vector<std::byte> block;
  for (std::uint64_t number = 0; number < all;) {
    if (number - replay.records_ > kMostBehindTheEnd) return damage(journal, replay.records_);
    const std::uint64_t count = std::min(all - number, kBlockRecords);
    block.resize(static_cast<std::size_t>(count * kJournalRecordBytes));
    QUIRE_CHECK(journal.read_exactly(kJournalHeaderBytes + number * kJournalRecordBytes, block));
    for (std::uint64_t i = 0; i < count; ++i, ++number) {
      const auto record = std::span(block).subspan(
          static_cast<std::size_t>(i * kJournalRecordBytes), kJournalRecordBytes);
      if (!replay.take(number, record)) return damage(journal, number);
    }
  }
  return replay;
}

// False if the bytes are damage.
bool Replay::take(std::uint64_t number, std::span<const std::byte> bytes) {
  const auto record = decode_record(bytes, number, salt_);
  if (!record) return true;
  // Behind a record that is not valid, one that says that it was durable once.
  if (record->durable > records_) return false;
  if (number > records_) return true;
  ++records_;
  durable_ = std::max(durable_, record->durable);
  return apply(*record);
}

bool Replay::apply(const JournalRecord& record) {
  using Kind = JournalRecord::Kind;
  if (record.b == 0) return false;
  if (record.kind == Kind::grows) {
    if (record.b <= record.a) return false;
    size_before_ = record.a;
    size_after_ = record.b;
    return true;
  }
  const ByteRange range{record.a, record.b};
  if (!range.fits(size_after_)) return false;
  switch (record.kind) {
    case Kind::written:
      written_.add(range);
      return true;
    case Kind::given_back:
      written_.remove(range);
      return true;
    default:
      return false;
  }
}

}  // namespace quire::ranged
