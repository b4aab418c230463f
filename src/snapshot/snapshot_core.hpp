// SnapshotCore: an open snapshot: its root, and the checked id pages and blocks behind it. Looking rows up
// is in snapshot.cpp, going through them in scan.cpp, search.cpp and verify.cpp.
//
// Invariants:
//   1. What the tail and the root say was checked against the limits and the size of the source before
//      this object was made; so every range that follows from them is inside the source.
//   2. Nobody sees bytes of an id page or a block before they were compared with their checksum, and of a
//      page before its structure was checked. In memory (a source with a view) that is noted once; else it
//      is done before the bytes go into the cache.
//   3. Memory may be a map of a file that somebody cuts: then its pages fault, but for the one in which the
//      file now ends, which reads as zeros behind that. The tail is lost by any cut, and before anything else: so
//      whoever has read from memory looks whether the tail is still there before he believes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/fault_guard.hpp"
#include "quire/byte_source.hpp"
#include "quire/snapshot.hpp"
#include "snapshot/format.hpp"
#include "snapshot/id_page.hpp"
#include "source/bytes_cache.hpp"

namespace quire::snapshot {

// What is wrong with a part, in the words of damage and errors.
inline constexpr std::string_view kWrongChecksum = "has a wrong checksum";
inline constexpr std::string_view kUnreadable = "cannot be read";

// Bytes that were checked. `keep` holds them, unless they are the source's own memory.
struct Checked {
  std::span<const std::byte> bytes;
  Bytes keep;
};

// A row in its id page.
struct RowPlace {
  std::uint64_t row = 0;
  BlockEntry entry;  // of its block
};

// A block, as its id page tells of it.
struct BlockPlace {
  std::uint64_t number = 0;
  BlockEntry entry;
};

// Thread-safe. Held by shared pointers.
class SnapshotCore : public std::enable_shared_from_this<SnapshotCore> {
 public:
  // As Snapshot::open.
  [[nodiscard]] static Result<std::shared_ptr<const SnapshotCore>> open(
      std::shared_ptr<const ByteSource> source, const OpenSnapshotOptions& options);
  ~SnapshotCore();
  SnapshotCore(const SnapshotCore&) = delete;
  SnapshotCore& operator=(const SnapshotCore&) = delete;

  const ByteSource& source() const noexcept { return *source_; }
  const Tail& tail() const noexcept { return tail_; }
  const Description& description() const noexcept { return tail_.description; }
  const std::vector<RootEntry>& root() const noexcept { return root_; }
  const SnapshotInfo& info() const noexcept { return info_; }
  std::size_t stride() const noexcept { return static_cast<std::size_t>(description().stride()); }

  // True if the rows are one matrix in the source's memory.
  [[nodiscard]] bool is_in_place() const noexcept { return checked_blocks_ != nullptr; }

  // The first page with ids from `id` on; the number of pages if there is none.
  [[nodiscard]] std::uint64_t page_for(std::uint64_t id) const noexcept;

  // Id page `number`. In memory it may fault when it is touched: look into it with `guarded`.
  // Errors: corrupt, and those of the source.
  [[nodiscard]] Result<Checked> page(std::uint64_t number, const ReadOptions& options) const;
  // What its page says of block `number`. Errors: as page.
  [[nodiscard]] Result<BlockEntry> entry(std::uint64_t number, const ReadOptions& options) const;
  // The ids of the rows of block `number` from row `first` on. REQUIRES: the block has so many.
  // Errors: as page.
  [[nodiscard]] Result<void> ids(std::uint64_t number, std::uint32_t first,
                                 std::span<std::uint64_t> out, const ReadOptions& options) const;
  // All of them.
  [[nodiscard]] Result<std::vector<std::uint64_t>> ids(std::uint64_t number,
                                                       const ReadOptions& options) const;
  // The rows of block `number`, dense, aligned for their elements. In memory they may fault.
  // Errors: corrupt, and those of the source.
  [[nodiscard]] Result<Checked> block(std::uint64_t number, const ReadOptions& options) const;

  // Row `number`; from memory without a copy. Errors: as block.
  [[nodiscard]] Result<Bytes> row(std::uint64_t number, const ReadOptions& options) const;

  // Calls use(i, bytes) for each of the id pages `numbers`, or of the blocks, which ascend, each once: first
  // what is in the cache, then the rest, which is read by one read_many and put into the cache. Ends
  // with the first error, also one of `use`. REQUIRES: the rows are not in place.
  // Errors: as page.
  using Use = std::function<Result<void>(std::size_t index, const Bytes& bytes)>;
  [[nodiscard]] Result<void> each_page(std::span<const std::uint64_t> numbers,
                                       const ReadOptions& options, const Use& use) const;
  [[nodiscard]] Result<void> each_block(std::span<const BlockPlace> blocks,
                                        const ReadOptions& options, const Use& use) const;

  // What id page `number`, whose bytes these are, says of `id`; nothing if it is not there. Errors: as
  // guarded.
  [[nodiscard]] Result<std::optional<RowPlace>> find_in(std::uint64_t number,
                                                        std::span<const std::byte> page,
                                                        std::uint64_t id) const;
  // The number of the row under `id`; nothing if there is none. Errors: as page.
  [[nodiscard]] Result<std::optional<std::uint64_t>> find(std::uint64_t id,
                                                          const ReadOptions& options) const;

  // Calls f() with `bytes`, which may lie in the source's memory, guarded; see os::guarded for what f may
  // do. Errors: changed (the file was cut), io (its device failed).
  template <class F>
  [[nodiscard]] Result<void> guarded(const char* operation, std::span<const std::byte> bytes,
                                     F&& f) const {
    const std::byte* fault = os::guarded(bytes.data(), bytes.size(), std::forward<F>(f));
    if (fault != nullptr) return std::unexpected(this->fault(operation, fault));
    return check_tail(operation);
  }
  // Invariant 3; nothing to do for a source that is not memory. Errors: changed.
  [[nodiscard]] Result<void> check_tail(const char* operation) const;
  // Copies bytes that may lie in the source's memory. Errors: as guarded.
  [[nodiscard]] Result<void> copy(const char* operation, std::span<const std::byte> bytes,
                                  std::span<std::byte> out) const;
  // The error for an address of the source's memory that faulted: changed, or io.
  [[nodiscard]] Error fault(const char* operation, const std::byte* address) const;

  // What the loss of a page, or of a block, takes away.
  [[nodiscard]] SnapshotDamage damage_of_page(std::uint64_t number, std::string_view what) const;
  [[nodiscard]] SnapshotDamage damage_of_block(std::uint64_t number, const BlockEntry& entry,
                                               std::string_view what) const;

 private:
  SnapshotCore(std::shared_ptr<const ByteSource> source, const Tail& tail,
               std::vector<RootEntry> root, const OpenSnapshotOptions& options);

  Result<void> check_page(std::uint64_t number, std::span<const std::byte> bytes) const;
  Result<void> check_block(std::uint64_t number, const BlockEntry& entry,
                           std::span<const std::byte> bytes) const;
  bool has_tail() const noexcept;
  Error unreadable(ErrorCode code, const char* operation, const std::byte* address) const;

  // What is got as one: a page, or a block.
  struct Part {
    std::uint64_t key = 0;  // in the cache
    ByteRange stored;
  };
  struct Claimed {
    std::size_t index = 0;  // of the part
    source::BytesCache::Claim claim;
  };
  // As each_page and each_block; check(i, bytes) compares what was read.
  Result<void> each(std::span<const Part> parts, const ReadOptions& options, const Use& check,
                    const Use& use) const;
  // Reads what was claimed and ends the claims.
  Result<void> load(std::span<const Part> parts, std::span<Claimed> claimed,
                    const ReadOptions& options, const Use& check, const Use& use) const;

  // From the cache, or loaded into it.
  Result<Bytes> cached(std::uint64_t key, ByteRange range, const ReadOptions& options,
                       const std::function<Result<Bytes>()>& load) const;
  // With its place, if the error has none: of one whose patience ended while he waited for somebody else's
  // read.
  Error placed(Error error, ByteRange range) const;

  const std::shared_ptr<const ByteSource> source_;
  const Tail tail_;
  const std::vector<RootEntry> root_;
  SnapshotInfo info_;
  const std::uint64_t tail_checksum_;
  const std::byte* tail_checksum_at_ = nullptr;  // in the source's memory

  // In memory: 1 once the page or block was found right. Relaxed is enough: what is right does not change,
  // and two threads may both look.
  std::unique_ptr<std::atomic<std::uint8_t>[]> checked_pages_;
  std::unique_ptr<std::atomic<std::uint8_t>[]> checked_blocks_;
  // Elsewhere.
  const std::uint64_t owner_;
  std::unique_ptr<source::BytesCache> cache_;
};

}  // namespace quire::snapshot
