// Opens stores whose files hold hostile values: edits bytes of a small store, makes the checksums right
// again so that the values are looked at, and opens it, verifies it and reads it all. Whatever comes, the
// store is opened or refused; it never crashes, hangs or allocates without bounds.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "vector/log_record.hpp"
#include "vector/store_access.hpp"

namespace {

using quire::base::checksum;
using quire::base::load_le;
using quire::base::store_le;
using namespace quire::vector;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::array<const char*, 4> kFiles{"/s/MANIFEST", "/s/gen-1.slots", "/s/log-2.wal",
                                            "/s/gen-1.rows"};

void check(bool condition) {
  if (!condition) std::abort();
}

// Three vectors in a checkpoint, and two batches in the log.
const quire::os::SimulatedFileSystem& seed_disk() {
  static const auto* disk = [] {
    auto* made = new quire::os::SimulatedFileSystem;
    auto store =
        StoreAccess::create(*made, "/s", {.dimension = 4, .element_type = quire::ElementType::u8});
    check(store.has_value());
    const std::vector<std::uint8_t> row{1, 2, 3, 4};
    for (std::uint64_t id = 0; id < 3; ++id) check(store->put(id, row).has_value());
    check(store->checkpoint().has_value());
    check(store->put(9, row).has_value());
    check(store->remove(1).has_value());
    return made;
  }();
  return *disk;
}

// A whole file, read and written past the store.
class Content {
 public:
  Content(quire::os::SimulatedFileSystem& disk, const char* path)
      : file_(*disk.open(path, quire::os::OpenMode::read_write, 0)) {
    bytes_.resize(std::min<std::uint64_t>(file_->info()->size, 8192));
    check(file_->read_exactly(0, bytes_).has_value());
  }
  std::span<std::byte> bytes() { return bytes_; }
  void save() { check(file_->write_all(0, bytes_).has_value()); }

 private:
  std::unique_ptr<quire::os::File> file_;
  std::vector<std::byte> bytes_;
};

// Makes the checksums of one file right.
void seal(std::size_t which, std::span<std::byte> bytes) {
  if (which == 0) {
    store_le(bytes, 248, checksum(bytes.first(248)));
    return;
  }
  store_le(bytes, 4088, checksum(bytes.first(4088)));
  const auto salt = load_le<std::uint64_t>(bytes, 48);
  if (which == 1) {
    for (std::size_t i = 0; 4096 + (i + 1) * kSlotEntryBytes <= bytes.size(); ++i) {
      const auto entry = bytes.subspan(4096 + i * kSlotEntryBytes, kSlotEntryBytes);
      store_le(entry, 40, checksum(entry.first(40), salt + i));
    }
  }
  if (which == 2) {
    std::size_t at = 4096;
    while (at + kRecordHeadBytes <= bytes.size()) {
      const std::uint64_t length = claimed_length(bytes.subspan(at), bytes.size() - at);
      if (length == 0) break;
      const auto record = bytes.subspan(at, static_cast<std::size_t>(length));
      store_le(record, 0, checksum(record.subspan(8), salt + at));
      at += static_cast<std::size_t>(length);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quire::os::Random random(1);
  const auto disk = seed_disk().power_cut(quire::os::Survivors::all, random);
  // Edits of four bytes: which file, where (headers from their start, the rest from 4096 on), what.
  for (; size >= 4; data += 4, size -= 4) {
    const std::size_t which = data[0] % kFiles.size();
    Content content(*disk, kFiles[which]);
    const std::size_t base = (data[0] & 0x80U) != 0 ? 4096 : 0;
    const std::size_t at = base + data[1] + 256U * (data[2] & 1U);
    if (at >= content.bytes().size()) continue;
    content.bytes()[at] = static_cast<std::byte>(data[3]);
    if ((data[0] & 0x40U) == 0) seal(which, content.bytes());
    content.save();
  }
  for (const StoreMode mode : {StoreMode::read_only, StoreMode::read_write}) {
    auto store = StoreAccess::open(*disk, "/s", mode);
    if (!store) continue;
    quire::ignore_error(store->verify());
    const quire::ReadView view = store->view();
    std::vector<std::byte> out(quire::row_bytes(store->element_type(), store->dimension()));
    for (const std::uint64_t id : view.ids()) quire::ignore_error(store->get(id, out));
    quire::ignore_error(store->close());
  }
  return 0;
}
