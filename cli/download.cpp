#include "cli/download.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "os/file_system.hpp"
#include "quire/ranged_file.hpp"

namespace quire::cli {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{8} << 20;
constexpr unsigned kThreads = 4;
// Pieces that are written meanwhile share a sync.
constexpr std::chrono::milliseconds kBetweenSyncs{500};

// What the threads that fetch share with the one that syncs. Thread-safe.
class Pieces {
 public:
  Pieces(const ByteSource& source, std::vector<FileRange> pieces)
      : source_(source), pieces_(std::move(pieces)), threads_(kThreads) {
    std::ranges::reverse(pieces_);  // they are taken from the end, the first one first
  }

  // One thread: piece after piece, until none is left or someone failed.
  void fetch() noexcept {
    try {
      fetch_all();
    } catch (const std::bad_alloc&) {
      fail(Error(ErrorCode::capacity, "copy"));
    }
    end_thread();
  }
  // One that was counted, and has ended or could not begin.
  void end_thread() noexcept {
    const std::lock_guard lock(mutex_);
    --threads_;
    changed_.notify_all();
  }

  // Waits a while, or until all threads have ended; what was written since the last call. Nothing once they ended.
  std::optional<std::vector<WriteReceipt>> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kBetweenSyncs, [this] { return threads_ == 0; });
    if (threads_ == 0 && receipts_.empty()) return std::nullopt;
    return std::exchange(receipts_, {});
  }

  // The first error is the one that is told.
  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (result_) result_ = std::unexpected(std::move(error));
    stop_.request_stop();
  }
  void stop() noexcept { stop_.request_stop(); }
  Result<void> result() {
    const std::lock_guard lock(mutex_);
    return result_;
  }

 private:
  void fetch_all() {
    std::vector<std::byte> buffer;
    while (auto piece = next()) {
      auto receipt = fetch_one(*piece, buffer);
      if (!receipt) return fail(std::move(receipt.error()));
      const std::lock_guard lock(mutex_);
      receipts_.push_back(*receipt);
    }
  }
  std::optional<FileRange> next() {
    const std::lock_guard lock(mutex_);
    if (pieces_.empty() || stop_.stop_requested()) return std::nullopt;
    std::optional<FileRange> piece = std::move(pieces_.back());
    pieces_.pop_back();
    return piece;
  }
  Result<WriteReceipt> fetch_one(FileRange& piece, std::vector<std::byte>& buffer) {
    buffer.resize(static_cast<std::size_t>(piece.size()));
    QUIRE_CHECK(source_.read_into(piece.range().offset, buffer, {.stop = stop_.get_token()}));
    return piece.write(buffer);
  }

  const ByteSource& source_;
  std::stop_source stop_;
  std::mutex mutex_;  // for all below
  std::condition_variable changed_;
  std::vector<FileRange> pieces_;
  unsigned threads_;
  std::vector<WriteReceipt> receipts_;
  Result<void> result_;
};

// What an earlier start left, if it is of this version of this object; else a new file.
Result<RangedFile> open_partial(const ByteSource& source, const std::string& path,
                                std::uint32_t permissions) {
  const SourceIdentity& identity = source.identity();
  // Two objects may have the same ETag: which one it is counts too.
  const std::string object = source.name() + '\n' + identity.version;
  const auto bytes = std::as_bytes(std::span(object));
  const RangedFileOptions options{
      .permissions = permissions,
      .resume = true,
      .content_version =
          fmt::format("{:016x}{:016x}", base::checksum(bytes, 1), base::checksum(bytes, 2))};
  // A size alone does not tell whether it is the same object.
  if (identity.strength != IdentityStrength::size_only) {
    auto file = RangedFile::open_or_create(path, source.size(), options);
    const bool is_of_another = !file && (file.error().code() == ErrorCode::changed ||
                                         file.error().code() == ErrorCode::mismatch);
    if (!is_of_another) return file;
  }
  return RangedFile::create_or_replace(path, source.size(), options);
}

// The file that is to be replaced, or made.
struct Target {
  std::string path;  // behind symbolic links, which stay
  std::optional<std::uint32_t> permissions = std::nullopt;
};

Result<Target> look_at(const std::string& path, IfExists if_exists) {
  os::FileSystem& files = os::real_file_system();
  if (if_exists == IfExists::fail) {
    if (!files.info(path)) return Target{.path = path};
    return std::unexpected(Error(ErrorCode::exists, "copy").with_path(path));
  }
  Target target;
  QUIRE_TRY(target.path, files.resolve(path));
  const auto info = files.info(target.path);
  if (!info && info.error().code() != ErrorCode::not_found) return std::unexpected(info.error());
  if (info && info->kind != os::FileKind::regular) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "copy")
                               .with_path(path)
                               .with_detail("this is a special file, not a regular one"));
  }
  if (info) target.permissions = info->permissions;
  return target;
}

Result<std::vector<FileRange>> take_missing(RangedFile& file, const Coverage& coverage) {
  std::vector<FileRange> pieces;
  for (const ByteRange missing : coverage.missing) {
    for (std::uint64_t at = missing.offset; at < missing.end(); at += kPieceBytes) {
      QUIRE_TRY(FileRange piece, file.allocate_at({at, std::min(kPieceBytes, missing.end() - at)}));
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

Result<void> put_in_place(const std::string& from, const Target& to, IfExists if_exists) {
  os::FileSystem& files = os::real_file_system();
  if (to.permissions) {
    QUIRE_TRY(const auto file, files.open(from, os::OpenMode::read_write));
    QUIRE_CHECK(file->set_permissions(*to.permissions));  // past the umask
    QUIRE_CHECK(file->sync());
  }
  QUIRE_CHECK(files.rename(from, to.path, if_exists));
  const std::filesystem::path folder = std::filesystem::path(to.path).parent_path();
  return files.sync_directory(folder.empty() ? "." : folder.string());
}

}  // namespace

std::string partial_name(const std::string& target) { return target + ".quire-copy"; }

Outcome<Downloaded> download(const ByteSource& source, const std::string& name,
                             IfExists if_exists) {
  QUIRE_TRY(const Target target, look_at(name, if_exists));
  const std::string path = partial_name(target.path);
  QUIRE_TRY(RangedFile file, open_partial(source, path, target.permissions.value_or(0666) | 0600));
  QUIRE_TRY(const Coverage coverage, file.coverage());
  QUIRE_TRY(std::vector<FileRange> missing, take_missing(file, coverage));
  std::uint64_t written = coverage.written_bytes;
  InterruptGuard interrupt;
  Progress progress("copying", "byte", source.size());
  Pieces pieces(source, std::move(missing));
  std::vector<std::jthread> threads;
  threads.reserve(kThreads);
  for (unsigned i = 0; i < kThreads; ++i) {
    try {
      threads.emplace_back([&] { pieces.fetch(); });
    } catch (const std::system_error&) {  // no more threads: those there are do it
      pieces.end_thread();
    }
  }
  if (threads.empty()) pieces.fail(Error(ErrorCode::capacity, "copy").with_path(name));
  // After a failure too, until the threads have ended: what they wrote is kept.
  while (const auto receipts = pieces.wait()) {
    if (interrupt.requested()) pieces.stop();
    if (auto synced = file.sync(*receipts); !synced) {
      pieces.fail(std::move(synced.error()));
      continue;
    }
    for (const WriteReceipt& receipt : *receipts) written += receipt.range().length;
    progress.update(written);
  }
  threads.clear();
  if (interrupt.requested()) {
    return fail(interrupt.exit_status(),
                fmt::format("cp: interrupted; {} is kept, and the same command goes on", path));
  }
  QUIRE_CHECK(pieces.result());
  QUIRE_TRY(const Coverage all, file.coverage());
  if (!all.is_whole()) {
    return std::unexpected(Failure(Error(ErrorCode::truncated, "copy")
                                       .with_path(path)
                                       .with_range(all.missing.front())
                                       .with_detail("this was not written")));
  }
  // The journal goes last: whenever this is killed, the next start knows what there is.
  QUIRE_CHECK(file.close());
  QUIRE_CHECK(put_in_place(path, target, if_exists));
  ignore_error(os::real_file_system().remove(path + ".quire-coverage"));
  return Downloaded{.fetched = written - coverage.written_bytes};
}

}  // namespace quire::cli
