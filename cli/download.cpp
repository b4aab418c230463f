#include "cli/download.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

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
  void fetch() {
    std::vector<std::byte> buffer;
    while (auto piece = next()) {
      auto receipt = fetch_one(*piece, buffer);
      if (!receipt) {
        fail(std::move(receipt.error()));
        break;
      }
      const std::lock_guard lock(mutex_);
      receipts_.push_back(*receipt);
    }
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
Result<RangedFile> open_partial(const ByteSource& source, const std::string& path) {
  const SourceIdentity identity = source.identity();
  const RangedFileOptions options{
      .resume = true, .content_version = identity.version.substr(0, kMaxContentVersion)};
  // A size alone does not tell whether it is the same object.
  if (identity.strength != IdentityStrength::size_only) {
    auto file = RangedFile::open_or_create(path, source.size(), options);
    if (file || file.error().code() == ErrorCode::busy ||
        file.error().code() == ErrorCode::no_space ||
        file.error().code() == ErrorCode::permission ||
        file.error().code() == ErrorCode::not_found) {
      return file;
    }
  }
  return RangedFile::create_or_replace(path, source.size(), options);
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

Result<void> put_in_place(const std::string& from, const std::string& to, IfExists if_exists) {
  os::FileSystem& files = os::real_file_system();
  QUIRE_CHECK(files.rename(from, to, if_exists));
  const std::filesystem::path folder = std::filesystem::path(to).parent_path();
  return files.sync_directory(folder.empty() ? "." : folder.string());
}

}  // namespace

Outcome<Downloaded> download(const ByteSource& source, const std::string& target,
                             IfExists if_exists) {
  const std::string path = target + ".quire-copy";
  QUIRE_TRY(RangedFile file, open_partial(source, path));
  QUIRE_TRY(const Coverage coverage, file.coverage());
  QUIRE_TRY(std::vector<FileRange> missing, take_missing(file, coverage));
  std::uint64_t written = coverage.written_bytes;
  InterruptGuard interrupt;
  Progress progress("copying", "byte", source.size());
  Pieces pieces(source, std::move(missing));
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([&] { pieces.fetch(); });
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
  QUIRE_CHECK(file.finish());
  QUIRE_CHECK(put_in_place(path, target, if_exists));
  return Downloaded{.fetched = written - coverage.written_bytes};
}

}  // namespace quire::cli
