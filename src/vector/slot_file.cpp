#include "vector/slot_file.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kEntriesPerBlock = 16'384;  // 768 KiB
// Space is taken ahead by a quarter of the file within these.
constexpr std::uint64_t kLeastAhead = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostAhead = std::uint64_t{16} << 20;

std::uint64_t offset_of(std::uint64_t entry) noexcept {
  return kHeaderBytes + entry * kSlotEntryBytes;
}

}  // namespace

Result<std::unique_ptr<SlotFile>> SlotFile::create(os::FileSystem& file_system,
                                                   const std::string& directory,
                                                   const StoreIdentity& identity,
                                                   std::uint64_t generation) {
  const std::string path = os::join_path(directory, slots_name(generation));
  const FileHeader header{.role = FileRole::slots,
                          .identity = identity,
                          .number = generation,
                          .salt = base::random_u64(),
                          .first_lsn = 0};
  QUIRE_TRY(auto file, header.create_file(file_system, path));
  return std::unique_ptr<SlotFile>(new SlotFile(std::move(file), header.salt, kHeaderBytes));
}

Result<std::unique_ptr<SlotFile>> SlotFile::open(os::FileSystem& file_system,
                                                 const std::string& directory,
                                                 const Manifest& manifest, os::OpenMode mode) {
  const std::string path = os::join_path(directory, slots_name(manifest.generation));
  QUIRE_TRY(auto file, file_system.open(path, mode));
  QUIRE_TRY(const FileHeader header,
            FileHeader::read(*file, FileRole::slots, manifest.identity, manifest.generation));
  QUIRE_TRY(const os::FileInfo info, file->info());
  return std::unique_ptr<SlotFile>(new SlotFile(std::move(file), header.salt, info.size));
}

Result<void> SlotFile::check_length(std::uint64_t count) const {
  QUIRE_TRY(const os::FileInfo info, file_->info());
  if (info.size >= offset_of(count)) return {};
  return std::unexpected(Error(ErrorCode::truncated, "open")
                             .with_path(path())
                             .with_range({info.size, offset_of(count) - info.size})
                             .with_detail("entries are missing: the file has " +
                                          std::to_string(info.size) + " of " +
                                          std::to_string(offset_of(count)) + " bytes"));
}

Result<void> SlotFile::read_block(std::uint64_t first, std::span<std::byte> out) const {
  return file_->read_exactly(offset_of(first), out);
}

Result<void> SlotFile::read(std::uint64_t count, const EntryVisitor& visit,
                            const DamageVisitor& damaged) const {
  // Before anything is allocated: the count comes from a file.
  QUIRE_CHECK(check_length(count));
  std::vector<std::byte> block(
      static_cast<std::size_t>(std::min(count, kEntriesPerBlock) * kSlotEntryBytes));
  for (std::uint64_t first = 0; first < count; first += kEntriesPerBlock) {
    const std::uint64_t entries = std::min(kEntriesPerBlock, count - first);
    const auto bytes = std::span(block).first(static_cast<std::size_t>(entries * kSlotEntryBytes));
    QUIRE_CHECK(read_block(first, bytes));
    for (std::uint64_t i = 0; i < entries; ++i) {
      SlotEntry entry;
      if (decode(first + i, bytes.subspan(i * kSlotEntryBytes, kSlotEntryBytes), entry)) {
        if (!visit(entry)) return {};
      } else if (!damaged({offset_of(first + i), kSlotEntryBytes},
                          "the checksum of entry " + std::to_string(first + i) + " is wrong")) {
        return {};
      }
    }
  }
  return {};
}

Result<void> SlotFile::reserve(std::uint64_t count) {
  const std::uint64_t end = offset_of(count);
  if (end <= reserved_) return {};
  const std::uint64_t ahead = std::clamp(end / 4, kLeastAhead, kMostAhead);
  auto taken = take_space(end + ahead);
  if (!taken && taken.error().code() == ErrorCode::no_space) taken = take_space(end);
  return taken;
}

Result<void> SlotFile::take_space(std::uint64_t end) {
  const auto taken = file_->allocate({reserved_, end - reserved_});
  // Where space cannot be had ahead, the checkpoint decides.
  if (taken || taken.error().code() == ErrorCode::unsupported) {
    reserved_ = end;
    return {};
  }
  // What it got before the disk was full. Entries lie before it: their space was reserved.
  ignore_error(file_->truncate(reserved_));
  return taken;
}

Result<void> SlotFile::trim(std::uint64_t count) {
  const std::uint64_t end = offset_of(count);
  if (reserved_ <= end) return {};
  QUIRE_CHECK(file_->truncate(end));
  reserved_ = end;
  return {};
}

Result<void> SlotFile::write(std::uint64_t first, std::span<const SlotEntry> entries) {
  std::vector<std::byte> block(entries.size() * kSlotEntryBytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].encode(std::span(block).subspan(i * kSlotEntryBytes, kSlotEntryBytes),
                      salt_ + first + i);
  }
  return file_->write_all(offset_of(first), block);
}

Result<void> SlotFile::append(const Catalog& catalog, std::uint64_t first, std::uint64_t end) {
  std::vector<SlotEntry> entries;
  for (std::uint64_t at = first; at < end; at += entries.size()) {
    const std::uint64_t count = std::min(kEntriesPerBlock, end - at);
    entries.clear();
    for (std::uint64_t i = 0; i < count; ++i) entries.push_back(catalog.entry(at + i));
    QUIRE_CHECK(write(at, entries));
  }
  return sync();
}

}  // namespace quire::vector
