#include "snapshot/snapshot_core.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <variant>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "base/try.hpp"

namespace quire::snapshot {

namespace {

// What opening reads at once: the tail and, for most, the whole root.
constexpr std::uint64_t kSuffixBytes = std::uint64_t{64} << 10;
// Tells pages from blocks among the keys of the cache.
constexpr std::uint64_t kPageKey = std::uint64_t{1} << 63;

std::string between(std::string_view noun, std::uint64_t first, std::uint64_t last) {
  std::string words(noun);
  words += ' ';
  words += std::to_string(first);
  words += " to ";
  words += std::to_string(last);
  return words;
}

std::unique_ptr<std::atomic<std::uint8_t>[]> flags(std::uint64_t count) {
  return std::make_unique<std::atomic<std::uint8_t>[]>(static_cast<std::size_t>(count));
}

// An object whose last bytes are no tail: a snapshot that was cut, or none.
Error no_tail(const ByteSource& source, const ReadOptions& options, Error error) {
  std::array<std::byte, 8> magic{};
  if (source.size() < magic.size() || !source.read_into(0, magic, options)) return error;
  if (!has_header_magic(magic)) return error;
  return Error(ErrorCode::truncated, "open")
      .with_path(source.name())
      .with_range(error.range())
      .with_detail("it begins as a snapshot, but its end is missing or damaged");
}

// True if rows can be shown where they lie.
bool is_aligned_memory(const ByteSource& source, std::size_t alignment) {
  const auto start = source.view(0, 0);
  return start && reinterpret_cast<std::uintptr_t>(start->data()) % alignment == 0;
}

SnapshotInfo info_of(const Tail& tail, const std::vector<RootEntry>& root) {
  SnapshotInfo info = tail.description.info();
  info.bytes = tail.file_size();
  if (!root.empty()) {
    info.first_id = root.front().first_id;
    info.last_id = root.back().last_id;
  }
  return info;
}

Result<std::vector<RootEntry>> decode_root(const Tail& tail, std::span<const std::byte> bytes,
                                           const std::string& name) {
  const auto corrupt = [&](const char* what) {
    return std::unexpected(Error(ErrorCode::corrupt, "open")
                               .with_path(name)
                               .with_range(tail.root_range())
                               .with_detail(what));
  };
  const Description& description = tail.description;
  if (base::checksum(bytes, description.salt()) != tail.root_checksum) {
    return corrupt("the root's checksum is wrong");
  }
  std::vector<RootEntry> root;
  root.reserve(bytes.size() / kRootEntryBytes);
  std::uint64_t offset = tail.pages_offset;
  for (std::size_t at = 0; at < bytes.size(); at += kRootEntryBytes) {
    const RootEntry entry = RootEntry::decode(bytes.subspan(at, kRootEntryBytes));
    if (entry.page.offset != offset || entry.page.length > tail.root_offset - offset ||
        entry.page.length > IdPage::most_bytes(description, root.size())) {
      return corrupt("the root names id pages that do not follow one another");
    }
    if (entry.first_id > entry.last_id ||
        (!root.empty() && entry.first_id <= root.back().last_id)) {
      return corrupt("the root's ids do not ascend");
    }
    offset += entry.page.length;
    root.push_back(entry);
  }
  if (offset != tail.root_offset) return corrupt("the root leaves bytes between the parts");
  return root;
}

}  // namespace

Result<std::shared_ptr<const SnapshotCore>> SnapshotCore::open(
    std::shared_ptr<const ByteSource> source, const OpenSnapshotOptions& options) {
  const std::uint64_t size = source->size();
  const std::string& name = source->name();
  if (size < kHeaderBytes + kTailBytes) {
    return std::unexpected(no_tail(*source, options.read,
                                   Error(ErrorCode::corrupt, "open")
                                       .with_path(name)
                                       .with_range({0, size})
                                       .with_detail("this is too short for a snapshot")));
  }
  // Copied out, so that a file that is cut meanwhile is an error and no signal.
  std::vector<std::byte> suffix(static_cast<std::size_t>(std::min(size, kSuffixBytes)));
  const std::uint64_t suffix_at = size - suffix.size();
  QUIRE_CHECK(source->read_into(suffix_at, suffix, options.read));
  const auto last = std::span(suffix).last(kTailBytes);
  if (!has_tail_magic(last)) {
    return std::unexpected(no_tail(*source, options.read,
                                   Error(ErrorCode::corrupt, "open")
                                       .with_path(name)
                                       .with_range({size - kTailBytes, kTailBytes})
                                       .with_detail("this is no snapshot, or its end is damaged")));
  }
  QUIRE_TRY(const Tail tail, Tail::decode(last, size, name));
  std::span<const std::byte> root;
  std::vector<std::byte> more;
  if (tail.root_offset >= suffix_at) {
    root = std::span(suffix).subspan(static_cast<std::size_t>(tail.root_offset - suffix_at),
                                     static_cast<std::size_t>(tail.root_length));
  } else {
    more.resize(static_cast<std::size_t>(tail.root_length));
    QUIRE_CHECK(source->read_into(tail.root_offset, more, options.read));
    root = more;
  }
  QUIRE_TRY(std::vector<RootEntry> entries, decode_root(tail, root, name));
  return std::shared_ptr<const SnapshotCore>(
      new SnapshotCore(std::move(source), tail, std::move(entries), options));
}

SnapshotCore::SnapshotCore(std::shared_ptr<const ByteSource> source, const Tail& tail,
                           std::vector<RootEntry> root, const OpenSnapshotOptions& options)
    : source_(std::move(source)),
      tail_(tail),
      root_(std::move(root)),
      info_(info_of(tail_, root_)),
      tail_checksum_(base::load_le<std::uint64_t>(std::span<const std::byte>(tail_.encode()),
                                                  kTailBytes - sizeof tail_checksum_)),
      owner_(source::BytesCache::new_owner()) {
  if (is_aligned_memory(*source_, element_alignment(description().element_type))) {
    checked_pages_ = flags(description().pages());
    checked_blocks_ = flags(description().blocks());
    tail_checksum_at_ = source_->view(0, 0)->data() + source_->size() - sizeof tail_checksum_;
    return;
  }
  const std::uint64_t block_bytes =
      std::min(description().rows, std::uint64_t{description().block_rows}) * stride();
  cache_ = std::make_unique<source::BytesCache>(
      source::BytesCacheOptions{.capacity_bytes = options.cache_bytes,
                                .entry_bytes = std::max<std::uint64_t>(block_bytes, 1)});
}

SnapshotCore::~SnapshotCore() = default;

std::uint64_t SnapshotCore::page_for(std::uint64_t id) const noexcept {
  return static_cast<std::uint64_t>(std::ranges::lower_bound(root_, id, {}, &RootEntry::last_id) -
                                    root_.begin());
}

bool SnapshotCore::has_tail() const noexcept {
  if (tail_checksum_at_ == nullptr) return true;
  std::uint64_t now = 0;
  const std::byte* fault = os::guarded(tail_checksum_at_, sizeof now, [&]() noexcept {
    std::memcpy(&now, tail_checksum_at_, sizeof now);
  });
  return fault == nullptr && now == tail_checksum_;
}

Error SnapshotCore::unreadable(ErrorCode code, const char* operation,
                               const std::byte* address) const {
  Error error(code, operation);
  if (const auto all = source_->view(0, source_->size())) {
    const auto offset = static_cast<std::uint64_t>(address - all->data());
    error = std::move(error).with_range({offset, source_->size() - offset});
  }
  return std::move(error)
      .with_path(source_->name())
      .with_detail(code == ErrorCode::changed
                       ? "the file was cut since it was opened"
                       : "a page of the map cannot be read: its device failed");
}

Error SnapshotCore::fault(const char* operation, const std::byte* address) const {
  return unreadable(has_tail() ? ErrorCode::io : ErrorCode::changed, operation, address);
}

Result<void> SnapshotCore::copy(const char* operation, std::span<const std::byte> bytes,
                                std::span<std::byte> out) const {
  const std::byte* fault = os::guarded_copy_from(out.data(), bytes.data(), out.size());
  if (fault != nullptr) return std::unexpected(this->fault(operation, fault));
  return check_tail(operation);
}

Result<void> SnapshotCore::check_tail(const char* operation) const {
  if (has_tail()) return {};
  return std::unexpected(unreadable(ErrorCode::changed, operation, tail_checksum_at_));
}

SnapshotDamage SnapshotCore::damage_of_page(std::uint64_t number, std::string_view what) const {
  const RootEntry& entry = root_[number];
  const std::uint64_t first = description().first_row(number * kBlocksPerPage);
  const std::uint64_t rows = description().rows_of_page(number);
  std::string words = "id page ";
  words += std::to_string(number);
  words += " (" + between("rows", first, first + rows - 1);
  words += ", " + between("ids", entry.first_id, entry.last_id);
  words += ") ";
  words += what;
  return {.range = entry.page,
          .what = std::move(words),
          .first_row = first,
          .rows = rows,
          .first_id = entry.first_id,
          .last_id = entry.last_id};
}

SnapshotDamage SnapshotCore::damage_of_block(std::uint64_t number, const BlockEntry& entry,
                                             std::string_view what) const {
  const std::uint64_t first = description().first_row(number);
  std::string words = "block ";
  words += std::to_string(number);
  words += " (" + between("rows", first, first + entry.rows - 1);
  words += ", " + between("ids", entry.first_id, entry.last_id);
  words += ") ";
  words += what;
  return {.range = entry.stored,
          .what = std::move(words),
          .first_row = first,
          .rows = entry.rows,
          .first_id = entry.first_id,
          .last_id = entry.last_id};
}

Result<void> SnapshotCore::check_page(std::uint64_t number,
                                      std::span<const std::byte> bytes) const {
  const RootEntry& entry = root_[number];
  std::uint64_t sum = 0;
  const char* wrong = nullptr;
  QUIRE_CHECK(guarded("read", bytes, [&]() noexcept {
    sum = base::checksum(bytes, description().salt() + number);
    if (sum == entry.checksum) wrong = IdPage::fault(bytes, description(), number, entry);
  }));
  if (sum == entry.checksum && wrong == nullptr) return {};
  SnapshotDamage damage = damage_of_page(number, wrong != nullptr ? wrong : kWrongChecksum);
  return std::unexpected(Error(ErrorCode::corrupt, "read")
                             .with_path(source_->name())
                             .with_range(damage.range)
                             .with_detail(std::move(damage.what)));
}

Result<void> SnapshotCore::check_block(std::uint64_t number, const BlockEntry& entry,
                                       std::span<const std::byte> bytes) const {
  std::uint64_t sum = 0;
  QUIRE_CHECK(guarded("read", bytes, [&]() noexcept {
    sum = base::checksum(bytes, description().salt() + number);
  }));
  if (sum == entry.checksum) return {};
  SnapshotDamage damage = damage_of_block(number, entry, kWrongChecksum);
  return std::unexpected(Error(ErrorCode::corrupt, "read")
                             .with_path(source_->name())
                             .with_range(damage.range)
                             .with_detail(std::move(damage.what)));
}

Result<Bytes> SnapshotCore::cached(std::uint64_t key, ByteRange range, const ReadOptions& options,
                                   const std::function<Result<Bytes>()>& load) const {
  auto bytes = cache_->get({owner_, key}, options, load);
  if (!bytes) return std::unexpected(placed(std::move(bytes).error(), range));
  return bytes;
}

Error SnapshotCore::placed(Error error, ByteRange range) const {
  if (!error.path().empty()) return error;
  return std::move(error).with_path(source_->name()).with_range(range);
}

Result<Checked> SnapshotCore::page(std::uint64_t number, const ReadOptions& options) const {
  const ByteRange range = root_[number].page;
  QUIRE_CHECK(source_->check_time("read", range, options));
  if (checked_pages_) {
    QUIRE_TRY(const auto bytes, source_->view(range.offset, range.length));
    if (checked_pages_[number].load(std::memory_order_relaxed) == 0) {
      QUIRE_CHECK(check_page(number, bytes));
      checked_pages_[number].store(1, std::memory_order_relaxed);
    }
    return Checked{bytes, {}};
  }
  QUIRE_TRY(Bytes bytes, cached(kPageKey | number, range, options, [&]() -> Result<Bytes> {
              QUIRE_TRY(Bytes read, source_->read(range.offset, range.length, options));
              QUIRE_CHECK(check_page(number, read.span()));
              return read;
            }));
  const auto span = bytes.span();
  return Checked{span, std::move(bytes)};
}

Result<BlockEntry> SnapshotCore::entry(std::uint64_t number, const ReadOptions& options) const {
  QUIRE_TRY(const Checked checked, page(number / kBlocksPerPage, options));
  BlockEntry entry;
  QUIRE_CHECK(guarded("read", checked.bytes, [&]() noexcept {
    const IdPage page(checked.bytes, description(), number / kBlocksPerPage);
    entry = page.block(static_cast<std::uint32_t>(number % kBlocksPerPage));
  }));
  return entry;
}

Result<void> SnapshotCore::ids(std::uint64_t number, std::uint32_t first,
                               std::span<std::uint64_t> out, const ReadOptions& options) const {
  QUIRE_TRY(const Checked checked, page(number / kBlocksPerPage, options));
  return guarded("read", checked.bytes, [&]() noexcept {
    const IdPage page(checked.bytes, description(), number / kBlocksPerPage);
    const BlockEntry block = page.block(static_cast<std::uint32_t>(number % kBlocksPerPage));
    for (std::uint32_t i = 0; i < out.size(); ++i) out[i] = page.id(block, first + i);
  });
}

Result<std::vector<std::uint64_t>> SnapshotCore::ids(std::uint64_t number,
                                                     const ReadOptions& options) const {
  std::vector<std::uint64_t> all(description().rows_of_block(number));
  QUIRE_CHECK(ids(number, 0, all, options));
  return all;
}

Result<Checked> SnapshotCore::block(std::uint64_t number, const ReadOptions& options) const {
  if (checked_blocks_) {
    const ByteRange range{kHeaderBytes + description().first_row(number) * stride(),
                          description().rows_of_block(number) * stride()};
    QUIRE_CHECK(source_->check_time("read", range, options));
    QUIRE_TRY(const auto bytes, source_->view(range.offset, range.length));
    if (checked_blocks_[number].load(std::memory_order_relaxed) == 0) {
      QUIRE_TRY(const BlockEntry wanted, entry(number, options));
      QUIRE_CHECK(check_block(number, wanted, bytes));
      checked_blocks_[number].store(1, std::memory_order_relaxed);
    }
    return Checked{bytes, {}};
  }
  // Before the block is claimed: who loads a block waits for nobody.
  QUIRE_TRY(const BlockEntry wanted, entry(number, options));
  QUIRE_TRY(Bytes bytes, cached(number, wanted.stored, options, [&]() -> Result<Bytes> {
              QUIRE_TRY(Bytes read,
                        source_->read(wanted.stored.offset, wanted.stored.length, options));
              QUIRE_CHECK(check_block(number, wanted, read.span()));
              const auto address = reinterpret_cast<std::uintptr_t>(read.data());
              if (address % element_alignment(description().element_type) == 0) return read;
              return Bytes::copy(read.span());
            }));
  const auto span = bytes.span();
  return Checked{span, std::move(bytes)};
}

Result<Bytes> SnapshotCore::row(std::uint64_t number, const ReadOptions& options) const {
  const std::uint32_t block_rows = description().block_rows;
  QUIRE_TRY(const Checked checked, block(number / block_rows, options));
  const auto offset = static_cast<std::size_t>(number % block_rows) * stride();
  if (!checked.keep.empty()) return checked.keep.slice(offset, stride());
  // This keeps its source, and with it the map.
  return Bytes::borrow(checked.bytes.subspan(offset, stride()), shared_from_this());
}

Result<void> SnapshotCore::each_page(std::span<const std::uint64_t> numbers,
                                     const ReadOptions& options, const Use& use) const {
  std::vector<Part> parts;
  parts.reserve(numbers.size());
  for (const std::uint64_t number : numbers) {
    parts.push_back({.key = kPageKey | number, .stored = root_[number].page});
  }
  const auto check = [&](std::size_t i, const Bytes& bytes) {
    return check_page(numbers[i], bytes.span());
  };
  return each(parts, options, check, use);
}

Result<void> SnapshotCore::each_block(std::span<const BlockPlace> blocks,
                                      const ReadOptions& options, const Use& use) const {
  std::vector<Part> parts;
  parts.reserve(blocks.size());
  for (const BlockPlace& block : blocks) {
    parts.push_back({.key = block.number, .stored = block.entry.stored});
  }
  const auto check = [&](std::size_t i, const Bytes& bytes) {
    return check_block(blocks[i].number, blocks[i].entry, bytes.span());
  };
  return each(parts, options, check, use);
}

// The order is that of CachedBlocks: nobody waits for others while he has claims.
Result<void> SnapshotCore::each(std::span<const Part> parts, const ReadOptions& options,
                                const Use& check, const Use& use) const {
  std::vector<std::size_t> wanted(parts.size());
  std::iota(wanted.begin(), wanted.end(), std::size_t{0});
  while (!wanted.empty()) {
    QUIRE_CHECK(source_->check_time("read", parts[wanted.front()].stored, options));
    std::vector<Claimed> claimed;
    std::vector<std::pair<std::size_t, source::BytesCache::Flight>> others;
    for (const std::size_t i : wanted) {
      source::BytesCache::Found found = cache_->find({owner_, parts[i].key});
      if (const auto* bytes = std::get_if<Bytes>(&found)) {
        QUIRE_CHECK(use(i, *bytes));
      } else if (auto* claim = std::get_if<source::BytesCache::Claim>(&found)) {
        claimed.push_back({.index = i, .claim = std::move(*claim)});
      } else {
        others.emplace_back(i, std::get<source::BytesCache::Flight>(found));
      }
    }
    if (auto loaded = load(parts, claimed, options, check, use); !loaded) {
      // Those who wait for a part that the error does not name try it themselves.
      const Error& error = loaded.error();
      for (auto& [i, claim] : claimed) {
        if (!error.has_range() || error.range().overlaps(parts[i].stored)) {
          claim.fail(error, options);
        }
      }
      return loaded;
    }
    wanted.clear();
    for (const auto& [i, flight] : others) {
      auto bytes = flight.wait(options);
      if (!bytes) return std::unexpected(placed(std::move(bytes).error(), parts[i].stored));
      if (*bytes) {
        QUIRE_CHECK(use(i, **bytes));
      } else {
        wanted.push_back(i);
      }
    }
  }
  return {};
}

Result<void> SnapshotCore::load(std::span<const Part> parts, std::span<Claimed> claimed,
                                const ReadOptions& options, const Use& check,
                                const Use& use) const {
  if (claimed.empty()) return {};
  std::vector<ByteRange> ranges;
  ranges.reserve(claimed.size());
  for (const Claimed& each : claimed) ranges.push_back(parts[each.index].stored);
  QUIRE_TRY(std::vector<Bytes> read, source_->read_many(ranges, options));
  for (std::size_t k = 0; k < claimed.size(); ++k) {
    // Into a buffer of its own: a slice would keep alive what was read together with it.
    std::vector<std::byte> own(read[k].size());
    QUIRE_CHECK(copy("read", read[k].span(), own));
    read[k] = Bytes();
    const Bytes bytes = Bytes::own(std::move(own));
    QUIRE_CHECK(check(claimed[k].index, bytes));
    claimed[k].claim.fulfil(bytes);
    QUIRE_CHECK(use(claimed[k].index, bytes));
  }
  return {};
}

Result<std::optional<RowPlace>> SnapshotCore::find_in(std::uint64_t number,
                                                      std::span<const std::byte> bytes,
                                                      std::uint64_t id) const {
  bool found = false;
  std::uint32_t index = 0;
  std::uint32_t row = 0;
  BlockEntry block;
  QUIRE_CHECK(guarded("find", bytes, [&]() noexcept {
    const IdPage page(bytes, description(), number);
    index = page.block_for(id);
    block = page.block(index);
    row = page.lower_bound(block, id);
    found = row < block.rows && page.id(block, row) == id;
  }));
  if (!found) return std::nullopt;
  return RowPlace{.row = description().first_row(number * kBlocksPerPage + index) + row,
                  .entry = block};
}

Result<std::optional<std::uint64_t>> SnapshotCore::find(std::uint64_t id,
                                                        const ReadOptions& options) const {
  const std::uint64_t number = page_for(id);
  if (number == root_.size() || id < root_[number].first_id) return std::nullopt;
  QUIRE_TRY(const Checked checked, page(number, options));
  QUIRE_TRY(const auto place, find_in(number, checked.bytes, id));
  if (!place) return std::nullopt;
  return place->row;
}

}  // namespace quire::snapshot
