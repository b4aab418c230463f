#include "source/cached_blocks.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "quire/executor.hpp"
#include "source/buffer.hpp"

namespace quire::source {

namespace {

Result<Bytes> copy_out(const Bytes& fetched, ByteRange run, ByteRange part) {
  QUIRE_TRY(const Bytes slice, fetched.slice(part.offset - run.offset, part.length));
  Buffer buffer(slice.size());
  std::memcpy(buffer.span().data(), slice.data(), slice.size());
  return std::move(buffer).take();
}

}  // namespace

CachedBlocks::CachedBlocks(std::shared_ptr<BlockStore> store,
                           std::shared_ptr<const ByteSource> behind,
                           std::uint64_t max_read_ahead_bytes)
    : store_(std::move(store)),
      behind_(std::move(behind)),
      read_ahead_(behind_->size(), store_->block_bytes,
                  std::min(max_read_ahead_bytes, store_->capacity_bytes / 2)) {}

CachedBlocks::~CachedBlocks() { store_->cache.forget(owner_); }

void CachedBlocks::close() { closing_.request_stop(); }

ByteRange CachedBlocks::range_of(std::uint64_t number) const {
  const std::uint64_t offset = number * store_->block_bytes;
  return {offset, std::min(store_->block_bytes, behind_->size() - offset)};
}

Result<Bytes> CachedBlocks::block(std::uint64_t number, Use use, const ReadOptions& options) const {
  return store_->cache.get(key(number), options, [&] { return fetch_block(number, options); }, use);
}

Result<void> CachedBlocks::each(std::span<const std::uint64_t> numbers, Use first,
                                const ReadOptions& options, const Take& take) const {
  const std::size_t most = kBatchBytes / store_->block_bytes;
  while (!numbers.empty()) {
    const auto some = numbers.first(std::min(numbers.size(), most));
    QUIRE_CHECK(batch({some.begin(), some.end()}, first, options, take));
    numbers = numbers.subspan(some.size());
    first = Use::counts;
  }
  return {};
}

Result<void> CachedBlocks::batch(std::vector<std::uint64_t> numbers, Use first,
                                 const ReadOptions& options, const Take& take) const {
  while (!numbers.empty()) {
    std::vector<Claimed> claimed;
    std::vector<std::pair<std::uint64_t, BytesCache::Flight>> others;
    for (const std::uint64_t number : numbers) {
      BytesCache::Found found = store_->cache.find(key(number), first);
      first = Use::counts;
      if (const auto* bytes = std::get_if<Bytes>(&found)) {
        take(number, *bytes);
      } else if (auto* claim = std::get_if<BytesCache::Claim>(&found)) {
        claimed.push_back({number, std::move(*claim)});
      } else {
        others.emplace_back(number, std::get<BytesCache::Flight>(found));
      }
    }
    if (auto loaded = load(claimed, options, take); !loaded) {
      refuse(claimed, loaded.error(), options);
      return loaded;
    }
    numbers.clear();
    for (const auto& [number, flight] : others) {
      QUIRE_TRY(const std::optional<Bytes> bytes, flight.wait(options));
      if (bytes) {
        take(number, *bytes);
      } else {
        numbers.push_back(number);
      }
    }
  }
  return {};
}

Result<void> CachedBlocks::load(std::span<Claimed> claimed, const ReadOptions& options,
                                const Take& take) const {
  if (claimed.empty()) return {};
  if (claimed.size() == 1) {
    QUIRE_TRY(const Bytes block, fetch_block(claimed.front().number, options));
    claimed.front().claim.fulfil(block);
    take(claimed.front().number, block);
    return {};
  }
  const std::vector<ByteRange> runs = join(claimed);
  QUIRE_TRY(const std::vector<Bytes> fetched, fetch_runs(runs, options));
  std::size_t run = 0;
  for (auto& [number, claim] : claimed) {
    const ByteRange range = range_of(number);
    while (!runs[run].contains(range)) ++run;
    QUIRE_TRY(const Bytes block, copy_out(fetched[run], runs[run], range));
    claim.fulfil(block);
    take(number, block);
  }
  return {};
}

// Tells those who wait, except for blocks that the error says it is not about: they are tried again.
void CachedBlocks::refuse(std::span<Claimed> claimed, const Error& error,
                          const ReadOptions& options) const {
  for (auto& [number, claim] : claimed) {
    if (!error.has_range() || error.range().overlaps(range_of(number))) claim.fail(error, options);
  }
}

// The blocks as ranges to read: adjacent ones together, up to kFetchBytes.
std::vector<ByteRange> CachedBlocks::join(std::span<const Claimed> claimed) const {
  std::vector<ByteRange> runs;
  for (const Claimed& each : claimed) {
    const ByteRange block = range_of(each.number);
    if (!runs.empty() && runs.back().end() == block.offset &&
        runs.back().length + block.length <= kFetchBytes) {
      runs.back().length += block.length;
    } else {
      runs.push_back(block);
    }
  }
  return runs;
}

// Straight into the buffer that the cache keeps.
Result<Bytes> CachedBlocks::fetch_block(std::uint64_t number, const ReadOptions& options) const {
  const ByteRange range = range_of(number);
  Buffer buffer(range.length);
  store_->fetches.fetch_add(1, std::memory_order_relaxed);
  QUIRE_CHECK(behind_->read_into(range.offset, buffer.span(), options));
  return std::move(buffer).take();
}

Result<std::vector<Bytes>> CachedBlocks::fetch_runs(std::span<const ByteRange> runs,
                                                    const ReadOptions& options) const {
  store_->fetches.fetch_add(runs.size(), std::memory_order_relaxed);
  if (runs.size() > 1) return behind_->read_many(runs, options);
  QUIRE_TRY(Bytes bytes, behind_->read(runs.front().offset, runs.front().length, options));
  std::vector<Bytes> one;
  one.push_back(std::move(bytes));
  return one;
}

// A window on its way. However it ends, also if the executor drops it, the stream may have the next one.
class CachedBlocks::Ahead {
 public:
  Ahead(std::weak_ptr<CachedBlocks> blocks, ReadAhead::Window window) noexcept
      : blocks_(std::move(blocks)), window_(window) {}
  Ahead(Ahead&&) noexcept = default;
  Ahead& operator=(Ahead&&) = delete;
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;
  ~Ahead() {
    if (const auto blocks = blocks_.lock()) blocks->finished(window_.stream);
  }

  void operator()() const {
    const auto blocks = blocks_.lock();
    if (!blocks) return;
    try {
      blocks->fetch_ahead(window_.range);
    } catch (const std::bad_alloc&) {
      return;  // whoever wants the blocks fetches them himself
    }
  }

 private:
  std::weak_ptr<CachedBlocks> blocks_;  // empty when moved from
  ReadAhead::Window window_;
};

Use CachedBlocks::observe(ByteRange read) {
  ReadAhead::Advice advice;
  {
    const base::MutexLock lock(mutex_);
    advice = read_ahead_.observe(read);
  }
  if (advice.fetch) default_executor()->submit(Ahead(weak_from_this(), *advice.fetch));
  const bool inside = read.offset % store_->block_bytes != 0;
  return advice.adjacent && inside ? Use::continues : Use::counts;
}

void CachedBlocks::finished(std::uint64_t stream) {
  const base::MutexLock lock(mutex_);
  read_ahead_.finished(stream);
}

// Errors are nobody's: the claims are dropped, and whoever wants the blocks fetches them himself.
void CachedBlocks::fetch_ahead(ByteRange range) const {
  const ReadOptions options{.stop = closing_.get_token()};
  const auto count = [this](std::uint64_t, const Bytes&) {
    store_->read_ahead.fetch_add(1, std::memory_order_relaxed);
  };
  while (!range.empty() && !closing_.stop_requested()) {
    const ByteRange some{range.offset, std::min(range.length, kBatchBytes)};
    std::vector<Claimed> claimed;
    for (std::uint64_t at = some.offset; at < some.end(); at += store_->block_bytes) {
      if (auto claim = store_->cache.claim_ahead(key(number_of(at)))) {
        claimed.push_back({number_of(at), *std::move(claim)});
      }
    }
    if (!load(claimed, options, count)) return;
    range = {some.end(), range.length - some.length};
  }
}

}  // namespace quire::source
