#include "ranged/core.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "mapped/backing.hpp"
#include "mapped/factory.hpp"
#include "ranged/interval_set.hpp"

namespace quire::ranged {

namespace {

using mapped::Factory;

constexpr int kOpenAttempts = 16;
constexpr int kReaderAttempts = 8;
constexpr std::chrono::milliseconds kBetweenLooks{2};
// A sync of more pieces than this, apart from each other, syncs the whole file.
constexpr std::size_t kMostSyncsOfPieces = 8;

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

MappedFileOptions options_of_file(const RangedFileOptions& options, Access access) {
  return {.reserve = options.reserve,
          .sparse = options.sparse,
          .permissions = options.permissions,
          .lock = access == Access::read_write ? FileLock::exclusive : FileLock::none};
}

std::unexpected<Error> refuse(ErrorCode code, const char* operation, const std::string& path,
                              const char* sentence) {
  return std::unexpected(Error(code, operation).with_path(path).with_detail(sentence));
}

Result<void> check_options(const std::string& path, Access access,
                           const RangedFileOptions& options) {
  if (access == Access::copy_on_write) {
    return refuse(ErrorCode::wrong_mode, "open", path,
                  "ranges are of a file that is written or read, not of a private copy");
  }
  if (options.resume && options.existing == ExistingBytes::overwrite) {
    return refuse(ErrorCode::invalid_argument, "open", path,
                  "a resumed file keeps what is written: ExistingBytes::overwrite would not");
  }
  if (options.content_version.size() > kMaxContentVersion) {
    return refuse(ErrorCode::invalid_argument, "open", path,
                  "a content version has at most 1024 bytes");
  }
  return {};
}

Result<std::string> resolve(os::FileSystem& file_system, const std::string& path) {
  auto target = file_system.resolve(path);
  if (!target) return std::unexpected(std::move(target).error().with_path(path));
  return target;
}

// Keeps writers away from a file that is about to be replaced, as long as what is returned lives.
// Errors: busy (somebody has it open for writing).
Result<std::unique_ptr<os::File>> hold_against_writers(os::FileSystem& file_system,
                                                       const std::string& path) {
  auto file = file_system.open(path, os::OpenMode::read);
  if (!file) return nullptr;  // creating says what is wrong with it, if anything is
  auto locked = (*file)->try_lock(os::LockKind::shared);
  if (locked || locked.error().code() != ErrorCode::busy) return file;
  return std::unexpected(std::move(locked).error().with_path(path).with_detail(
      "the file is open for writing, here or in another process"));
}

}  // namespace

Core::Core(os::FileSystem& file_system, MappedFile file)
    : file_system_(file_system),
      file_(std::move(file)),
      data_(file_.access() == Access::read_write ? Factory::backing(file_)->base() : nullptr),
      allocator_(data_ == nullptr ? 0 : file_.size()),
      number_(next_number()) {}

Result<std::shared_ptr<Core>> Core::create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const RangedFileOptions& options,
                                           IfExists if_exists) {
  QUIRE_CHECK(check_options(path, Access::read_write, options));
  std::unique_ptr<os::File> held;
  if (if_exists == IfExists::replace) {
    QUIRE_TRY(held, hold_against_writers(file_system, path));
  }
  return create_at(file_system, path, path, size, options, if_exists);
}

Result<std::shared_ptr<Core>> Core::create_at(os::FileSystem& file_system, const std::string& path,
                                              const std::string& target, std::uint64_t size,
                                              const RangedFileOptions& options,
                                              IfExists if_exists) {
  std::unique_ptr<CoverageJournal> journal;
  Factory::WhileBeside make_journal;
  if (options.resume) {
    make_journal = [&](os::File& file) -> Result<void> {
      QUIRE_TRY(const std::string resolved, resolve(file_system, target));
      QUIRE_TRY(auto locked, CoverageJournal::lock_for_creation(
                                 file_system, CoverageJournal::path_for(resolved)));
      // Who created it while this waited had the lock, and the journal is his.
      if (if_exists == IfExists::fail && file_system.info(resolved)) {
        return refuse(ErrorCode::exists, "create", path, "another has created it just now");
      }
      QUIRE_TRY(journal,
                CoverageJournal::create(
                    file_system, std::move(locked),
                    {.file = file.id(), .size = size, .content_version = options.content_version}));
      return {};
    };
  }
  QUIRE_TRY(MappedFile file,
            Factory::create(file_system, path, target, size,
                            options_of_file(options, Access::read_write), if_exists, make_journal));
  auto core = std::make_shared<Core>(file_system, std::move(file));
  if (journal) {
    core->coverage_ = std::make_unique<CoverageTracker>(std::move(journal), IntervalSet());
  }
  return core;
}

Result<std::shared_ptr<Core>> Core::open(os::FileSystem& file_system, const std::string& path,
                                         Access access, const RangedFileOptions& options) {
  QUIRE_CHECK(check_options(path, access, options));
  QUIRE_TRY(MappedFile file,
            Factory::open(file_system, path, access, options_of_file(options, access)));
  return make(file_system, std::move(file), options);
}

Result<std::shared_ptr<Core>> Core::open_or_create(os::FileSystem& file_system,
                                                   const std::string& path, std::uint64_t size,
                                                   const RangedFileOptions& options) {
  QUIRE_CHECK(check_options(path, Access::read_write, options));
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    auto file = Factory::open(file_system, path, Access::read_write,
                              options_of_file(options, Access::read_write));
    if (file) {
      if (options.resume && file->size() != size) {
        return std::unexpected(Error(ErrorCode::mismatch, "open_or_create")
                                   .with_path(path)
                                   .with_detail("the file has " + std::to_string(file->size()) +
                                                " bytes, not " + std::to_string(size)));
      }
      return make(file_system, *std::move(file), options);
    }
    if (file.error().code() != ErrorCode::not_found) {
      return std::unexpected(std::move(file).error());
    }
    // A dangling link is followed: the file it names is created.
    QUIRE_TRY(const std::string target, resolve(file_system, path));
    auto created = create_at(file_system, path, target, size, options, IfExists::fail);
    if (created || created.error().code() != ErrorCode::exists) return created;
  }
  return refuse(ErrorCode::busy, "open_or_create", path,
                "others create and remove this file again and again");
}

Result<std::shared_ptr<Core>> Core::make(os::FileSystem& file_system, MappedFile file,
                                         const RangedFileOptions& options) {
  if (options.resume || file.access() == Access::read_write) {
    QUIRE_TRY(const std::string target, resolve(file_system, file.path()));
    const std::string journal = CoverageJournal::path_for(target);
    if (options.resume) return with_journal(file_system, std::move(file), journal, options);
    QUIRE_TRY(
        const bool is_resumed,
        CoverageJournal::exists_for(file_system, journal, Factory::backing(file)->file().id()));
    if (is_resumed) {
      return refuse(ErrorCode::wrong_mode, "open", journal,
                    "the file has a journal of what is written, which would not stay true: open it "
                    "with `resume`, or remove the journal");
    }
  }
  auto core = std::make_shared<Core>(file_system, std::move(file));
  const std::uint64_t size = core->allocator_.size();
  if (options.existing == ExistingBytes::keep && size > 0) {
    QUIRE_CHECK(core->allocator_.allocate_at({0, size}));
  }
  return core;
}

Result<std::shared_ptr<Core>> Core::with_journal(os::FileSystem& file_system, MappedFile file,
                                                 const std::string& journal_path,
                                                 const RangedFileOptions& options) {
  const bool writes = file.access() == Access::read_write;
  IntervalSet written;
  const auto open = [&] {
    return CoverageJournal::open(file_system, journal_path,
                                 writes ? os::OpenMode::read_write : os::OpenMode::read,
                                 {.file = Factory::backing(file)->file().id(),
                                  .size = file.size(),
                                  .content_version = options.content_version},
                                 written);
  };
  auto journal = open();
  // To a reader, what a writer does meanwhile may look like damage.
  for (int i = 0; i < kReaderAttempts && !writes && !journal; ++i) {
    const ErrorCode code = journal.error().code();
    if (code != ErrorCode::changed && code != ErrorCode::corrupt && code != ErrorCode::truncated) {
      break;
    }
    std::this_thread::sleep_for(kBetweenLooks);
    QUIRE_CHECK(file.refresh());
    journal = open();
  }
  if (!journal && journal.error().code() == ErrorCode::not_found) {
    return refuse(ErrorCode::wrong_mode, "resume", journal_path,
                  "the file has no journal: it is finished, or nobody knows what of it is written");
  }
  if (!journal) return std::unexpected(std::move(journal).error());
  auto core = std::make_shared<Core>(file_system, std::move(file));
  if (writes) {
    for (const ByteRange range : written.ranges()) {
      QUIRE_CHECK(core->allocator_.allocate_at(range));
    }
  }
  core->coverage_ = std::make_unique<CoverageTracker>(*std::move(journal), std::move(written));
  return core;
}

std::unexpected<Error> Core::named(Error error) const {
  return std::unexpected(std::move(error).with_path(file_.path()));
}

Result<void> Core::check_writable(const char* operation) const {
  if (data_ != nullptr) return {};
  return refuse(ErrorCode::wrong_mode, operation, file_.path(), "the file was opened for reading");
}

Result<FileRange> Core::allocate(std::uint64_t length, std::uint64_t alignment) {
  QUIRE_CHECK(check_writable("allocate"));
  auto range = allocator_.allocate(length, alignment);
  if (!range) return named(std::move(range).error());
  return FileRange(shared_from_this(), *range);
}

Result<FileRange> Core::allocate_up_to(std::uint64_t length, std::uint64_t alignment) {
  QUIRE_CHECK(check_writable("allocate_up_to"));
  auto range = allocator_.allocate_up_to(length, alignment);
  if (!range) return named(std::move(range).error());
  return FileRange(shared_from_this(), *range);
}

Result<FileRange> Core::allocate_at(ByteRange range) {
  QUIRE_CHECK(check_writable("allocate_at"));
  if (auto taken = allocator_.allocate_at(range); !taken) return named(std::move(taken).error());
  return FileRange(shared_from_this(), range);
}

void Core::give_back_unfilled(ByteRange range) noexcept {
  try {
    ignore_error(allocator_.free(range));
  } catch (const std::bad_alloc&) {
    return;  // without memory to note it, the range stays nobody's
  }
}

Result<void> Core::give_back(ByteRange range) {
  if (coverage_) QUIRE_CHECK(coverage_->give_back(range));
  if (auto freed = allocator_.free(range); !freed) return named(std::move(freed).error());
  return {};
}

WriteReceipt Core::note_written(ByteRange range) {
  if (coverage_) coverage_->note(range);
  return {number_.load(std::memory_order_relaxed), range};
}

Result<void> Core::grow(std::uint64_t new_size) {
  QUIRE_CHECK(check_writable("grow"));
  const base::MutexLock lock(grow_mutex_);
  if (coverage_) return grow_resumed(new_size);
  QUIRE_CHECK(file_.grow(new_size));
  return allocator_.grow(new_size);
}

// The order is that of the journal's format, "Writing".
Result<void> Core::grow_resumed(std::uint64_t new_size) {
  const std::uint64_t size = file_.size();
  // What cannot be is refused before anything is announced.
  if (new_size < size || new_size > file_.reserved()) return file_.grow(new_size);
  if (new_size == allocator_.size()) return {};
  // The size that is announced from is durable. It may be new: an earlier growth got no further.
  QUIRE_CHECK(file_.flush());
  if (new_size > size) {
    QUIRE_CHECK(coverage_->announce_growth(size, new_size));
    QUIRE_CHECK(file_.grow(new_size));
    QUIRE_CHECK(file_.flush());
  }
  return allocator_.grow(new_size);
}

Result<void> Core::check_receipt(const char* operation, const WriteReceipt& receipt) const {
  if (receipt.file_ == number_.load(std::memory_order_relaxed)) return {};
  return std::unexpected(
      Error(ErrorCode::mismatch, operation)
          .with_path(file_.path())
          .with_range(receipt.range())
          .with_detail(
              "the receipt is of another file, of another opening of this one, or from before "
              "a failed sync"));
}

// Of pieces that lie side by side one sync is made.
Result<void> Core::flush_ranges(std::span<const ByteRange> ranges) {
  IntervalSet pieces;
  for (const ByteRange range : ranges) pieces.add(range);
  const std::vector<ByteRange> apart = pieces.ranges();
  if (apart.size() > kMostSyncsOfPieces) return file_.flush();
  for (const ByteRange piece : apart) QUIRE_CHECK(file_.flush_range(piece));
  return {};
}

Result<void> Core::sync(std::span<const WriteReceipt> receipts) {
  QUIRE_CHECK(check_writable("sync"));
  std::vector<ByteRange> ranges;
  ranges.reserve(receipts.size());
  for (const WriteReceipt& receipt : receipts) {
    QUIRE_CHECK(check_receipt("sync", receipt));
    ranges.push_back(receipt.range());
  }
  const auto flush = [&] { return flush_ranges(ranges); };
  return coverage_ ? coverage_->sync(ranges, flush) : flush();
}

Result<void> Core::sync_all() {
  QUIRE_CHECK(check_writable("sync_all"));
  const ByteRange all{0, file_.size()};
  const auto flush = [this] { return file_.flush(); };
  return coverage_ ? coverage_->sync(std::span(&all, 1), flush) : flush();
}

Result<void> Core::flush_range(ByteRange range) {
  QUIRE_CHECK(check_writable("flush_range"));
  return file_.flush_range(range);
}

Result<void> Core::start_writeback(const WriteReceipt& receipt) {
  QUIRE_CHECK(check_receipt("start_writeback", receipt));
  return file_.start_writeback(receipt.range());
}

Result<Coverage> Core::coverage() {
  if (coverage_) return coverage_->coverage(file_.size());
  return refuse(ErrorCode::wrong_mode, "coverage", file_.path(),
                "the file was not opened with `resume`: nobody keeps a journal");
}

Result<void> Core::check_whole() {
  QUIRE_TRY(const Coverage coverage, this->coverage());
  if (coverage.is_whole()) return {};
  return std::unexpected(Error(ErrorCode::truncated, "finish")
                             .with_path(file_.path())
                             .with_range(coverage.missing.front())
                             .with_detail("these bytes are not written, of " +
                                          std::to_string(file_.size() - coverage.written_bytes) +
                                          " that are missing"));
}

Result<void> Core::reopen_after_error() {
  const os::File& file = Factory::backing(file_)->file();
  const bool has_failed = Factory::backing(file_)->sync_failed() || file.sync_has_failed() ||
                          (coverage_ && coverage_->journal().has_failed());
  if (!has_failed) return {};
  number_.store(next_number(), std::memory_order_relaxed);
  if (coverage_) QUIRE_CHECK(coverage_->forget_failure());
  return file_.reopen_after_error();
}

UncheckedRanges Core::unchecked() noexcept {
  UncheckedRanges ranges;
  ranges.core_ = this;
  ranges.base_ = Factory::backing(file_)->base();
  ranges.size_ = &Factory::backing(file_)->size();
  if (data_ != nullptr) ranges.writable_size_ = ranges.size_;
  return ranges;
}

}  // namespace quire::ranged
