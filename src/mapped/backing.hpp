// Backing: what the handles of a mapped file and its pins share: the open file, its mapping, and the
// published size.
//
// Invariants:
//   1. base() and reserved() never change.
//   2. size() <= reserved(), and size() is published (release) only when the file has that many bytes,
//      and, unless sparse, their space. A reader that sees a size (acquire) may touch all of it.
//   3. Whoever changes the size, or adds a pin, holds mutex_. A pin is added only inside the size.
//   4. The file is cut only after the lower size is published and no pin reaches beyond it.
//   5. Bytes are written by a call instead of through the map only inside the published size and with
//      cut_mutex_ shared; a shrink holds it alone while it publishes and cuts. So no late write makes a
//      file longer that was cut.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <utility>

#include "base/annotations.hpp"
#include "base/mutex.hpp"
#include "mapped/flush_account.hpp"
#include "mapped/flush_service.hpp"
#include "mapped/private_copy.hpp"
#include "mapped/store_path.hpp"
#include "os/file_system.hpp"
#include "os/mapping.hpp"
#include "quire/error.hpp"
#include "quire/mapped_file.hpp"

namespace quire::mapped {

// What is opened, beside the options.
struct Opening {
  std::string path;  // as the user gave it
  Access access = Access::read_write;
  std::optional<ByteRange> window = std::nullopt;
  bool is_memory = false;
};

// Thread-safe. Errors name the path that the user gave, and ranges of this object.
class Backing final : public Flushable, public std::enable_shared_from_this<Backing> {
 public:
  // Maps an open file, and locks and prefaults it as asked. Errors: those of MappedFile::open.
  [[nodiscard]] static Result<std::shared_ptr<Backing>> make(std::unique_ptr<os::File> file,
                                                             Opening opening,
                                                             const MappedFileOptions& options);

  Backing(std::unique_ptr<os::File> file, os::Mapping mapping, Opening opening,
          const MappedFileOptions& options, std::uint64_t size, bool has_space);
  // Gives back what was allocated ahead.
  ~Backing() override;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;

  const std::string& path() const noexcept { return opening_.path; }
  Access access() const noexcept { return opening_.access; }
  std::byte* base() const noexcept { return mapping_.data(); }
  std::uint64_t reserved() const noexcept {
    return has_fixed_size() ? fixed_size_ : mapping_.size();
  }
  const std::atomic<std::uint64_t>& size() const noexcept { return size_; }
  bool has_fixed_size() const noexcept {
    return opening_.window.has_value() || opening_.access == Access::copy_on_write;
  }
  bool is_memory() const noexcept { return opening_.is_memory; }
  bool has_space() const noexcept { return has_space_.load(std::memory_order_relaxed); }
  bool sync_failed() const noexcept { return sync_failed_.load(std::memory_order_relaxed); }
  os::File& file() const noexcept { return *file_; }
  const os::Mapping& mapping() const noexcept { return mapping_; }
  const FlushAccount& account() const noexcept { return account_; }

  // The contracts are those of MappedFile; access was checked.
  [[nodiscard]] Result<void> grow(std::uint64_t new_size) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> shrink(std::uint64_t new_size) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::uint64_t> append(std::span<const std::byte> in) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> trim() QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> punch_hole(ByteRange range) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::uint64_t> refresh() QUIRE_EXCLUDES(mutex_);

  // Stores bytes, or one value, into a range that was inside the size.
  [[nodiscard]] Result<void> store(ByteRange range, const std::byte* from);
  [[nodiscard]] Result<void> fill(ByteRange range, std::byte value);

  [[nodiscard]] Result<void> flush() QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> flush_range(ByteRange range);
  [[nodiscard]] Result<void> start_writeback(ByteRange range);
  // Counts a change for the flush policy, and does what it asks for.
  [[nodiscard]] Result<void> count_change(ByteRange range);
  // No flush in the background runs any more, nor is one waiting.
  void end_background_flushes() noexcept;
  // Schedules what is pending after all.
  void resume_background_flushes();
  void flush_because_due() noexcept override;
  [[nodiscard]] std::optional<Error> last_flush_error() const QUIRE_EXCLUDES(mutex_);
  // Why a change is refused after a failed flush: first what nobody was told of, then the state.
  [[nodiscard]] Error refusal(const char* operation, ByteRange range) QUIRE_EXCLUDES(mutex_);
  void reopen_after_error() QUIRE_EXCLUDES(mutex_);

  [[nodiscard]] Result<void> prefault(ByteRange range, Prefault how) const;

  // REQUIRES: the access is copy_on_write.
  [[nodiscard]] PrivateCopy private_copy() const;

  // Errors: out_of_range.
  [[nodiscard]] Result<void> add_pin(ByteRange range) QUIRE_EXCLUDES(mutex_);
  void remove_pin(std::uint64_t end) noexcept QUIRE_EXCLUDES(mutex_);

  // In the file, of a range of this object.
  ByteRange in_file(ByteRange range) const noexcept {
    return {origin_ + range.offset, range.length};
  }

  // What to tell about a fault in the range.
  [[nodiscard]] Error fault(const char* operation, ByteRange range) const;
  // The error with this file's path.
  [[nodiscard]] Error named(Error error) const { return std::move(error).with_path(path()); }
  template <class T>
  Result<T> name_error(Result<T> result) const {
    if (!result) return std::unexpected(named(std::move(result).error()));
    return result;
  }

 private:
  Result<void> make_ready(const MappedFileOptions& options) const;
  Result<os::FileInfo> unchanged_info(const char* operation, std::uint64_t size) const;
  void publish(std::uint64_t size) noexcept { size_.store(size, std::memory_order_release); }
  void allocate_ahead(std::uint64_t size, std::uint64_t end) QUIRE_REQUIRES(mutex_);
  Result<void> write_by_call(ByteRange range, const std::byte* from);
  void schedule_flush();
  Result<void> note_sync(Result<void> result);

  const Opening opening_;
  const bool sparse_;
  const std::unique_ptr<os::File> file_;
  const os::Mapping mapping_;
  const std::uint64_t origin_;      // of this object's byte 0 in the file
  const std::uint64_t fixed_size_;  // where the size is fixed: the most it can be
  std::atomic<std::uint64_t> size_;
  // Relaxed is enough for these two: each stands for itself.
  std::atomic<bool> has_space_;
  std::atomic<bool> sync_failed_ = false;

  FlushAccount account_;
  std::atomic<bool> flush_is_scheduled_ = false;
  StorePath store_path_;

  mutable base::Mutex mutex_;  // also held while size_ is changed
  // Where the pins end.
  std::multiset<std::uint64_t> pin_ends_ QUIRE_GUARDED_BY(mutex_);
  // Disk space behind the end reaches to here; 0 if none was taken.
  std::uint64_t ahead_end_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::optional<Error> flush_error_ QUIRE_GUARDED_BY(mutex_);
  // Nobody was told of flush_error_: it came in the background.
  bool flush_error_is_news_ QUIRE_GUARDED_BY(mutex_) = false;

  // Taken after mutex_ where both are.
  std::shared_mutex cut_mutex_;
};

}  // namespace quire::mapped
