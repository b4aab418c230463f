#include "source/bytes_cache.hpp"

#include <atomic>
#include <new>
#include <vector>

namespace quire::source {

namespace {

constexpr std::size_t kShards = 8;
constexpr std::uint64_t kEntriesForShards = 1024;  // fewer are not worth splitting

// The loader stopped, which says nothing about what he was loading (invariant 4).
bool is_end_of_loader(const Error& error, const ReadOptions& loader) {
  return error.code() == ErrorCode::cancelled ||
         (error.code() == ErrorCode::timeout && loader.deadline.has_value());
}

}  // namespace

// One load, shared by the one who does it and those who wait.
class BytesCache::Load {
 public:
  struct Again {};  // try yourselves
  using Outcome = std::variant<Again, Bytes, Error>;

  void end(Outcome outcome) {
    {
      const base::MutexLock lock(mutex_);
      outcome_.emplace(std::move(outcome));
    }
    ended_.notify_all();
  }

  Result<std::optional<Bytes>> wait(const ReadOptions& options) {
    const base::MutexLock lock(mutex_);
    const auto ended = [this]() QUIRE_REQUIRES(mutex_) { return outcome_.has_value(); };
    if (options.deadline) {
      ended_.wait_until(mutex_, options.stop, *options.deadline, ended);
    } else {
      ended_.wait(mutex_, options.stop, ended);
    }
    if (!outcome_) {
      const bool stopped = options.stop.stop_requested();
      return std::unexpected(Error(stopped ? ErrorCode::cancelled : ErrorCode::timeout, "read"));
    }
    if (const auto* error = std::get_if<Error>(&*outcome_)) return std::unexpected(*error);
    if (const auto* bytes = std::get_if<Bytes>(&*outcome_)) return *bytes;
    return std::nullopt;
  }

 private:
  base::Mutex mutex_;
  std::condition_variable_any ended_;  // base::Condition cannot wait for a stop token or a deadline
  std::optional<Outcome> outcome_ QUIRE_GUARDED_BY(mutex_);
};

struct BytesCache::Shard {
  struct Loading {
    std::shared_ptr<Load> load;
    bool ahead;  // nobody wants it yet
  };

  explicit Shard(std::uint64_t capacity) : held(capacity) {}

  // Invariant 1. `bytes` are nullptr where the load brought none.
  void end(const Key& key, const Bytes* bytes) QUIRE_EXCLUDES(mutex) {
    std::vector<Bytes> freed;  // when the lock is gone
    const base::MutexLock lock(mutex);
    const auto entry = loading.find(key);
    const bool ahead = entry->second.ahead;
    loading.erase(entry);
    if (bytes == nullptr) return;
    try {
      held.insert(key, *bytes, ahead, freed);
    } catch (const std::bad_alloc&) {
      return;  // not kept: those who wait get it all the same
    }
  }

  // Begins a load of a key that is neither held nor being loaded.
  std::shared_ptr<Load> begin(const Key& key, bool ahead) QUIRE_REQUIRES(mutex) {
    auto load = std::make_shared<Load>();
    loading.emplace(key, Loading{load, ahead});
    return load;
  }

  mutable base::Mutex mutex;
  S3Fifo held QUIRE_GUARDED_BY(mutex);
  std::unordered_map<Key, Loading, BytesKeyHash> loading QUIRE_GUARDED_BY(mutex);
  std::uint64_t hits QUIRE_GUARDED_BY(mutex) = 0;
  std::uint64_t misses QUIRE_GUARDED_BY(mutex) = 0;
  std::uint64_t waits QUIRE_GUARDED_BY(mutex) = 0;
};

BytesCache::Claim::~Claim() {
  if (!load_) return;
  shard_->end(key_, nullptr);
  load_->end(Load::Again{});
}

void BytesCache::Claim::fulfil(const Bytes& bytes) {
  if (!load_) return;
  shard_->end(key_, &bytes);
  std::exchange(load_, nullptr)->end(bytes);
}

void BytesCache::Claim::fail(const Error& error, const ReadOptions& loader) {
  if (!load_) return;
  shard_->end(key_, nullptr);
  const std::shared_ptr<Load> load = std::exchange(load_, nullptr);
  if (is_end_of_loader(error, loader)) {
    load->end(Load::Again{});
  } else {
    load->end(error);
  }
}

Result<std::optional<Bytes>> BytesCache::Flight::wait(const ReadOptions& options) const {
  return load_->wait(options);
}

BytesCache::BytesCache(const BytesCacheOptions& options) {
  const bool many = options.capacity_bytes / kEntriesForShards >= options.entry_bytes;
  const std::size_t shards = many ? kShards : 1;
  for (std::size_t i = 0; i < shards; ++i) shards_.emplace_back(options.capacity_bytes / shards);
}

BytesCache::~BytesCache() = default;

BytesCache::Shard& BytesCache::shard_of(const Key& key) {
  // The top bits: the tables inside the shards go by the low ones.
  return shards_[(BytesKeyHash()(key) >> 56U) % shards_.size()];
}

std::uint64_t BytesCache::new_owner() noexcept {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only to be different
}

void BytesCache::forget(std::uint64_t owner) noexcept {
  for (Shard& shard : shards_) {
    S3Fifo::Entries dropped;  // freed when the lock is gone
    const base::MutexLock lock(shard.mutex);
    dropped = shard.held.forget(owner);
  }
}

BytesCache::Found BytesCache::find(const Key& key, Use use) {
  Shard& shard = shard_of(key);
  const base::MutexLock lock(shard.mutex);
  if (const Bytes* bytes = shard.held.find(key, use)) {
    ++shard.hits;
    return *bytes;
  }
  if (const auto loading = shard.loading.find(key); loading != shard.loading.end()) {
    loading->second.ahead = false;
    ++shard.waits;
    return Flight(loading->second.load);
  }
  Claim claim(shard, key, shard.begin(key, false));
  ++shard.misses;
  return claim;
}

std::optional<BytesCache::Claim> BytesCache::claim_ahead(const Key& key) {
  Shard& shard = shard_of(key);
  const base::MutexLock lock(shard.mutex);
  if (shard.held.holds(key) || shard.loading.contains(key)) return std::nullopt;
  return Claim(shard, key, shard.begin(key, true));
}

Result<Bytes> BytesCache::get(const Key& key, const ReadOptions& options,
                              const std::function<Result<Bytes>()>& load, Use use) {
  while (true) {
    Found found = find(key, use);
    if (auto* bytes = std::get_if<Bytes>(&found)) return std::move(*bytes);
    if (auto* claim = std::get_if<Claim>(&found)) {
      Result<Bytes> loaded = load();
      if (loaded) {
        claim->fulfil(*loaded);
      } else {
        claim->fail(loaded.error(), options);
      }
      return loaded;
    }
    Result<std::optional<Bytes>> waited = std::get<Flight>(found).wait(options);
    if (!waited) return std::unexpected(std::move(waited).error());
    if (*waited) return **std::move(waited);
  }
}

BytesCacheStats BytesCache::stats() const {
  BytesCacheStats sum;
  for (const Shard& shard : shards_) {
    const base::MutexLock lock(shard.mutex);
    sum.hits += shard.hits;
    sum.misses += shard.misses;
    sum.waits += shard.waits;
    sum.evictions += shard.held.evictions();
    sum.bytes_held += shard.held.bytes_held();
  }
  return sum;
}

}  // namespace quire::source
