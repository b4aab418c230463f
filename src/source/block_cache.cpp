#include "quire/block_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "source/buffer.hpp"
#include "source/cached_blocks.hpp"

namespace quire {
inline namespace v0 {

namespace {

using source::BlockStore;
using source::Buffer;
using source::CachedBlocks;
using source::Use;

constexpr std::uint32_t kLeastBlock = 512;
constexpr std::uint32_t kMostBlock = std::uint32_t{16} << 20;

// Copies the part of `range` that lies in a block to where it belongs; out[0] is the byte at range.offset.
void copy_common(ByteRange range, ByteRange where, const Bytes& block, std::byte* out) {
  const ByteRange common = range.intersect(where);
  std::memcpy(out + (common.offset - range.offset), block.data() + (common.offset - where.offset),
              common.length);
}

// The part of one range of a batch that lies in one block.
struct Piece {
  std::uint64_t block;
  std::size_t range;
};

class CachedSource final : public ByteSource {
 public:
  explicit CachedSource(std::shared_ptr<CachedBlocks> blocks)
      : ByteSource(blocks->behind().name(), blocks->behind().size(), blocks->behind().identity()),
        blocks_(std::move(blocks)) {}
  ~CachedSource() override { blocks_->close(); }
  CachedSource(const CachedSource&) = delete;
  CachedSource& operator=(const CachedSource&) = delete;

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& options) const override;
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& options) const override;
  Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                          const ReadOptions& options) const override;
  void do_hint(ByteRange range, AccessHint access) const override {
    blocks_->behind().hint(range, access);
  }

  Result<Bytes> read_in_block(ByteRange range, Use use, const ReadOptions& options) const;
  Result<void> copy(ByteRange range, std::byte* out, Use first, const ReadOptions& options) const;
  Error tell(Error error, ByteRange range, const ReadOptions& options) const;
  bool in_one_block(ByteRange range) const {
    return blocks_->number_of(range.offset) == blocks_->number_of(range.end() - 1);
  }
  Result<Bytes> slice(ByteRange range, std::uint64_t number, const Bytes& block) const {
    return block.slice(range.offset - blocks_->range_of(number).offset, range.length);
  }

  const std::shared_ptr<CachedBlocks> blocks_;
};

// An error as the caller of a read of `range` is to see it: about what he asked for, not about the block.
// His own end, where it came while he waited, does not say yet what he waited for.
Error CachedSource::tell(Error error, ByteRange range, const ReadOptions& options) const {
  if (!error.path().empty()) return std::move(error).with_range(range);
  const Result<void> in_time = check_time("read", range, options);
  return in_time ? error : in_time.error();
}

Result<Bytes> CachedSource::read_in_block(ByteRange range, Use use,
                                          const ReadOptions& options) const {
  const std::uint64_t number = blocks_->number_of(range.offset);
  const Result<Bytes> block = blocks_->block(number, use, options);
  if (!block) return std::unexpected(tell(block.error(), range, options));
  return slice(range, number, *block);
}

Result<Bytes> CachedSource::do_read(ByteRange range, const ReadOptions& options) const {
  const Use use = blocks_->observe(range);
  if (in_one_block(range)) return read_in_block(range, use, options);
  Buffer buffer(range.length);
  QUIRE_CHECK(copy(range, buffer.span().data(), use, options));
  return std::move(buffer).take();
}

Result<void> CachedSource::do_read_into(std::uint64_t offset, std::span<std::byte> out,
                                        const ReadOptions& options) const {
  const ByteRange range{offset, out.size()};
  const Use use = blocks_->observe(range);
  if (!in_one_block(range)) return copy(range, out.data(), use, options);
  QUIRE_TRY(const Bytes bytes, read_in_block(range, use, options));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return {};
}

Result<void> CachedSource::copy(ByteRange range, std::byte* out, Use first,
                                const ReadOptions& options) const {
  std::vector<std::uint64_t> numbers;
  const std::uint64_t last = blocks_->number_of(range.end() - 1);
  for (std::uint64_t n = blocks_->number_of(range.offset); n <= last; ++n) numbers.push_back(n);
  const auto take = [&](std::uint64_t number, const Bytes& block) {
    copy_common(range, blocks_->range_of(number), block, out);
  };
  const Result<void> copied = blocks_->each(numbers, first, options, take);
  if (!copied) return std::unexpected(tell(copied.error(), range, options));
  return {};
}

Result<std::vector<Bytes>> CachedSource::do_read_many(std::span<const ByteRange> ranges,
                                                      const ReadOptions& options) const {
  std::vector<Bytes> result(ranges.size());
  std::vector<std::optional<Buffer>> buffers(ranges.size());  // of those that span blocks
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const ByteRange range = ranges[i];
    if (!in_one_block(range)) buffers[i].emplace(range.length);
    const std::uint64_t last = blocks_->number_of(range.end() - 1);
    for (std::uint64_t n = blocks_->number_of(range.offset); n <= last; ++n) {
      pieces.push_back({n, i});
    }
  }
  std::ranges::sort(pieces, {}, &Piece::block);
  std::vector<std::uint64_t> numbers;
  for (const Piece& piece : pieces) {
    if (numbers.empty() || numbers.back() != piece.block) numbers.push_back(piece.block);
  }
  const auto take = [&](std::uint64_t number, const Bytes& block) {
    for (const Piece& piece : std::ranges::equal_range(pieces, number, {}, &Piece::block)) {
      const ByteRange range = ranges[piece.range];
      if (auto& buffer = buffers[piece.range]) {
        copy_common(range, blocks_->range_of(number), block, buffer->span().data());
      } else {
        result[piece.range] = *slice(range, number, block);
      }
    }
  };
  const Result<void> taken = blocks_->each(numbers, Use::counts, options, take);
  if (!taken) {
    const Error& error = taken.error();
    const ByteRange where = error.has_range() ? error.range() : ByteRange{0, size()};
    return std::unexpected(tell(error, where, options));
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (buffers[i]) result[i] = std::move(*buffers[i]).take();
  }
  return result;
}

class MemoryBlockCache final : public BlockCache {
 public:
  explicit MemoryBlockCache(const BlockCacheOptions& options)
      : store_(std::make_shared<BlockStore>(options.capacity_bytes, options.block_bytes)) {}

  std::shared_ptr<const ByteSource> attach(std::shared_ptr<const ByteSource> behind,
                                           const CachedSourceOptions& options) override {
    if (behind->has_view()) return behind;
    return std::make_shared<CachedSource>(
        std::make_shared<CachedBlocks>(store_, std::move(behind), options.max_read_ahead_bytes));
  }

  BlockCacheStats stats() const override {
    const source::BytesCacheStats cache = store_->cache.stats();
    return {.hits = cache.hits,
            .misses = cache.misses,
            .waits = cache.waits,
            .read_ahead = store_->read_ahead.load(std::memory_order_relaxed),
            .fetches = store_->fetches.load(std::memory_order_relaxed),
            .evictions = cache.evictions,
            .bytes_held = cache.bytes_held};
  }

 private:
  const std::shared_ptr<BlockStore> store_;
};

}  // namespace

BlockCache::~BlockCache() = default;

Result<std::shared_ptr<BlockCache>> BlockCache::create(const BlockCacheOptions& options) {
  const auto refuse = [](const char* sentence) {
    return std::unexpected(
        Error(ErrorCode::invalid_argument, "create block cache").with_detail(sentence));
  };
  if (!std::has_single_bit(options.block_bytes) || options.block_bytes < kLeastBlock ||
      options.block_bytes > kMostBlock) {
    return refuse("block_bytes is to be a power of two from 512 to 16 MiB");
  }
  if (options.capacity_bytes / 2 < options.block_bytes) {
    return refuse("capacity_bytes is to hold two blocks");
  }
  return std::make_shared<MemoryBlockCache>(options);
}

}  // namespace v0
}  // namespace quire
