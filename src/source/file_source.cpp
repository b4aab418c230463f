// The file source. How it notices that its file is not the one that was opened:
//   1. Size and time of change are taken when it is opened.
//   2. Each read is followed by a look at them. A write moves the time before its first byte can be read,
//      so whoever has read a new byte sees the new time behind it.
#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.hpp"
#include "base/try.hpp"
#include "os/cold_file_system.hpp"
#include "quire/executor.hpp"
#include "quire/local_source.hpp"
#include "source/buffer.hpp"
#include "source/coalesce.hpp"
#include "source/source_access.hpp"

namespace quire {

namespace source {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{4} << 20;  // between looks at the clock
// A gap of this much costs about as much as another call.
constexpr CoalesceOptions kCoalesce{.max_gap = std::uint64_t{16} << 10,
                                    .max_length = std::uint64_t{4} << 20};
constexpr std::size_t kHelpers = 2;  // threads beside the caller for a batch

std::string version_of(const os::FileInfo& info) {
  return std::to_string(info.id.device) + "-" + std::to_string(info.id.inode) + "-" +
         std::to_string(info.size) + "-" + std::to_string(info.modified_ns);
}

class FileSource final : public ByteSource {
 public:
  FileSource(std::unique_ptr<os::File> file, const os::FileInfo& info)
      : ByteSource(file->path(), info.size, {IdentityStrength::compared, version_of(info)}),
        file_(std::move(file)),
        opened_(info) {}

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& options) const override {
    Buffer buffer(static_cast<std::size_t>(range.length));
    QUIRE_CHECK(do_read_into(range.offset, buffer.span(), options));
    return std::move(buffer).take();
  }

  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& options) const override {
    const ByteRange range{offset, out.size()};
    for (std::size_t done = 0; done < out.size();) {
      if (done > 0) QUIRE_CHECK(check_time("read", range, options));
      const auto piece = out.subspan(done, std::min(kPieceBytes, out.size() - done));
      auto read = file_->read_exactly(offset + done, piece);
      if (!read && read.error().code() == ErrorCode::truncated) return changed(range);
      QUIRE_CHECK(std::move(read));
      done += piece.size();
    }
    return check_unchanged(range);
  }

  Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                          const ReadOptions& options) const override;

  void do_hint(ByteRange range, AccessHint access) const override {
    ignore_error(file_->advise(range, access));
  }

  Result<void> check_unchanged(ByteRange range) const {
    QUIRE_TRY(const os::FileInfo now, file_->info());
    if (now.size == opened_.size && now.modified_ns == opened_.modified_ns) return {};
    return changed(range);
  }

  std::unexpected<Error> changed(ByteRange range) const {
    std::string what = "the file was written since it was opened";
    if (const auto now = file_->info(); now && now->size != opened_.size) {
      what = "the file had " + std::to_string(opened_.size) + " bytes when it was opened, and has ";
      what += std::to_string(now->size);
    }
    return std::unexpected(Error(ErrorCode::changed, "read")
                               .with_path(name())
                               .with_range(range)
                               .with_detail(std::move(what)));
  }

  const std::unique_ptr<os::File> file_;
  const os::FileInfo opened_;
};

// Reads that some threads take in turn. The caller is one of them, so it waits only for reads that are
// under way, never for a thread to become free.
class SharedReads {
 public:
  using Read = std::move_only_function<Result<Bytes>(ByteRange)>;

  SharedReads(std::vector<MergedRead> reads, Read read)
      : reads_(std::move(reads)), read_(std::move(read)), results_(reads_.size()) {}

  // Takes reads until none is left.
  void work() QUIRE_EXCLUDES(mutex_) {
    while (true) {
      std::size_t index = 0;
      {
        const base::MutexLock lock(mutex_);
        if (next_ == reads_.size() || failure_) return;
        index = next_++;
        ++under_way_;
      }
      Result<Bytes> result = read(reads_[index].range);
      const base::MutexLock lock(mutex_);
      --under_way_;
      if (result) {
        results_[index] = *std::move(result);
      } else if (!failure_) {
        failure_ = std::move(result).error();
      }
      if (under_way_ == 0) idle_.notify_all();
    }
  }

  // REQUIRES: work() has returned on this thread.
  Result<std::vector<Bytes>> wait() QUIRE_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    while (under_way_ > 0) idle_.wait(mutex_);
    if (failure_) return std::unexpected(*failure_);
    return std::move(results_);
  }

  const std::vector<MergedRead>& reads() const noexcept { return reads_; }

 private:
  // A helper's thread has nobody who catches.
  Result<Bytes> read(ByteRange range) {
    try {
      return read_(range);
    } catch (const std::bad_alloc&) {
      return std::unexpected(Error(ErrorCode::capacity, "read"));
    }
  }

  const std::vector<MergedRead> reads_;
  Read read_;
  base::Mutex mutex_;
  base::Condition idle_;
  std::size_t next_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::size_t under_way_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::vector<Bytes> results_ QUIRE_GUARDED_BY(mutex_);
  std::optional<Error> failure_ QUIRE_GUARDED_BY(mutex_);
};

Result<std::vector<Bytes>> FileSource::do_read_many(std::span<const ByteRange> ranges,
                                                    const ReadOptions& options) const {
  const auto shared = std::make_shared<SharedReads>(
      coalesce(ranges, kCoalesce), [self = shared_from_this(), options](ByteRange range) {
        return self->read(range.offset, range.length, options);
      });
  const std::size_t helpers = std::min(kHelpers, shared->reads().size() - 1);
  for (std::size_t i = 0; i < helpers; ++i) {
    default_executor()->submit([shared] { shared->work(); });
  }
  shared->work();
  QUIRE_TRY(const std::vector<Bytes> read, shared->wait());
  std::vector<Bytes> results(ranges.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    const MergedRead& merged = shared->reads()[i];
    for (const std::size_t member : merged.members) {
      const ByteRange& range = ranges[member];
      QUIRE_TRY(results[member], read[i].slice(range.offset - merged.range.offset, range.length));
    }
  }
  return results;
}

}  // namespace

Result<std::shared_ptr<const ByteSource>> open_file_source(os::FileSystem& file_system,
                                                           const std::string& path) {
  if (path.empty()) {
    return std::unexpected(
        Error(ErrorCode::invalid_argument, "open").with_detail("this names no file"));
  }
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read));
  QUIRE_TRY(const os::FileInfo info, file->info());
  return std::make_shared<const FileSource>(std::move(file), info);
}

}  // namespace source

inline namespace v0 {

Result<std::shared_ptr<const ByteSource>> open_file_source(const std::string& path) {
  return source::open_file_source(os::real_file_system(), path);
}

Result<std::shared_ptr<const ByteSource>> open_cold_file_source(const std::string& path) {
  os::ColdFileSystem cold(os::real_file_system());
  return source::open_file_source(cold, path);
}

}  // namespace v0
}  // namespace quire
