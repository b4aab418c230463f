// VersionTable: every put and remove of a generation, in the order of their LSNs.
//
// Most versions have no older one and are newest, batches of many versions share an LSN, and rows follow
// each other as the versions do. So of a page of versions only id and checksum are always kept apart, 16
// bytes a version; what else its versions have in common is kept once, until one of them differs.
//
// Invariants:
//   1. Versions are appended by one writer and never move: leaf k holds kLeaf of them, so a number leads
//      to its place by arithmetic, and growing allocates one leaf.
//   2. A version is complete before its number is published (in the index, or as a count in a view);
//      after that only the LSN of the batch that supersedes it changes, once.
//   3. Version i is entry i of the slots file, so a checkpoint appends the tail of this table.
//   4. A column of a page that is not there says the same of each of its versions: the page's first LSN,
//      its row shift (row - number), no older version, not superseded. The column is complete for every version appended
//      before it appears.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace quire::vector {

inline constexpr std::uint64_t kNoRow = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t kNotSuperseded = std::numeric_limits<std::uint64_t>::max();

struct Version {
  std::uint64_t id;
  std::uint64_t lsn;
  std::uint64_t row;           // kNoRow for a remove
  std::uint64_t row_checksum;  // 0 for a remove
  std::uint64_t older;         // number + 1 of the version before it of the same id; 0 if none
  std::uint64_t superseded;    // LSN of the version after it; kNotSuperseded if none was seen

  bool is_put() const noexcept { return row != kNoRow; }
  // True if a view at `view_lsn` shows this version's row.
  bool is_live_at(std::uint64_t view_lsn) const noexcept {
    return is_put() && lsn <= view_lsn && superseded > view_lsn;
  }
};

// One thread appends and supersedes; any number read what was published to them. While nobody reads, as at
// open, several threads may `place` versions of different leaves, and then `replace` those of different
// ids.
class VersionTable {
 public:
  static constexpr std::uint64_t kLeaf = 4096;  // versions that are allocated together

  VersionTable() = default;
  VersionTable(const VersionTable&) = delete;
  VersionTable& operator=(const VersionTable&) = delete;
  ~VersionTable();

  std::uint64_t size() const noexcept { return size_; }  // writer only

  // Writer only. Returns the new version's number.
  std::uint64_t append(const Version& version);
  // Writer only. Says that a batch put or removed the id of `number` anew.
  void supersede(std::uint64_t number, std::uint64_t by_lsn) {
    column(number, &Page::superseded, kNotSuperseded)[number % kPage].store(
        by_lsn, std::memory_order_relaxed);
  }

  // Makes room for versions below `size`, which are then placed. REQUIRES: nobody else uses the table.
  void resize(std::uint64_t size);
  // Stores a version without older one. REQUIRES: those before it of its leaf were placed by this thread.
  void place(std::uint64_t number, std::uint64_t id, std::uint64_t lsn, std::uint64_t row,
             std::uint64_t row_checksum);
  // Says that `newer` is the version after `older` of the same id.
  void replace(std::uint64_t older, std::uint64_t newer) {
    column(newer, &Page::older, 0)[newer % kPage].store(older + 1, std::memory_order_relaxed);
    supersede(older, lsn(newer));
  }

  // REQUIRES of all that follow: `number` was published to the caller.
  Version operator[](std::uint64_t number) const noexcept {
    return {.id = id(number),
            .lsn = lsn(number),
            .row = row(number),
            .row_checksum = row_checksum(number),
            .older = older(number),
            .superseded = superseded(number)};
  }
  std::uint64_t id(std::uint64_t number) const noexcept {
    return leaf_of(number).ids[number % kLeaf];
  }
  std::uint64_t row_checksum(std::uint64_t number) const noexcept {
    return leaf_of(number).checksums[number % kLeaf];
  }
  std::uint64_t lsn(std::uint64_t number) const noexcept {
    const Page& page = page_of(number);
    return value(page.lsns, number, page.first_lsn);
  }
  std::uint64_t row(std::uint64_t number) const noexcept {
    const Page& page = page_of(number);
    return value(page.row_shifts, number, page.row_shift) + number;
  }
  std::uint64_t older(std::uint64_t number) const noexcept {
    return value(page_of(number).older, number, 0);
  }
  // A view at LSN v asks only whether this is at most v. If it is, the writer set it before it published
  // v, and the view was made after that; if it is not, any stale value says so too.
  std::uint64_t superseded(std::uint64_t number) const noexcept {
    return value(page_of(number).superseded, number, kNotSuperseded);
  }
  // True if a view at `view_lsn`, which has seen `number`, shows its row.
  bool is_live_at(std::uint64_t number, std::uint64_t view_lsn) const noexcept {
    return superseded(number) > view_lsn && row(number) != kNoRow;
  }
  // Calls visit(id, row) for each version from `first` to before `end` that is_live_at, in order: what a page
  // says of all its versions is looked at once.
  template <class Visit>
  void for_each_live(std::uint64_t first, std::uint64_t end, std::uint64_t view_lsn,
                     const Visit& visit) const {
    while (first < end) {
      const std::uint64_t page_end = std::min(end, (first / kPage + 1) * kPage);
      const Page& page = page_of(first);
      const std::uint64_t* const ids = &leaf_of(first).ids[first % kLeaf];
      if (has(page.superseded) || has(page.row_shifts) || page.row_shift + first > kNoRow - kPage) {
        for (std::uint64_t i = first; i < page_end; ++i) {
          if (is_live_at(i, view_lsn)) visit(ids[i - first], row(i));
        }
      } else {
        const std::uint64_t row = page.row_shift + first;
        for (std::uint64_t i = 0; i < page_end - first; ++i) visit(ids[i], row + i);
      }
      first = page_end;
    }
  }
  // Tells the processor that the version will be asked for.
  void prefetch(std::uint64_t number) const noexcept {
    const Leaf& leaf = leaf_of(number);
    __builtin_prefetch(&leaf.ids[number % kLeaf]);
    __builtin_prefetch(&leaf.checksums[number % kLeaf]);
    __builtin_prefetch(&leaf.pages[number % kLeaf / kPage]);
  }

 private:
  static constexpr std::uint64_t kPage = 256;  // versions that share what they have in common
  static constexpr unsigned kFirstBits = 6;
  static constexpr std::size_t kChunks = 40;

  using Values = std::array<std::atomic<std::uint64_t>, kPage>;
  using Column = std::atomic<Values*>;
  struct alignas(64) Page {
    std::uint64_t first_lsn = 0;
    std::uint64_t row_shift = 0;  // row - number, modulo 2^64
    Column lsns{};
    Column row_shifts{};
    Column older{};
    Column superseded{};
  };
  struct Leaf {
    std::array<Page, kLeaf / kPage> pages{};
    std::array<std::uint64_t, kLeaf> ids;
    std::array<std::uint64_t, kLeaf> checksums;
  };
  // Leaves are found through chunks of 2^(k + kFirstBits) pointers.
  using Leaves = std::unique_ptr<Leaf>[];
  struct Place {
    std::size_t chunk;
    std::uint64_t offset;
  };

  static Place place_of(std::uint64_t leaf) noexcept {
    const std::uint64_t shifted = leaf + (std::uint64_t{1} << kFirstBits);
    const auto chunk = static_cast<std::size_t>(std::bit_width(shifted)) - 1 - kFirstBits;
    if (chunk >= kChunks) std::unreachable();  // 2^57 versions; tells compilers that it is in range
    return {chunk, shifted - (std::uint64_t{1} << (chunk + kFirstBits))};
  }
  static bool has(const Column& column) noexcept {
    return column.load(std::memory_order_acquire) != nullptr;
  }
  // Acquire pairs with the release that made the column appear: invariant 4. The values themselves are
  // published with the number, but for `superseded`, of which see there.
  static std::uint64_t value(const Column& column, std::uint64_t number,
                             std::uint64_t common) noexcept {
    const Values* values = column.load(std::memory_order_acquire);
    return values == nullptr ? common : (*values)[number % kPage].load(std::memory_order_relaxed);
  }

  // Relaxed: the number that leads here was published with release after the chunk was stored.
  Leaf& leaf_of(std::uint64_t number) const noexcept {
    const Place place = place_of(number / kLeaf);
    return *chunks_[place.chunk].load(std::memory_order_relaxed)[place.offset];
  }
  Page& page_of(std::uint64_t number) const noexcept {
    return leaf_of(number).pages[number % kLeaf / kPage];
  }
  void add_leaf(std::uint64_t leaf);
  // The column of the page of `number`, made with `common` everywhere if it is not there.
  Values& column(std::uint64_t number, Column Page::* which, std::uint64_t common);

  std::array<std::atomic<std::unique_ptr<Leaf>*>, kChunks> chunks_{};
  std::array<std::unique_ptr<Leaves>, kChunks> owned_;
  std::uint64_t size_ = 0;
};

}  // namespace quire::vector
