#include "snapshot/batch.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/try.hpp"

namespace quire::snapshot {

namespace {

// One of the ids that were asked for.
struct Asked {
  std::uint64_t id = 0;
  std::size_t index = 0;                            // in the batch
  std::optional<std::uint64_t> row = std::nullopt;  // once it was found
};

// How many of `parts`, at least one, are at most `most` bytes together.
template <class Part, class BytesOf>
std::size_t portion(std::span<const Part> parts, std::uint64_t most, BytesOf bytes_of) {
  std::size_t count = 1;
  std::uint64_t bytes = bytes_of(parts.front());
  while (count < parts.size() && bytes + bytes_of(parts[count]) <= most) {
    bytes += bytes_of(parts[count++]);
  }
  return count;
}

// Ids ascend in the root and in each page, which was checked: so rows ascend as their ids do.
class Batch {
 public:
  Batch(const SnapshotCore& core, std::span<const std::uint64_t> ids, const ReadOptions& options,
        std::uint64_t most_held)
      : core_(core), options_(options), most_held_(most_held) {
    asked_.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) asked_.push_back({.id = ids[i], .index = i});
    std::ranges::sort(asked_, {}, &Asked::id);
  }

  // Finds the rows of the ids, and the blocks of these.
  Result<void> find_rows() {
    const std::vector<std::uint64_t> all = pages();
    for (std::span<const std::uint64_t> left = all; !left.empty();) {
      const auto some = left.first(portion(
          left, most_held_, [this](std::uint64_t page) { return core_.root()[page].page.length; }));
      QUIRE_CHECK(core_.each_page(some, options_, [&](std::size_t i, const Bytes& page) {
        return look_into(some[i], page);
      }));
      left = left.subspan(some.size());
    }
    // Pages come in any order.
    std::ranges::sort(blocks_, {}, &BlockPlace::number);
    std::erase_if(asked_, [](const Asked& asked) { return !asked.row; });
    return {};
  }

  // Copies the rows that were found. Returns how many ids have one.
  Result<std::size_t> read_rows(std::span<Bytes> out) const {
    auto begin = asked_.begin();
    for (std::span<const BlockPlace> left = blocks_; !left.empty();) {
      const auto some = left.first(portion(
          left, most_held_, [](const BlockPlace& block) { return block.entry.stored.length; }));
      const auto end = std::find_if(begin, asked_.end(), [&](const Asked& asked) {
        return block_of(asked) > some.back().number;
      });
      QUIRE_CHECK(read_rows_of(some, std::span(begin, end), out));
      begin = end;
      left = left.subspan(some.size());
    }
    return asked_.size();
  }

 private:
  std::uint64_t block_of(const Asked& asked) const {
    return *asked.row / core_.description().block_rows;
  }

  // The pages that the ids may be in, ascending.
  std::vector<std::uint64_t> pages() const {
    std::vector<std::uint64_t> pages;
    for (const Asked& asked : asked_) {
      const std::uint64_t page = core_.page_for(asked.id);
      if (page == core_.root().size()) break;
      if (asked.id < core_.root()[page].first_id) continue;
      if (pages.empty() || pages.back() != page) pages.push_back(page);
    }
    return pages;
  }

  Result<void> look_into(std::uint64_t number, const Bytes& bytes) {
    const RootEntry& root = core_.root()[number];
    const auto first = std::ranges::lower_bound(asked_, root.first_id, {}, &Asked::id);
    const auto last = std::ranges::upper_bound(asked_, root.last_id, {}, &Asked::id);
    const std::size_t before = blocks_.size();
    for (auto asked = first; asked != last; ++asked) {
      QUIRE_TRY(const auto place, core_.find_in(number, bytes.span(), asked->id));
      if (!place) continue;
      asked->row = place->row;
      const std::uint64_t block = block_of(*asked);
      if (blocks_.size() == before || blocks_.back().number != block) {
        blocks_.push_back({.number = block, .entry = place->entry});
      }
    }
    return {};
  }

  // `asked` are those of `blocks`.
  Result<void> read_rows_of(std::span<const BlockPlace> blocks, std::span<const Asked> asked,
                            std::span<Bytes> out) const {
    std::vector<std::uint64_t> rows;
    for (const Asked& one : asked) {
      if (rows.empty() || rows.back() != *one.row) rows.push_back(*one.row);
    }
    const std::size_t stride = core_.stride();
    std::vector<std::byte> dense(rows.size() * stride);
    const auto copy_out = [&](std::size_t i, const Bytes& block) -> Result<void> {
      const std::uint64_t first = core_.description().first_row(blocks[i].number);
      const std::uint64_t end = first + blocks[i].entry.rows;
      for (auto row = std::ranges::lower_bound(rows, first); row != rows.end() && *row < end;
           ++row) {
        const auto from = static_cast<std::size_t>(*row - first) * stride;
        const auto to = static_cast<std::size_t>(row - rows.begin()) * stride;
        QUIRE_CHECK(core_.copy("get", block.span().subspan(from, stride),
                               std::span(dense).subspan(to, stride)));
      }
      return {};
    };
    QUIRE_CHECK(core_.each_block(blocks, options_, copy_out));
    const Bytes all = Bytes::own(std::move(dense));
    std::size_t at = 0;
    for (const Asked& one : asked) {
      if (rows[at] != *one.row) ++at;
      QUIRE_TRY(out[one.index], all.slice(at * stride, stride));
    }
    return {};
  }

  const SnapshotCore& core_;
  const ReadOptions& options_;
  const std::uint64_t most_held_;
  std::vector<Asked> asked_;        // ascending; once the rows were found, only those that have one
  std::vector<BlockPlace> blocks_;  // that hold the rows
};

}  // namespace

Result<std::size_t> get_many(const SnapshotCore& core, std::span<const std::uint64_t> ids,
                             std::span<Bytes> out, const ReadOptions& options,
                             std::uint64_t most_held) {
  if (core.is_in_place()) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      QUIRE_TRY(const auto row, core.find(ids[i], options));
      if (!row) continue;
      QUIRE_TRY(out[i], core.row(*row, options));
      ++found;
    }
    return found;
  }
  Batch batch(core, ids, options, most_held);
  QUIRE_CHECK(batch.find_rows());
  return batch.read_rows(out);
}

}  // namespace quire::snapshot
