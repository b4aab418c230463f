// Copying a file.
//
// The protocol:
//   1. The source is opened and looked at. If `to` leads to the same file, that is all.
//   2. A new file is made beside `to` (os/new_file.hpp) and filled.
//   3. The source is looked at again: if it has changed since 1, the new file goes away.
//   4. The new file gets its permissions and is put in place.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "base/zeros.hpp"
#include "mapped/file_operations.hpp"
#include "mapped/with_path.hpp"
#include "os/new_file.hpp"

namespace quire::mapped {

namespace {

constexpr std::uint64_t kPiece = std::uint64_t{16} << 20;  // of a copy inside the system
constexpr std::size_t kBlock = std::size_t{1} << 20;       // of one by reading and writing
constexpr std::size_t kHoleGrain = std::size_t{64} << 10;
constexpr std::uint32_t kPermissionBits = 0777;
constexpr std::uint32_t kOwnerReadsAndWrites = 0600;  // as a file beside needs it

// Step 2. Errors of the target name it as `to`.
class Filling {
 public:
  Filling(os::File& source, const os::FileInfo& before, os::File& target, const std::string& to,
          const CopyFileOptions& options)
      : source_(source),
        target_(target),
        to_(to),
        options_(options),
        size_(before.size),
        has_holes_(before.allocated_bytes < before.size) {}

  // Returns how many bytes were copied: fewer than the source's size if it is shorter now, more if
  // it is one that reports no size.
  Result<std::uint64_t> run() {
    if (has_holes_) {
      // The system would fill them, where it does not share blocks.
      QUIRE_CHECK(with_path(target_.truncate(size_), to_));
    } else {
      QUIRE_CHECK(copy_inside());
    }
    QUIRE_CHECK(copy_by_reading());
    QUIRE_CHECK(check_stop());
    return done_;
  }

 private:
  // What fails here is tried again by reading and writing, which tells which of the files it is.
  Result<void> copy_inside() {
    while (done_ < size_) {
      QUIRE_CHECK(check_stop());
      const auto copied = target_.copy_from(source_, {done_, std::min(kPiece, size_ - done_)});
      if (!copied || *copied == 0) break;
      advance(*copied);
    }
    return {};
  }

  Result<void> copy_by_reading() {
    if (done_ == size_ && size_ > 0) return {};
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlock);
    while (done_ < size_ || size_ == 0) {
      QUIRE_CHECK(check_stop());
      const std::uint64_t most =
          size_ == 0 ? kBlock : std::min<std::uint64_t>(kBlock, size_ - done_);
      const std::span<std::byte> room(buffer.get(), static_cast<std::size_t>(most));
      QUIRE_TRY(const std::size_t got, source_.pread(done_, room));
      if (got == 0) break;
      QUIRE_CHECK(with_path(write(room.first(got)), to_));
      advance(got);
    }
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) {
    if (!has_holes_) return target_.write_all(done_, bytes);
    for (std::size_t at = 0; at < bytes.size(); at += kHoleGrain) {
      const auto grain = bytes.subspan(at, std::min(kHoleGrain, bytes.size() - at));
      if (!base::all_zeros(grain)) QUIRE_CHECK(target_.write_all(done_ + at, grain));
    }
    return {};
  }

  void advance(std::uint64_t length) {
    done_ += length;
    if (options_.progress) options_.progress(done_, std::max(size_, done_));
  }

  Result<void> check_stop() const {
    if (!options_.stop.stop_requested()) return {};
    return std::unexpected(Error(ErrorCode::cancelled, "copy").with_path(to_));
  }

  os::File& source_;
  os::File& target_;
  const std::string& to_;
  const CopyFileOptions& options_;
  const std::uint64_t size_;  // as the system reports it
  const bool has_holes_;
  std::uint64_t done_ = 0;
};

// What is at `to`, if anything. Errors: invalid_argument (the source).
Result<std::optional<os::FileInfo>> look_at_target(os::FileSystem& file_system,
                                                   const os::File& source, const std::string& to) {
  auto info = file_system.info(to);
  if (!info && info.error().code() == ErrorCode::not_found) return std::nullopt;
  if (!info) return std::unexpected(std::move(info).error());
  if (info->id == source.id()) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "copy")
                               .with_path(to)
                               .with_detail("this is " + source.path() + " itself"));
  }
  return *info;
}

// Who copies what a dead process left to where it should have gone would see it taken away by step
// 2. A lock says that someone needs it; if that fails, someone else has it.
void keep_if_leftover(os::FileSystem& file_system, os::File& source) {
  const auto path = file_system.resolve(source.path());
  if (path && path->contains(".quire-partial")) {
    ignore_error(source.try_lock(os::LockKind::shared));
  }
}

Result<void> check_unchanged(os::File& source, const os::FileInfo& before, std::uint64_t copied) {
  QUIRE_TRY(const os::FileInfo after, source.info());
  // A file of /proc reports no size, and has bytes.
  const bool whole = before.size == 0 || copied == before.size;
  if (whole && after.size == before.size && after.modified_ns == before.modified_ns) return {};
  return std::unexpected(Error(ErrorCode::changed, "copy")
                             .with_path(source.path())
                             .with_detail("someone changed it while it was copied"));
}

// Of a new file, which the umask made narrower than the source is.
Result<void> take_over_permissions(os::File& target, std::uint32_t permissions) {
  QUIRE_TRY(const os::FileInfo info, target.info());
  const std::uint32_t wanted = permissions | kOwnerReadsAndWrites;
  if (info.permissions == wanted) return {};
  return target.set_permissions(wanted);
}

}  // namespace

Result<void> copy_file(os::FileSystem& file_system, const std::string& from, const std::string& to,
                       const CopyFileOptions& options) {
  QUIRE_CHECK(check_file_name("copy", from));
  QUIRE_TRY(const auto source, file_system.open(from, os::OpenMode::read));
  QUIRE_TRY(const os::FileInfo before, source->info());
  QUIRE_TRY(const auto old, look_at_target(file_system, *source, to));
  keep_if_leftover(file_system, *source);

  const std::uint32_t permissions = before.permissions & kPermissionBits;
  QUIRE_TRY(os::NewFile fresh,
            with_path(os::NewFile::create(file_system, to, options.if_exists, permissions), to));
  Filling filling(*source, before, fresh.file(), to, options);
  QUIRE_TRY(const std::uint64_t copied, filling.run());
  QUIRE_CHECK(check_unchanged(*source, before, copied));
  // The place of an old file is taken with the old one's permissions, and never has wider ones.
  if (!old) QUIRE_CHECK(with_path(take_over_permissions(fresh.file(), permissions), to));
  return with_path(fresh.put_in_place(), to);
}

}  // namespace quire::mapped
