#include "ranged/coverage_journal.hpp"

#include <array>
#include <utility>

#include "base/random.hpp"
#include "base/try.hpp"
#include "ranged/coverage_replay.hpp"

namespace quire::ranged {

namespace {

constexpr std::size_t kZerosAhead = std::size_t{64} << 10;
constexpr std::array<std::byte, kZerosAhead> kZeros{};
constexpr int kJournalOpenAttempts = 16;

std::unexpected<Error> refuse(ErrorCode code, const os::File& journal, std::string detail) {
  return std::unexpected(
      Error(code, "resume").with_path(journal.path()).with_detail(std::move(detail)));
}

// Errors: changed.
Result<void> check_subject(const os::File& journal, const JournalHeader& header,
                           const JournalSubject& subject, bool any_version) {
  if (!header.is_of(subject.file)) {
    return refuse(ErrorCode::changed, journal,
                  "the journal is of another file, which was at this path before");
  }
  if (any_version || header.content_version == subject.content_version) return {};
  return refuse(ErrorCode::changed, journal,
                "what is written is of the version \"" + header.content_version + "\", not \"" +
                    subject.content_version + "\"");
}

// Errors: changed.
Result<void> check_size(const os::File& journal, const Replay& replay, std::uint64_t size) {
  const std::string file_has = "the file has " + std::to_string(size) + " bytes";
  if (!replay.allows_size(size)) {
    return refuse(ErrorCode::changed, journal,
                  file_has + ", which it never had while the journal was kept");
  }
  // New bytes are written only once the growth is durable.
  const auto past = replay.written().inside({size, ~size});
  if (past.empty()) return {};
  return refuse(ErrorCode::changed, journal,
                file_has + ", and bytes from " + std::to_string(past.front().offset) +
                    " on were written: it was cut");
}

}  // namespace

CoverageJournal::CoverageJournal(std::unique_ptr<os::File> file, std::uint64_t salt,
                                 std::uint64_t records) noexcept
    : file_(std::move(file)),
      salt_(salt),
      records_(records),
      durable_(records),
      zeroed_until_(offset_of(records)) {}

Result<bool> CoverageJournal::exists_for(os::FileSystem& file_system, const std::string& path,
                                         const os::FileId& file) {
  auto journal = file_system.open(path, os::OpenMode::read);
  if (!journal && journal.error().code() == ErrorCode::not_found) return false;
  if (!journal) return std::unexpected(std::move(journal).error());
  const auto header = read_header(**journal);
  if (header) return header->is_of(file);
  if (header.error().code() == ErrorCode::io) return std::unexpected(header.error());
  // A newer version may be of any file.
  return header.error().code() == ErrorCode::format_version;
}

// A journal that somebody removes between opening and locking is not the one at the path any more.
Result<std::unique_ptr<os::File>> CoverageJournal::open_locked(os::FileSystem& file_system,
                                                               const std::string& path,
                                                               bool may_create) {
  for (int attempt = 0; attempt < kJournalOpenAttempts; ++attempt) {
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

Result<std::unique_ptr<os::File>> CoverageJournal::lock_for_creation(os::FileSystem& file_system,
                                                                     const std::string& path) {
  QUIRE_TRY(auto journal, open_locked(file_system, path, true));
  QUIRE_TRY(const bool is_ours, may_be_journal(*journal));
  if (is_ours) return journal;
  return refuse(ErrorCode::exists, *journal,
                "a file that is no coverage journal has the name of one");
}

Result<std::unique_ptr<CoverageJournal>> CoverageJournal::create(os::FileSystem& file_system,
                                                                 std::unique_ptr<os::File> locked,
                                                                 const JournalSubject& subject) {
  const std::uint64_t salt = base::random_u64();
  // Nothing of what an earlier sync may have lost is needed.
  locked->forget_sync_failure();
  QUIRE_CHECK(locked->truncate(0));
  QUIRE_CHECK(locked->write_all(0, encode_header(subject, salt)));
  QUIRE_CHECK(locked->sync());
  QUIRE_CHECK(file_system.sync_directory(os::parent_directory(locked->path())));
  return std::make_unique<CoverageJournal>(std::move(locked), salt, 0);
}

Result<std::unique_ptr<CoverageJournal>> CoverageJournal::open(os::FileSystem& file_system,
                                                               const std::string& path,
                                                               os::OpenMode mode,
                                                               const JournalSubject& subject,
                                                               IntervalSet& written) {
  const bool writes = mode != os::OpenMode::read;
  QUIRE_TRY(auto file,
            writes ? open_locked(file_system, path, false) : file_system.open(path, mode));
  QUIRE_TRY(const JournalHeader header, read_header(*file));
  QUIRE_CHECK(check_subject(*file, header, subject, !writes && subject.content_version.empty()));
  QUIRE_TRY(Replay replay, Replay::run(*file, header));
  QUIRE_CHECK(check_size(*file, replay, subject.size));
  written = replay.take_written();
  auto journal = std::make_unique<CoverageJournal>(std::move(file), header.salt, replay.records());
  if (writes) QUIRE_CHECK(journal->settle_end(replay.durable()));
  return journal;
}

// Who appended the last records may have died before they were durable, and what he could not sync may be
// in memory only, in pages that are taken for clean: they are written again.
Result<void> CoverageJournal::settle_end(std::uint64_t durable) {
  const base::MutexLock lock(mutex_);
  std::vector<std::byte> last(static_cast<std::size_t>((records_ - durable) * kJournalRecordBytes));
  QUIRE_CHECK(file_->read_exactly(offset_of(durable), last));
  file_->forget_sync_failure();
  QUIRE_CHECK(file_->write_all(offset_of(durable), last));
  QUIRE_CHECK(file_->truncate(offset_of(records_)));
  return file_->sync();
}

std::unexpected<Error> CoverageJournal::unusable() const {
  return refuse(
      ErrorCode::read_only_after_error, *file_,
      "the journal could not be written, or memory ran out; open the file again to go on");
}

Result<void> CoverageJournal::check_usable() const {
  const base::MutexLock lock(mutex_);
  if (end_is_unsure_ || given_up_) return unusable();
  return {};
}

void CoverageJournal::give_up() noexcept {
  const base::MutexLock lock(mutex_);
  given_up_ = true;
}

bool CoverageJournal::has_failed() const {
  const base::MutexLock lock(mutex_);
  return end_is_unsure_ || given_up_ || file_->sync_has_failed();
}

Result<void> CoverageJournal::append(std::span<const JournalRecord> records) {
  if (records.empty()) return {};
  const base::MutexLock lock(mutex_);
  if (end_is_unsure_ || given_up_) return unusable();
  std::vector<std::byte> bytes;
  bytes.reserve(records.size() * kJournalRecordBytes);
  std::uint64_t number = records_;
  for (JournalRecord record : records) {
    record.durable = durable_;
    const JournalRecordBytes encoded = encode_record(record, number, salt_);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    ++number;
  }
  not_durable_.reserve(not_durable_.size() + bytes.size());
  end_is_unsure_ = true;
  if (auto appended = file_->write_all(offset_of(records_), bytes); !appended) {
    if (cut_behind_end() && file_->sync()) end_is_unsure_ = false;
    return appended;
  }
  end_is_unsure_ = false;
  not_durable_.insert(not_durable_.end(), bytes.begin(), bytes.end());
  records_ = number;
  write_zeros_ahead();
  return {};
}

// What a failed append left there would count once a record stands before it.
Result<void> CoverageJournal::cut_behind_end() {
  zeroed_until_ = offset_of(records_);
  return file_->truncate(zeroed_until_);
}

// Only for speed: a sync need not write a new size then. Without room, records extend the file.
void CoverageJournal::write_zeros_ahead() {
  const std::uint64_t end = offset_of(records_);
  if (end <= zeroed_until_) return;
  zeroed_until_ = end;
  if (file_->write_all(end, kZeros)) zeroed_until_ = end + kZerosAhead;
}

Result<void> CoverageJournal::sync() {
  const base::MutexLock one_sync(sync_mutex_);
  std::uint64_t appended = 0;
  {
    const base::MutexLock lock(mutex_);
    if (end_is_unsure_ || given_up_) return unusable();
    if (durable_ == records_) return {};
    appended = records_;
  }
  QUIRE_CHECK(file_->sync());
  const base::MutexLock lock(mutex_);
  const auto bytes = static_cast<std::ptrdiff_t>((appended - durable_) * kJournalRecordBytes);
  not_durable_.erase(not_durable_.begin(), not_durable_.begin() + bytes);
  durable_ = appended;
  return {};
}

Result<void> CoverageJournal::recover() {
  const base::MutexLock lock(mutex_);
  if (given_up_) return unusable();
  QUIRE_CHECK(file_->write_all(offset_of(durable_), not_durable_));
  QUIRE_CHECK(cut_behind_end());
  file_->forget_sync_failure();
  QUIRE_CHECK(file_->sync());
  durable_ = records_;
  not_durable_.clear();
  end_is_unsure_ = false;
  return {};
}

Result<void> CoverageJournal::remove(os::FileSystem& file_system) {
  QUIRE_TRY(const os::FileInfo there, file_system.info(file_->path()));
  if (there.id != file_->id()) {
    return refuse(ErrorCode::changed, *file_,
                  "the journal was moved away, and another file has its name");
  }
  QUIRE_CHECK(file_system.remove(file_->path()));
  return file_system.sync_directory(os::parent_directory(file_->path()));
}

}  // namespace quire::ranged
