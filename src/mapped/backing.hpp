// Backing: what a MappedFile and its pins share: the open file, its mapping, and the published
// size.
//
// Invariants:
//   1. base() and reserved() never change.
//   2. size() <= reserved(), and size() is published (release) only when the file has that many
//   bytes,
//      and, unless sparse, their space. A reader that sees a size (acquire) may touch all of it.
//   3. Whoever changes the size, or adds a pin, holds the mutex. A pin is added only inside the
//   size.
//   4. The file is cut only after the lower size is published and no pin reaches beyond it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/annotations.hpp"
#include "base/mutex.hpp"
#include "os/file_system.hpp"
#include "os/mapping.hpp"
#include "quire/error.hpp"
#include "quire/mapped_file.hpp"

namespace quire::mapped {

// Thread-safe. Errors name the path that the user gave.
class Backing {
 public:
  // Maps an open file. Errors: invalid_argument (reserve smaller than the file), capacity, io.
  [[nodiscard]] static Result<std::shared_ptr<Backing>> make(std::unique_ptr<os::File> file,
                                                             std::string path, Access access,
                                                             const MappedFileOptions& options);

  Backing(std::unique_ptr<os::File> file, os::Mapping mapping, std::string path, Access access,
          bool sparse, std::uint64_t size, bool has_space);

  const std::string& path() const noexcept { return path_; }
  Access access() const noexcept { return access_; }
  std::byte* base() const noexcept { return mapping_.data(); }
  std::uint64_t reserved() const noexcept { return mapping_.size(); }
  const std::atomic<std::uint64_t>& size() const noexcept { return size_; }
  bool has_space() const noexcept { return has_space_.load(std::memory_order_relaxed); }
  bool sync_failed() const noexcept { return sync_failed_.load(std::memory_order_relaxed); }

  // The contracts are those of MappedFile; access was checked.
  [[nodiscard]] Result<void> grow(std::uint64_t new_size) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> shrink(std::uint64_t new_size) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::uint64_t> refresh() QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> flush();
  [[nodiscard]] Result<void> flush_range(ByteRange range);
  [[nodiscard]] Result<void> start_writeback(ByteRange range);
  void advise(ByteRange range, AccessHint access) const noexcept { mapping_.advise(range, access); }
  void reopen_after_error();

  // Errors: out_of_range.
  [[nodiscard]] Result<void> add_pin(ByteRange range) QUIRE_EXCLUDES(mutex_);
  void remove_pin(std::uint64_t end) noexcept QUIRE_EXCLUDES(mutex_);

  // What to tell about a fault in the range.
  [[nodiscard]] Error fault(const char* operation, ByteRange range) const;
  // The error with this file's path.
  [[nodiscard]] Error named(Error error) const { return std::move(error).with_path(path_); }

 private:
  Result<os::FileInfo> unchanged_info(const char* operation, std::uint64_t size) const;
  void publish(std::uint64_t size) noexcept { size_.store(size, std::memory_order_release); }
  Result<void> note_sync(Result<void> result);

  template <class T>
  Result<T> name_error(Result<T> result) const {
    if (!result) return std::unexpected(named(std::move(result).error()));
    return result;
  }

  const std::string path_;
  const Access access_;
  const bool sparse_;
  const std::unique_ptr<os::File> file_;
  const os::Mapping mapping_;
  std::atomic<std::uint64_t> size_;
  // Relaxed is enough for these two: each stands for itself.
  std::atomic<bool> has_space_;
  std::atomic<bool> sync_failed_ = false;

  base::Mutex mutex_;  // also held while size_ is changed
  // Where the pins end.
  std::multiset<std::uint64_t> pin_ends_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::mapped
