// Reads snapshots that hold hostile values: edits bytes of a small snapshot, makes the checksums right
// again so that the values are looked at, and opens it, verifies it and reads it all. Whatever comes, it is
// read or refused; it never crashes, hangs or allocates without bounds.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "quire/local_source.hpp"
#include "snapshot/format.hpp"
#include "snapshot/id_page.hpp"
#include "snapshot/memory_backends_fixture.hpp"
#include "vector/store_access.hpp"

namespace {

using quire::base::checksum;
using quire::base::load_le;
using quire::base::store_le;
using namespace quire::snapshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::uint32_t kDimension = 4;
constexpr std::size_t kRows = 140;

void check(bool condition) {
  if (!condition) std::abort();
}

// Two id pages: ids that follow one another, and ids with gaps of each width.
const Content& seed() {
  static const Content* content = [] {
    quire::os::SimulatedFileSystem disk;
    auto store = quire::vector::StoreAccess::create(
        disk, "/s", {.dimension = kDimension, .element_type = quire::ElementType::u8});
    check(store.has_value());
    std::vector<std::uint64_t> ids;
    ids.reserve(kRows);
    for (std::uint64_t i = 0; i < kRows; ++i) ids.push_back(i < 70 ? i : i * i * i * i * i * i);
    const std::vector<std::uint8_t> rows(kRows * kDimension, 7);
    check(store->put_batch(ids, rows).has_value());
    MemorySink sink;
    check(quire::write_snapshot(store->view(), sink, {.block_bytes = 2 * kDimension}).has_value());
    return new Content(sink.content());
  }();
  return *content;
}

// The parts of the seed: from the tail's fields.
struct Parts {
  explicit Parts(const Content& content) {
    const auto tail = std::span(content).last(kTailBytes);
    pages_offset = load_le<std::uint64_t>(tail, 128);
    root_offset = load_le<std::uint64_t>(tail, 136);
    root_length = load_le<std::uint64_t>(tail, 144);
    salt = load_le<std::uint64_t>(tail, 16);
  }
  std::uint64_t pages_offset, root_offset, root_length, salt;
};

// Makes the checksums right, from the blocks to the tail, where the parts are those of the seed.
void seal(std::span<std::byte> file, const Parts& parts) {
  const auto root = file.subspan(parts.root_offset, parts.root_length);
  std::uint64_t block_number = 0;
  for (std::size_t page_number = 0; page_number * kRootEntryBytes < root.size(); ++page_number) {
    const auto root_entry = root.subspan(page_number * kRootEntryBytes, kRootEntryBytes);
    const RootEntry entry = RootEntry::decode(root_entry);
    if (!entry.page.fits(file.size()) || entry.page.length < kPageHeadBytes) break;
    const auto page = file.subspan(entry.page.offset, entry.page.length);
    const std::uint64_t blocks = (page.size() - kPageHeadBytes) / kBlockEntryBytes;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(blocks, kBlocksPerPage); ++i) {
      const auto at = page.subspan(kPageHeadBytes + i * kBlockEntryBytes, kBlockEntryBytes);
      const quire::ByteRange stored{load_le<std::uint64_t>(at, 8), load_le<std::uint32_t>(at, 24)};
      if (!stored.fits(parts.pages_offset)) continue;
      store_le(at, 16,
               checksum(file.subspan(stored.offset, stored.length), parts.salt + block_number + i));
    }
    block_number += kBlocksPerPage;
    store_le(root_entry, 32, checksum(page, parts.salt + page_number));
  }
  const auto tail = file.last(kTailBytes);
  store_le(tail, 152, checksum(root, parts.salt));
  store_le(tail, 248, checksum(tail.first(248)));
}

void read_all(const std::shared_ptr<const quire::ByteSource>& source) {
  const auto snapshot = quire::Snapshot::open(source, {.cache_bytes = 4096});
  if (!snapshot) return;
  quire::ignore_error(snapshot->verify());
  quire::ignore_error(snapshot->ids());
  quire::ignore_error(snapshot->matrix_bytes());
  const std::array ids{std::uint64_t{0}, std::uint64_t{69}, std::uint64_t{70},
                       std::uint64_t{1} << 40, UINT64_MAX};
  for (const std::uint64_t id : ids) quire::ignore_error(snapshot->find_bytes(id));
  std::array<quire::Bytes, ids.size()> rows_of_ids;
  quire::ignore_error(snapshot->get_many(ids, rows_of_ids));
  auto scan = snapshot->scan(3);
  for (std::size_t steps = 0; steps < 2 * kRows; ++steps) {
    const auto rows = scan.next();
    if (rows && rows->ids.empty()) break;
    if (rows) {
      check(rows->rows.size() ==
            rows->ids.size() * quire::row_bytes(snapshot->element_type(), snapshot->dimension()));
      check(std::ranges::is_sorted(rows->ids));
    }
  }
  const std::vector<std::uint8_t> query(kDimension);
  quire::ignore_error(snapshot->nearest(query, 3));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && data[0] == 'Q') {  // now and then the input itself, as a file
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    const Content content(bytes, bytes + size);
    read_all(std::make_shared<const FetchedSource>(content));
    return 0;
  }
  Content content = seed();
  const Parts parts(content);
  // Edits of four bytes: where, from the first id page on, what, and whether to seal. The last byte left
  // over cuts the file.
  for (; size >= 4; data += 4, size -= 4) {
    const std::size_t behind = content.size() - parts.pages_offset;
    const std::size_t at = parts.pages_offset + (data[0] + 256U * data[1]) % behind;
    content[at] = static_cast<std::byte>(data[2]);
    if ((data[3] & 1U) == 0) seal(content, parts);
  }
  if (size == 3) content.resize(content.size() - std::min<std::size_t>(content.size(), data[0]));
  read_all(std::make_shared<const FetchedSource>(content));
  read_all(quire::memory_source(quire::Bytes::copy(content)));
  return 0;
}
