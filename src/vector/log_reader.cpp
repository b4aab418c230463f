#include "vector/log_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/little_endian.hpp"
#include "base/try.hpp"
#include "base/zeros.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kWindow = std::uint64_t{1} << 20;

}  // namespace

Result<LogReader> LogReader::open(os::FileSystem& file_system, const std::string& directory,
                                  const StoreIdentity& identity, std::uint64_t number) {
  const std::string path = os::join_path(directory, log_name(number));
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read));
  QUIRE_TRY(const FileHeader header, FileHeader::read(*file, FileRole::log, identity, number));
  QUIRE_TRY(const os::FileInfo info, file->info());
  return LogReader(std::move(file), header, info.size);
}

Result<LogReader> LogReader::with_header(std::unique_ptr<os::File> file, const FileHeader& header) {
  QUIRE_TRY(const os::FileInfo info, file->info());
  return LogReader(std::move(file), header, std::max(info.size, kHeaderBytes));
}

Result<std::span<const std::byte>> LogReader::bytes_at(std::uint64_t offset, std::uint64_t length) {
  const ByteRange have{window_offset_, window_.size()};
  if (!have.contains({offset, length})) {
    window_.resize(static_cast<std::size_t>(std::min(std::max(length, kWindow), size_ - offset)));
    window_offset_ = offset;
    if (auto read = file_->read_exactly(offset, window_); !read) {
      window_.clear();
      return std::unexpected(std::move(read).error());
    }
  }
  return std::span<const std::byte>(window_).subspan(
      static_cast<std::size_t>(offset - window_offset_), static_cast<std::size_t>(length));
}

Result<bool> LogReader::decode_at(std::uint64_t offset, Record& record) {
  if (offset > size_ || size_ - offset < kRecordHeadBytes + kEndMarkBytes) return false;
  QUIRE_TRY(const auto head, bytes_at(offset, kRecordHeadBytes));
  const std::uint64_t length = claimed_length(head, size_ - offset);
  if (length == 0) return false;
  QUIRE_TRY(const auto bytes, bytes_at(offset, length));
  return decode_record(bytes, header_.salt + offset, header_.identity.stride(), record);
}

Result<bool> LogReader::peek(Record& record) { return decode_at(position_, record); }

Result<bool> LogReader::only_zeros_follow() {
  for (std::uint64_t at = position_; at < size_; at += kWindow) {
    QUIRE_TRY(const auto bytes, bytes_at(at, std::min(kWindow, size_ - at)));
    if (!base::all_zeros(bytes)) return false;
  }
  return true;
}

Result<std::optional<std::uint64_t>> LogReader::find_record(std::uint64_t durable, Record& record) {
  // Bytes that only look like the head of a record are rare by chance; many of them, each claiming a great
  // length, are made by someone.
  std::uint64_t budget = 16 * size_ + (std::uint64_t{64} << 20);
  for (std::uint64_t at = position_; size_ - at >= kRecordHeadBytes + kEndMarkBytes; at += 8) {
    QUIRE_TRY(const auto head, bytes_at(at, kRecordHeadBytes));
    // Cheap tests first: nearly every place is not a record.
    const std::uint64_t length = claimed_length(head, size_ - at);
    if (length == 0 || base::load_le<std::uint64_t>(head, 24) < durable) continue;
    if (length > budget) {
      return std::unexpected(
          Error(ErrorCode::corrupt, "open")
              .with_path(path())
              .with_range({position_, size_ - position_})
              .with_detail("what follows the last good record cannot be judged"));
    }
    budget -= length;
    QUIRE_TRY(const bool valid, decode_at(at, record));
    if (valid) return at;
  }
  return std::nullopt;
}

Result<bool> LogReader::skip_to_valid(Record& record) {
  QUIRE_TRY(const auto found, find_record(0, record));
  if (found) position_ = *found;
  return found.has_value();
}

Result<bool> LogReader::proves_durable(std::uint64_t lsn) {
  Record record;
  QUIRE_TRY(const auto found, find_record(lsn, record));
  return found.has_value();
}

}  // namespace quire::vector
