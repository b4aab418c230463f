#include "vector/readable_file.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"

namespace quire::vector {

namespace {

constexpr std::byte kUnreadable{0xA5};

class ReadableFile final : public os::File {
 public:
  ReadableFile(std::unique_ptr<os::File> file, UnreadableVisitor visit)
      : File(file->path(), file->id()), file_(std::move(file)), visit_(std::move(visit)) {}

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> out) override {
    auto got = file_->pread(offset, out);
    if (got || got.error().code() != ErrorCode::io) return got;
    return read_by_sectors(offset, out);
  }
  Result<os::FileInfo> info() override { return file_->info(); }
  Result<os::SpaceInfo> space() override { return file_->space(); }
  Result<void> advise(ByteRange range, AccessHint access) override {
    return file_->advise(range, access);
  }

  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    return refuse("write", {offset, in.size()});
  }
  Result<void> allocate(ByteRange range) override { return refuse("allocate", range); }
  Result<void> truncate(std::uint64_t size) override { return refuse("truncate", {size, 0}); }
  Result<void> start_writeback(ByteRange range) override {
    return refuse("start_writeback", range);
  }
  Result<void> set_permissions(std::uint32_t /*permissions*/) override {
    return refuse("set_permissions", {});
  }
  Result<os::Mapping> map(os::MapAccess /*access*/, std::uint64_t /*reserve*/) override {
    return refuse("map", {});
  }
  Result<void> try_lock(os::LockKind /*kind*/) override { return refuse("lock", {}); }
  Result<void> unlock() override { return refuse("unlock", {}); }

 protected:
  Result<void> do_sync() override { return refuse("sync", {}); }
  Result<void> do_sync_range(const os::Mapping& /*mapping*/, ByteRange range) override {
    return refuse("sync_range", range);
  }

 private:
  // A file that ends earlier gives fewer bytes, as always.
  Result<std::size_t> read_by_sectors(std::uint64_t offset, std::span<std::byte> out) {
    QUIRE_TRY(const os::FileInfo now, file_->info());
    const std::uint64_t end = std::min(now.size, offset + out.size());
    for (std::uint64_t at = offset; at < end;) {
      const std::uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      const auto bytes =
          out.subspan(static_cast<std::size_t>(at - offset), static_cast<std::size_t>(next - at));
      if (auto read = file_->read_exactly(at, bytes); !read) {
        if (read.error().code() != ErrorCode::io) return std::unexpected(std::move(read).error());
        std::ranges::fill(bytes, kUnreadable);
        const std::uint64_t sector = at / kSectorBytes * kSectorBytes;
        visit_(path(), {sector, std::min(kSectorBytes, now.size - sector)});
      }
      at = next;
    }
    return static_cast<std::size_t>(end - std::min(end, offset));
  }

  std::unexpected<Error> refuse(const char* operation, ByteRange range) const {
    return std::unexpected(
        Error(ErrorCode::unsupported, operation).with_path(path()).with_range(range));
  }

  const std::unique_ptr<os::File> file_;
  const UnreadableVisitor visit_;
};

}  // namespace

std::unique_ptr<os::File> readable_file(std::unique_ptr<os::File> file, UnreadableVisitor visit) {
  return std::make_unique<ReadableFile>(std::move(file), std::move(visit));
}

}  // namespace quire::vector
