#include "vector/slot_file.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kEntriesPerBlock = 16'384;  // 768 KiB

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
  return std::unique_ptr<SlotFile>(new SlotFile(std::move(file), header.salt));
}

Result<std::unique_ptr<SlotFile>> SlotFile::open(os::FileSystem& file_system,
                                                 const std::string& directory,
                                                 const Manifest& manifest, os::OpenMode mode) {
  const std::string path = os::join_path(directory, slots_name(manifest.generation));
  QUIRE_TRY(auto file, file_system.open(path, mode));
  QUIRE_TRY(const FileHeader header,
            FileHeader::read(*file, FileRole::slots, manifest.identity, manifest.generation));
  return std::unique_ptr<SlotFile>(new SlotFile(std::move(file), header.salt));
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
