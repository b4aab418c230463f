#include "vector/row_file.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/random.hpp"
#include "base/try.hpp"
#include "os/fault_guard.hpp"
#include "os/memory.hpp"

namespace quire::vector {

namespace {

// Rows are allocated ahead by a quarter of the file, at least 64 KiB and at most 64 MiB: growing is rare,
// and a small store stays small.
constexpr std::uint64_t kLeastAhead = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostAhead = std::uint64_t{64} << 20;

constexpr std::uint64_t kPrefaultPiece = std::uint64_t{4} << 20;

}  // namespace

Error RowMap::fault(const char* operation, std::uint64_t row) const {
  return Error(ErrorCode::truncated, operation)
      .with_path(file_->path())
      .with_range({kHeaderBytes + row * stride_, stride_})
      .with_detail("the page cannot be read: the file was cut or its device failed");
}

Error RowMap::damage(const char* operation, std::uint64_t row, std::uint64_t id) const {
  return Error(ErrorCode::corrupt, operation)
      .with_path(file_->path())
      .with_range({kHeaderBytes + row * stride_, stride_})
      .with_detail("the checksum of row " + std::to_string(row) + " (id " + std::to_string(id) +
                   ") is wrong");
}

Result<void> RowMap::read(std::uint64_t row_number, std::span<std::byte> out) const {
  if (os::guarded_copy_from(out.data(), row(row_number), out.size()) != nullptr) {
    return std::unexpected(fault("get", row_number));
  }
  return {};
}

Result<void> RowMap::prefault(ByteRange rows) const {
  // In pieces, so that an error names the rows that it is about.
  const std::uint64_t piece = std::max<std::uint64_t>(1, kPrefaultPiece / stride_);
  for (std::uint64_t first = rows.offset; first < rows.end(); first += piece) {
    const std::uint64_t count = std::min(piece, rows.end() - first);
    auto done = os::populate(row(first), static_cast<std::size_t>(count * stride_), Prefault::read);
    if (done) continue;
    const ErrorCode code =
        done.error().code() == ErrorCode::io ? ErrorCode::truncated : done.error().code();
    return std::unexpected(Error(code, "prefault", done.error().system_code())
                               .with_path(file_->path())
                               .with_range({kHeaderBytes + first * stride_, count * stride_})
                               .with_detail("a page of these rows cannot be had"));
  }
  return {};
}

Result<void> RowMap::evict(ByteRange rows) const {
  const auto length = static_cast<std::size_t>(rows.length * stride_);
  auto done = os::advise(row(rows.offset), length, MemoryAdvice::page_out);
  if (done) return done;
  return std::unexpected(Error(done.error().code(), "evict", done.error().system_code())
                             .with_path(file_->path())
                             .with_range({kHeaderBytes + rows.offset * stride_, length})
                             .with_detail(done.error().detail()));
}

Result<void> RowMap::patch(std::uint64_t row_number, std::span<const std::byte> bytes) {
  std::byte* to = mapping_.data() + kHeaderBytes + row_number * stride_;
  bool same = false;
  const std::byte* faulted = os::guarded(
      to, bytes.size(), [&] { same = std::memcmp(to, bytes.data(), bytes.size()) == 0; });
  if (faulted == nullptr && same) return {};
  if (os::guarded_copy_to(to, bytes.data(), bytes.size()) != nullptr) {
    return std::unexpected(fault("open", row_number));
  }
  return {};
}

Result<std::unique_ptr<RowFile>> RowFile::create(os::FileSystem& file_system,
                                                 const std::string& directory,
                                                 const StoreIdentity& identity,
                                                 std::uint64_t generation) {
  const std::string path = os::join_path(directory, rows_name(generation));
  const FileHeader header{.role = FileRole::rows,
                          .identity = identity,
                          .number = generation,
                          .salt = base::random_u64(),
                          .first_lsn = 0};
  QUIRE_TRY(auto file, header.create_file(file_system, path));
  return std::unique_ptr<RowFile>(new RowFile(std::move(file), identity.stride(), kHeaderBytes));
}

Result<std::unique_ptr<RowFile>> RowFile::open(os::FileSystem& file_system,
                                               const std::string& directory,
                                               const Manifest& manifest, os::OpenMode mode) {
  const std::string path = os::join_path(directory, rows_name(manifest.generation));
  QUIRE_TRY(auto file, file_system.open(path, mode));
  QUIRE_CHECK(FileHeader::read(*file, FileRole::rows, manifest.identity, manifest.generation));
  QUIRE_TRY(const os::FileInfo info, file->info());
  const std::uint64_t stride = manifest.identity.stride();
  // row_limit <= 2^40 and stride <= 2^18: no overflow.
  const std::uint64_t needed = kHeaderBytes + manifest.row_limit * stride;
  if (info.size < needed) {
    return std::unexpected(Error(ErrorCode::truncated, "open")
                               .with_path(path)
                               .with_range({info.size, needed - info.size})
                               .with_detail("rows are missing: the file has " +
                                            std::to_string(info.size) + " of " +
                                            std::to_string(needed) + " bytes"));
  }
  return std::unique_ptr<RowFile>(new RowFile(std::move(file), stride, info.size));
}

Result<std::unique_ptr<RowFile>> RowFile::open_unchecked(os::FileSystem& file_system,
                                                         const std::string& directory,
                                                         const Manifest& manifest) {
  const std::string path = os::join_path(directory, rows_name(manifest.generation));
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read));
  QUIRE_TRY(const os::FileInfo info, file->info());
  return std::unique_ptr<RowFile>(
      new RowFile(std::move(file), manifest.identity.stride(), info.size));
}

void RowFile::allocate_ahead(std::uint64_t end) {
  const std::uint64_t ahead = std::clamp(end / 4, kLeastAhead, kMostAhead);
  // Only for speed: if there is no room ahead, or no fallocate, the write itself decides.
  if (file_->allocate({size_, end + ahead - size_})) {
    size_ = end + ahead;
  } else {
    ignore_error(file_->truncate(size_));  // what it got before the disk was full
  }
}

Result<void> RowFile::write(std::uint64_t first_row, std::span<const std::byte> rows) {
  const std::uint64_t offset = offset_of(first_row);
  const std::uint64_t end = offset + rows.size();
  if (end > size_) allocate_ahead(end);
  QUIRE_CHECK(file_->write_all(offset, rows));
  size_ = std::max(size_, end);
  return {};
}

Result<void> RowFile::reserve(std::uint64_t row_limit) {
  const std::uint64_t end = offset_of(row_limit);
  if (end <= size_) return {};
  auto reserved = file_->allocate({size_, end - size_});
  if (!reserved && reserved.error().code() == ErrorCode::unsupported) {
    reserved = file_->truncate(end);
  }
  if (reserved) {
    size_ = end;
  } else {
    // What it got before the disk was full: the log and the checkpoint need it.
    ignore_error(file_->truncate(size_));
  }
  return reserved;
}

Result<void> RowFile::read(std::uint64_t first_row, std::span<std::byte> out) const {
  return file_->read_exactly(offset_of(first_row), out);
}

Result<void> RowFile::trim(std::uint64_t row_limit) {
  const std::uint64_t end = offset_of(row_limit);
  if (size_ <= end) return {};
  QUIRE_CHECK(file_->truncate(end));
  size_ = end;
  return {};
}

Result<std::shared_ptr<const RowMap>> RowFile::map(std::uint64_t row_limit) {
  if (map_ && map_->covers(row_limit)) return map_;
  QUIRE_TRY(const os::FileInfo info, file_->info());
  const std::uint64_t needed = std::max(info.size, offset_of(row_limit));
  QUIRE_TRY(auto mapping, file_->map(os::MapAccess::read, os::default_reserve(needed)));
  if (mapping.size() < needed) {
    return std::unexpected(Error(ErrorCode::capacity, "map")
                               .with_path(path())
                               .with_range({0, needed})
                               .with_detail("the process may not have that much address space"));
  }
  map_ = std::make_shared<RowMap>(std::move(mapping), stride_, file_);
  return map_;
}

Result<std::shared_ptr<RowMap>> RowFile::map_private(std::uint64_t row_limit) {
  QUIRE_TRY(const os::FileInfo info, file_->info());
  const std::uint64_t needed = std::max(info.size, offset_of(row_limit));
  QUIRE_TRY(auto mapping, file_->map(os::MapAccess::private_copy, os::default_reserve(needed)));
  return std::make_shared<RowMap>(std::move(mapping), stride_, file_);
}

}  // namespace quire::vector
