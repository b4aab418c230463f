#include "ranged/coverage_journal.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/random.hpp"
#include "base/try.hpp"
#include "quire/ranged_file.hpp"

namespace quire::ranged {

namespace {

using base::load_le;
using base::store_le;

constexpr std::string_view kMagic = "QUIRECOV";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kHeaderBytes = 4096;
constexpr std::uint64_t kRecordBytes = 32;
constexpr std::uint64_t kZerosAhead = std::uint64_t{64} << 10;
constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxDurable = (std::uint64_t{1} << 56) - 1;
constexpr int kOpenAttempts = 16;

using Header = std::array<std::byte, kHeaderBytes>;
using RecordBytes = std::array<std::byte, kRecordBytes>;

constexpr std::size_t kVersionOffset = 50;
static_assert(kVersionOffset + kMaxContentVersion <= kHeaderBytes - 8);

Header encode_header(const JournalSubject& subject, std::uint64_t salt) {
  Header header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  store_le(header, 8, kVersion);
  store_le(header, 12, static_cast<std::uint32_t>(kHeaderBytes));
  store_le(header, 16, subject.file.inode);
  store_le(header, 24, subject.file.birth);
  store_le(header, 32, subject.size);
  store_le(header, 40, salt);
  store_le(header, 48, static_cast<std::uint16_t>(subject.content_version.size()));
  std::ranges::copy(std::as_bytes(std::span(subject.content_version)),
                    header.begin() + kVersionOffset);
  store_le(header, kHeaderBytes - 8, base::checksum(std::span(header).first(kHeaderBytes - 8)));
  return header;
}

std::unexpected<Error> refuse(ErrorCode code, const os::File& file, std::string detail) {
  return std::unexpected(
      Error(code, "resume").with_path(file.path()).with_detail(std::move(detail)));
}

std::unexpected<Error> refuse(ErrorCode code, const os::File& file, ByteRange range,
                              std::string detail) {
  return std::unexpected(refuse(code, file, std::move(detail)).error().with_range(range));
}

// The bytes of the version in a valid header.
std::span<const std::byte> version_in(const Header& header) {
  const auto length = load_le<std::uint16_t>(header, 48);
  return std::span(header).subspan(kVersionOffset,
                                   std::min<std::size_t>(length, kMaxContentVersion));
}

// Errors: truncated, corrupt, format_version, changed.
Result<Header> read_header(os::File& file, const JournalSubject& subject) {
  constexpr ByteRange kWhole{0, kHeaderBytes};
  Header header{};
  QUIRE_CHECK(file.read_exactly(0, header));
  if (std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0) {
    return refuse(ErrorCode::corrupt, file, {0, kMagic.size()}, "this is no coverage journal");
  }
  if (const auto version = load_le<std::uint32_t>(header, 8); version > kVersion) {
    return refuse(ErrorCode::format_version, file, {8, 4},
                  "the journal has version " + std::to_string(version) + "; this knows 1");
  }
  if (load_le<std::uint64_t>(header, kHeaderBytes - 8) !=
      base::checksum(std::span(header).first(kHeaderBytes - 8))) {
    return refuse(ErrorCode::corrupt, file, kWhole, "the checksum of the header is wrong");
  }
  if (load_le<std::uint64_t>(header, 16) != subject.file.inode ||
      load_le<std::uint64_t>(header, 24) != subject.file.birth) {
    return refuse(ErrorCode::changed, file, {16, 16},
                  "the journal is of another file, which was at this path before");
  }
  if (!std::ranges::equal(version_in(header), std::as_bytes(std::span(subject.content_version)))) {
    return refuse(ErrorCode::changed, file,
                  "what is written is of another version than \"" + subject.content_version + "\"");
  }
  return header;
}

RecordBytes encode(const JournalRecord& record, std::uint64_t durable, std::uint64_t seed) {
  RecordBytes bytes{};
  const std::uint64_t kind = std::to_underlying(record.kind);
  store_le(bytes, 0, kind << 56 | std::min(durable, kMaxDurable));
  store_le(bytes, 8, record.a);
  store_le(bytes, 16, record.b);
  store_le(bytes, 24, base::checksum(std::span(bytes).first(24), seed));
  return bytes;
}

bool is_valid(std::span<const std::byte> bytes, std::uint64_t seed) {
  return load_le<std::uint64_t>(bytes, 24) == base::checksum(bytes.first(24), seed) &&
         std::to_integer<int>(bytes[7]) != 0;
}

// Goes through the records in order.
class Replay {
 public:
  Replay(std::uint64_t salt, std::uint64_t file_size, IntervalSet& written)
      : salt_(salt), size_before_(file_size), size_after_(file_size), written_(&written) {}

  // False if the bytes are damage.
  bool take(std::uint64_t number, std::span<const std::byte> bytes) {
    const bool valid = is_valid(bytes, salt_ + number);
    const std::uint64_t durable = load_le<std::uint64_t>(bytes, 0) & kMaxDurable;
    if (valid && records_ == number) {
      ++records_;
      return durable <= number && apply(bytes);
    }
    drops_ = drops_ || std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; });
    return !valid || durable <= records_;
  }

  // How many count.
  std::uint64_t records() const { return records_; }
  bool drops_something() const { return drops_; }
  bool is_size(std::uint64_t size) const { return size == size_before_ || size == size_after_; }

 private:
  bool apply(std::span<const std::byte> bytes) {
    using Kind = JournalRecord::Kind;
    const auto a = load_le<std::uint64_t>(bytes, 8);
    const auto b = load_le<std::uint64_t>(bytes, 16);
    if (b == 0) return false;
    const auto kind = static_cast<Kind>(bytes[7]);
    if (kind == Kind::grows) {
      if (b <= a) return false;
      size_before_ = a;
      size_after_ = b;
      return true;
    }
    if (!ByteRange{a, b}.fits(size_after_)) return false;
    if (kind == Kind::written) {
      written_->add({a, b});
    } else if (kind == Kind::given_back) {
      written_->remove({a, b});
    } else {
      return false;
    }
    return true;
  }

  std::uint64_t salt_;
  std::uint64_t size_before_;
  std::uint64_t size_after_;
  IntervalSet* written_;
  std::uint64_t records_ = 0;
  bool drops_ = false;
};

}  // namespace

// A journal that somebody removes between opening and locking is not the one at the path any more.
Result<std::unique_ptr<os::File>> CoverageJournal::open_locked(os::FileSystem& file_system,
                                                               const std::string& path,
                                                               bool may_create) {
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto file = file_system.open(path, os::OpenMode::read_write);
    if (!file && file.error().code() == ErrorCode::not_found && may_create) {
      file = file_system.open(path, os::OpenMode::create_new, 0666);
      if (!file && file.error().code() == ErrorCode::exists) continue;
    }
    if (!file) return file;
    QUIRE_CHECK((*file)->try_lock(os::LockKind::exclusive));
    const auto there = file_system.info(path);
    if (there && there->id == (*file)->id()) return file;
    if (!there && there.error().code() != ErrorCode::not_found) {
      return std::unexpected(there.error());
    }
  }
  return std::unexpected(Error(ErrorCode::busy, "resume")
                             .with_path(path)
                             .with_detail("others create and remove it again and again"));
}

Result<std::unique_ptr<CoverageJournal>> CoverageJournal::create(os::FileSystem& file_system,
                                                                 const std::string& path,
                                                                 const JournalSubject& subject) {
  QUIRE_TRY(auto journal, open_locked(file_system, path, true));
  const std::uint64_t salt = base::random_u64();
  QUIRE_CHECK(journal->truncate(0));
  QUIRE_CHECK(journal->write_all(0, encode_header(subject, salt)));
  QUIRE_CHECK(journal->sync());
  QUIRE_CHECK(file_system.sync_directory(os::parent_directory(path)));
  return std::make_unique<CoverageJournal>(std::move(journal), salt, 0, kHeaderBytes);
}

Result<std::unique_ptr<CoverageJournal>> CoverageJournal::open(os::FileSystem& file_system,
                                                               const std::string& path,
                                                               os::OpenMode mode,
                                                               const JournalSubject& subject,
                                                               IntervalSet& written) {
  auto opened = mode == os::OpenMode::read ? file_system.open(path, mode)
                                           : open_locked(file_system, path, false);
  if (!opened) return std::unexpected(std::move(opened).error());
  os::File& file = **opened;
  QUIRE_TRY(const Header header, read_header(file, subject));
  const auto salt = load_le<std::uint64_t>(header, 40);
  Replay replay(salt, load_le<std::uint64_t>(header, 32), written);

  QUIRE_TRY(const os::FileInfo info, file.info());
  std::vector<std::byte> block;
  std::uint64_t number = 0;
  const std::uint64_t whole_records =
      (info.size - std::min(info.size, kHeaderBytes)) / kRecordBytes;
  while (number < whole_records) {
    const std::uint64_t count = std::min(whole_records - number, kReadBytes / kRecordBytes);
    block.resize(static_cast<std::size_t>(count * kRecordBytes));
    QUIRE_CHECK(file.read_exactly(kHeaderBytes + number * kRecordBytes, block));
    for (std::uint64_t i = 0; i < count; ++i, ++number) {
      const auto record = std::span(block).subspan(static_cast<std::size_t>(i * kRecordBytes),
                                                   static_cast<std::size_t>(kRecordBytes));
      if (!replay.take(number, record)) {
        return refuse(ErrorCode::corrupt, file,
                      {kHeaderBytes + number * kRecordBytes, kRecordBytes},
                      "record " + std::to_string(number) + " is damaged, or one before it");
      }
    }
  }
  if (!replay.is_size(subject.size)) {
    return refuse(ErrorCode::changed, file,
                  "the file has " + std::to_string(subject.size) +
                      " bytes, which it never had while the journal was kept");
  }
  // New bytes are written only once the growth is durable.
  if (const auto past = written.inside({subject.size, ~subject.size}); !past.empty()) {
    return refuse(ErrorCode::changed, file,
                  "the file has " + std::to_string(subject.size) + " bytes, and bytes from " +
                      std::to_string(past.front().offset) + " on were written: it was cut");
  }
  const std::uint64_t records = replay.records();
  const std::uint64_t end = kHeaderBytes + records * kRecordBytes;
  std::uint64_t zeroed_until = std::max(info.size, end);
  const bool has_part_of_record = (zeroed_until - kHeaderBytes) % kRecordBytes != 0;
  if (mode != os::OpenMode::read && (replay.drops_something() || has_part_of_record)) {
    QUIRE_CHECK(file.truncate(end));
    QUIRE_CHECK(file.sync());
    zeroed_until = end;
  }
  return std::make_unique<CoverageJournal>(*std::move(opened), salt, records, zeroed_until);
}

Result<void> CoverageJournal::append(std::span<const JournalRecord> records) {
  if (records.empty()) return {};
  const base::MutexLock lock(mutex_);
  std::vector<std::byte> bytes;
  bytes.reserve(records.size() * kRecordBytes);
  std::uint64_t number = records_;
  for (const JournalRecord& record : records) {
    const RecordBytes encoded =
        encode(record, durable_.load(std::memory_order_relaxed), salt_ + number);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    ++number;
  }
  QUIRE_CHECK(file_->write_all(kHeaderBytes + records_ * kRecordBytes, bytes));
  records_ = number;
  write_zeros_ahead();
  return {};
}

// Only for speed: a sync need not write a new size then. Without room, records extend the file.
void CoverageJournal::write_zeros_ahead() {
  const std::uint64_t end = kHeaderBytes + records_ * kRecordBytes;
  if (end <= zeroed_until_) return;
  zeroed_until_ = end;
  const std::vector<std::byte> zeros(static_cast<std::size_t>(kZerosAhead));
  if (file_->write_all(end, zeros)) zeroed_until_ = end + kZerosAhead;
}

Result<void> CoverageJournal::sync() {
  const base::MutexLock one_sync(sync_mutex_);
  std::uint64_t appended = 0;
  {
    const base::MutexLock lock(mutex_);
    appended = records_;
  }
  if (appended == durable_.load(std::memory_order_relaxed)) return {};
  QUIRE_CHECK(file_->sync());
  durable_.store(appended, std::memory_order_relaxed);
  return {};
}

Result<void> CoverageJournal::remove(os::FileSystem& file_system) {
  QUIRE_CHECK(file_system.remove(file_->path()));
  return file_system.sync_directory(os::parent_directory(file_->path()));
}

}  // namespace quire::ranged
