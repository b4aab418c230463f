#include "vector/log_writer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

// Space is written with zeros ahead of the records, because syncing blocks that were written before
// takes half the time of fresh ones: as much as the log has, at least 16 KiB and at most 1 MiB.
constexpr std::uint64_t kLeastAhead = std::uint64_t{16} << 10;
constexpr std::uint64_t kMostAhead = std::uint64_t{1} << 20;

}  // namespace

Result<LogWriter> LogWriter::create(os::FileSystem& file_system, const std::string& directory,
                                    const StoreIdentity& identity, std::uint64_t number,
                                    std::uint64_t first_lsn, std::uint64_t durable_lsn,
                                    const std::optional<std::string>& spare) {
  const std::string path = os::join_path(directory, log_name(number));
  const FileHeader header{.role = FileRole::log,
                          .identity = identity,
                          .number = number,
                          .salt = base::random_u64(),
                          .first_lsn = first_lsn,
                          .durable_lsn = durable_lsn};
  if (spare) return make_of(file_system, directory, *spare, path, header);
  auto created = header.create_file(file_system, path);
  if (!created && created.error().code() == ErrorCode::exists) {
    QUIRE_CHECK(file_system.remove(path));
    created = header.create_file(file_system, path);
  }
  QUIRE_TRY(auto file, std::move(created));
  QUIRE_CHECK(file_system.sync_directory(directory));
  return LogWriter(std::move(file), number, header.salt, kHeaderBytes);
}

// The header is durable before the file has a log's name.
Result<LogWriter> LogWriter::make_of(os::FileSystem& file_system, const std::string& directory,
                                     const std::string& spare, const std::string& path,
                                     const FileHeader& header) {
  {
    QUIRE_TRY(auto file, file_system.open(spare, os::OpenMode::read_write));
    QUIRE_CHECK(file->write_all(0, header.encode()));
    QUIRE_CHECK(file->sync());
  }
  QUIRE_CHECK(file_system.rename(spare, path, IfExists::replace));
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read_write));
  QUIRE_TRY(const os::FileInfo info, file->info());
  QUIRE_CHECK(file_system.sync_directory(directory));
  return LogWriter(std::move(file), header.number, header.salt, info.size);
}

Result<LogWriter> LogWriter::open_empty(os::FileSystem& file_system, const std::string& directory,
                                        const StoreIdentity& identity, std::uint64_t number) {
  const std::string path = os::join_path(directory, log_name(number));
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read_write));
  QUIRE_TRY(const FileHeader header, FileHeader::read(*file, FileRole::log, identity, number));
  QUIRE_CHECK(file->write_all(0, header.encode()));
  file->forget_sync_failure();
  QUIRE_CHECK(file->sync());
  QUIRE_TRY(const os::FileInfo info, file->info());
  return LogWriter(std::move(file), number, header.salt, std::max(info.size, kHeaderBytes));
}

void LogWriter::write_zeros_ahead() {
  const std::uint64_t ahead = std::clamp(end_ - kHeaderBytes, kLeastAhead, kMostAhead);
  const std::uint64_t until = (end_ + ahead + 4095) / 4096 * 4096;
  const std::vector<std::byte> zeros(static_cast<std::size_t>(until - end_));
  // Only for speed: where there is no room for zeros, the next record's own write decides.
  if (file_->write_all(end_, zeros)) zeroed_until_ = until;
}

Result<void> LogWriter::append(const RecordHead& head, std::span<const Operation> operations,
                               std::span<const std::span<const std::byte>> rows) {
  const std::vector<std::byte> record = encode_record(head, operations, rows, salt_ + end_);
  const std::uint64_t end = end_ + record.size();
  spoiled_ = true;
  QUIRE_CHECK(file_->write_all(end_, record));
  spoiled_ = false;
  unsynced_ = true;
  end_ = end;
  if (end_ > zeroed_until_) {
    zeroed_until_ = end_;
    write_zeros_ahead();
  }
  return {};
}

Result<void> LogWriter::sync() {
  QUIRE_CHECK(file_->sync());
  unsynced_ = false;
  return {};
}

}  // namespace quire::vector
