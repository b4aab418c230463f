// A small store on a simulated file system, with bytes of its files changed as the fuzzer says, and the checksums
// made right again, so that the values are looked at.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "vector/log_record.hpp"
#include "vector/store_access.hpp"

namespace quire::vector {

inline constexpr std::array<const char*, 5> kHostileFiles{
    "/s/MANIFEST", "/s/gen-1.slots", "/s/log-2.wal", "/s/gen-1.rows", "/s/LOCK"};

inline void check(bool condition) {
  if (!condition) std::abort();
}

// What a writer that lives tells readers in LOCK; without a checksum.
inline void write_control_page(os::SimulatedFileSystem& disk) {
  auto lock = *disk.open("/s/LOCK", os::OpenMode::read_write, 0);
  auto manifest = *disk.open("/s/MANIFEST", os::OpenMode::read, 0);
  std::array<std::byte, 64> page{};
  constexpr std::string_view kMagic = "QUIRECTL";
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  check(manifest->read_exactly(16, std::span(page).subspan(16, 16)).has_value());
  base::store_le<std::uint64_t>(page, 32, 1);
  base::store_le<std::uint64_t>(page, 40, 5);
  base::store_le(page, 56, base::checksum(std::span<const std::byte>(page).first(56)));
  check(lock->write_all(0, page).has_value());
}

// Three vectors in a checkpoint, and two batches in the log.
inline const os::SimulatedFileSystem& seed_disk() {
  static const auto* disk = [] {
    auto* made = new os::SimulatedFileSystem;
    {
      auto store =
          StoreAccess::create(*made, "/s", {.dimension = 4, .element_type = ElementType::u8});
      check(store.has_value());
      const std::vector<std::uint8_t> row{1, 2, 3, 4};
      for (std::uint64_t id = 0; id < 3; ++id) check(store->put(id, row).has_value());
      check(store->checkpoint().has_value());
      check(store->put(9, row).has_value());
      check(store->remove(1).has_value());
    }
    write_control_page(*made);
    return made;
  }();
  return *disk;
}

// A whole file, read and written past the store.
class Content {
 public:
  Content(os::SimulatedFileSystem& disk, const char* path)
      : file_(*disk.open(path, os::OpenMode::read_write, 0)) {
    bytes_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(file_->info()->size, 8192)));
    check(file_->read_exactly(0, bytes_).has_value());
  }
  std::span<std::byte> bytes() { return bytes_; }
  void save() { check(file_->write_all(0, bytes_).has_value()); }

 private:
  std::unique_ptr<os::File> file_;
  std::vector<std::byte> bytes_;
};

inline void seal_slots(std::span<std::byte> bytes, std::uint64_t salt) {
  for (std::size_t i = 0; 4096 + (i + 1) * kSlotEntryBytes <= bytes.size(); ++i) {
    const auto entry = bytes.subspan(4096 + i * kSlotEntryBytes, kSlotEntryBytes);
    base::store_le(entry, 40, base::checksum(entry.first(40), salt + i));
  }
}

inline void seal_log(std::span<std::byte> bytes, std::uint64_t salt) {
  std::size_t at = 4096;
  while (at + kRecordHeadBytes <= bytes.size()) {
    const std::uint64_t length = claimed_length(bytes.subspan(at), bytes.size() - at);
    if (length == 0) return;
    const auto record = bytes.subspan(at, static_cast<std::size_t>(length));
    base::store_le(record, 0, base::checksum(record.subspan(8), salt + at));
    at += static_cast<std::size_t>(length);
  }
}

// Makes the checksums of file `which` right.
inline void seal(std::size_t which, std::span<std::byte> bytes) {
  if (which == 0) return base::store_le(bytes, 248, base::checksum(bytes.first(248)));
  if (which == 4) return base::store_le(bytes, 56, base::checksum(bytes.first(56)));
  base::store_le(bytes, 4088, base::checksum(bytes.first(4088)));
  const auto salt = base::load_le<std::uint64_t>(bytes, 48);
  if (which == 1) seal_slots(bytes, salt);
  if (which == 2) seal_log(bytes, salt);
}

// The seed with edits of four bytes: which file (bit 7: behind its header; bit 6: the checksums stay wrong),
// where (two bytes), what.
inline std::unique_ptr<os::SimulatedFileSystem> hostile_disk(std::span<const std::uint8_t> edits) {
  os::Random random(1);
  auto disk = seed_disk().power_cut(os::Survivors::all, random);
  for (; edits.size() >= 4; edits = edits.subspan(4)) {
    const std::size_t which = (edits[0] & 0x3fU) % kHostileFiles.size();
    Content content(*disk, kHostileFiles[which]);
    const std::size_t base = (edits[0] & 0x80U) != 0 ? 4096 : 0;
    const std::size_t at = base + edits[1] + 256U * (edits[2] & 1U);
    if (at >= content.bytes().size()) continue;
    content.bytes()[at] = static_cast<std::byte>(edits[3]);
    if ((edits[0] & 0x40U) == 0) seal(which, content.bytes());
    content.save();
  }
  return disk;
}

}  // namespace quire::vector
