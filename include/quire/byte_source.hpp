// ByteSource: random-access reads of an immutable object, wherever it is.
//
// Use it to write code once that reads a file, a map, a memory buffer, and whatever else can give
// ranges of bytes. Every source gives exactly the bytes that were asked for, or an error, and the same
// bad request gets the same error code from each.
//
//     auto source = quire::open_file_source("table.bin");        // quire/local_source.hpp
//     if (!source) return report(source.error());
//     auto header = (*source)->read(0, 64);                      // Result<Bytes>
//     if (!header) return report(header.error());
//     parse(header->span());                                     // valid while `header` lives
//
// The object is pinned when it is opened: a read that could mix two versions of it fails with
// `changed`. How sure that is depends on the place; identity().strength says it.
//
// A range is valid if `offset <= size()` and `length <= size() - offset`; every function checks that
// before it allocates or asks anyone, and fails with out_of_range. An empty range inside is answered
// without asking. Those two are not repeated below.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quire/access_hint.hpp"
#include "quire/byte_range.hpp"
#include "quire/bytes.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// How surely a source notices that its object is not the version that was opened.
enum class IdentityStrength : std::uint8_t {
  size_only,  // only by its size: a map, which notices that it was cut
  compared,   // by metadata that writing changes: a file's time and size, a weak ETag
  strong,     // by a name of the version: a strong ETag, a version id, memory nobody else has
};
// "size_only", "compared", "strong".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(IdentityStrength strength) noexcept;

struct SourceIdentity {
  IdentityStrength strength = IdentityStrength::size_only;
  // Tells versions of the object at one place apart; not for reading.
  std::string version;
  friend bool operator==(const SourceIdentity&, const SourceIdentity&) = default;
};

// When a read is to give up. It then fails with `cancelled` or `timeout`, and returns only when nobody
// touches the caller's buffer any more.
struct ReadOptions {
  std::stop_token stop = {};
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
};

// Thread-safe. Immutable from the outside. Made by functions that return a std::shared_ptr, because
// slices and asynchronous reads keep their source alive.
class QUIRE_EXPORT ByteSource : public std::enable_shared_from_this<ByteSource> {
 public:
  virtual ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Bytes of the object when it was opened.
  std::uint64_t size() const noexcept { return size_; }
  // The path or URL, without secrets; for messages.
  const std::string& name() const noexcept QUIRE_LIFETIMEBOUND { return name_; }
  const SourceIdentity& identity() const noexcept QUIRE_LIFETIMEBOUND { return identity_; }

  // The bytes of the range. From a map or memory they are borrowed, else read into a buffer of their
  // own. Errors: changed, io, cancelled, timeout, and what the place adds.
  [[nodiscard]] Result<Bytes> read(std::uint64_t offset, std::uint64_t length,
                                   const ReadOptions& options = {}) const;

  // Copies the range into `out`. On an error a part may have been copied. Errors: as read.
  [[nodiscard]] Result<void> read_into(std::uint64_t offset, std::span<std::byte> out,
                                       const ReadOptions& options = {}) const;

  // Several ranges, in any order, overlapping or not; the result has them in the order asked. Near ones
  // are read together and far ones side by side, where the place gains by it; those read together share a
  // buffer, which lives as long as any of them.
  // Errors: as read, the first that came; nothing is returned then.
  [[nodiscard]] Result<std::vector<Bytes>> read_many(std::span<const ByteRange> ranges,
                                                     const ReadOptions& options = {}) const;

  // True if `view` works: the object is memory of this process.
  bool has_view() const noexcept { return memory_ != nullptr; }
  // The bytes of the range, borrowed from the source: for hot loops that cannot pay for the counter in
  // Bytes. Valid while the source lives. A view of a map is plain memory: touching it raises SIGBUS if
  // someone cuts the file; `read_into` returns an error instead. Errors: unsupported (no has_view()).
  [[nodiscard]] Result<std::span<const std::byte>> view(std::uint64_t offset,
                                                        std::uint64_t length) const {
    if (memory_ == nullptr || !ByteRange{offset, length}.fits(size_)) [[unlikely]] {
      return refuse_view({offset, length});
    }
    return std::span<const std::byte>(memory_ + offset, length);
  }

  // `cancelled` or `timeout`, if it is time to give up; for use between the steps of a long read, and of
  // work on what `view` gave.
  [[nodiscard]] Result<void> check_time(const char* operation, ByteRange range,
                                        const ReadOptions& options) const;

  // Says how a range will be read. Never changes what is read; ranges past the end are cut.
  void hint(ByteRange range, AccessHint access) const;

  // The asynchronous forms: return at once; `done` is called exactly once, with what the synchronous
  // form returns, on the default executor (quire/executor.hpp), never inside this call. The source stays
  // alive until then. `out` must stay valid until `done` is called. Errors also: capacity (no memory for
  // the bytes, where the synchronous form throws bad_alloc).
  using ReadCallback = std::move_only_function<void(Result<Bytes>)>;
  using ReadIntoCallback = std::move_only_function<void(Result<void>)>;
  void read_async(std::uint64_t offset, std::uint64_t length, ReadCallback done,
                  const ReadOptions& options = {}) const;
  void read_into_async(std::uint64_t offset, std::span<std::byte> out, ReadIntoCallback done,
                       const ReadOptions& options = {}) const;

 protected:
  // For those who write a source. The functions above have checked the range, which is never empty, and
  // that neither stop nor deadline has come.
  ByteSource(std::string name, std::uint64_t size, SourceIdentity identity);

  virtual Result<Bytes> do_read(ByteRange range, const ReadOptions& options) const = 0;
  virtual Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                                    const ReadOptions& options) const = 0;
  // By default one after the other.
  virtual Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                                  const ReadOptions& options) const;
  // By default does nothing.
  virtual void do_hint(ByteRange range, AccessHint access) const;

  // Offers the object as memory; before the source is shared.
  void offer_view(const std::byte* memory) noexcept { memory_ = memory; }

 private:
  Result<void> check(const char* operation, ByteRange range, const ReadOptions& options) const;
  std::unexpected<Error> refuse_view(ByteRange range) const;

  const std::string name_;
  const std::uint64_t size_;
  const SourceIdentity identity_;
  const std::byte* memory_ = nullptr;
};

}  // namespace v0
}  // namespace quire
