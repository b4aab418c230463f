#include "vector/version_table.hpp"

#include <algorithm>

namespace quire::vector {

VersionTable::~VersionTable() {
  for (std::uint64_t first = 0; first < size_; first += kLeaf) {
    for (Page& page : leaf_of(first).pages) {
      for (Column* column : {&page.lsns, &page.row_shifts, &page.older, &page.superseded}) {
        delete column->load(std::memory_order_relaxed);
      }
    }
  }
}

std::uint64_t VersionTable::append(const Version& version) {
  if (size_ % kLeaf == 0) add_leaf(size_ / kLeaf);
  place(size_, version.id, version.lsn, version.row, version.row_checksum);
  if (version.older != 0) {
    column(size_, &Page::older, 0)[size_ % kPage].store(version.older, std::memory_order_relaxed);
  }
  if (version.superseded != kNotSuperseded) supersede(size_, version.superseded);
  return size_++;
}

void VersionTable::resize(std::uint64_t size) {
  for (std::uint64_t leaf = (size_ + kLeaf - 1) / kLeaf; leaf * kLeaf < size; ++leaf) {
    add_leaf(leaf);
    size_ = std::min(size, (leaf + 1) * kLeaf);  // what the destructor goes over
  }
  size_ = size;
}

void VersionTable::add_leaf(std::uint64_t leaf) {
  const Place place = place_of(leaf);
  std::unique_ptr<Leaf>* chunk = chunks_[place.chunk].load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    owned_[place.chunk] = std::make_unique<Leaves>(std::size_t{1} << (place.chunk + kFirstBits));
    chunk = owned_[place.chunk].get();
    chunks_[place.chunk].store(chunk, std::memory_order_relaxed);
  }
  // Not again, if memory ran out on the last attempt after the leaf was made.
  if (chunk[place.offset] == nullptr) {
    chunk[place.offset] = std::make_unique_for_overwrite<Leaf>();
  }
}

void VersionTable::place(std::uint64_t number, std::uint64_t id, std::uint64_t lsn,
                         std::uint64_t row, std::uint64_t row_checksum) {
  Leaf& leaf = leaf_of(number);
  Page& page = leaf.pages[number % kLeaf / kPage];
  leaf.ids[number % kLeaf] = id;
  leaf.checksums[number % kLeaf] = row_checksum;
  const std::uint64_t shift = row - number;
  if (number % kPage == 0) {
    page.first_lsn = lsn;
    page.row_shift = shift;
  }
  if (lsn != page.first_lsn || page.lsns.load(std::memory_order_relaxed) != nullptr) {
    column(number, &Page::lsns, page.first_lsn)[number % kPage].store(lsn,
                                                                      std::memory_order_relaxed);
  }
  if (shift != page.row_shift || page.row_shifts.load(std::memory_order_relaxed) != nullptr) {
    column(number, &Page::row_shifts, page.row_shift)[number % kPage].store(
        shift, std::memory_order_relaxed);
  }
}

VersionTable::Values& VersionTable::column(std::uint64_t number, Column Page::* which,
                                           std::uint64_t common) {
  Column& column = page_of(number).*which;
  Values* values = column.load(std::memory_order_acquire);
  if (values != nullptr) return *values;
  auto made = std::make_unique<Values>();
  for (auto& one : *made) one.store(common, std::memory_order_relaxed);
  // Another thread may have been first, at open. Release: invariant 4.
  if (column.compare_exchange_strong(values, made.get(), std::memory_order_acq_rel)) {
    values = made.release();
  }
  return *values;
}

}  // namespace quire::vector
