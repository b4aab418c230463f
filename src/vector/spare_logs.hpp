// SpareLogs: files of zeros that the next logs are made of. They are there ahead of need for two reasons: making
// one takes time that no writer should wait for, and they hold disk space, so that removes and checkpoints go on when
// the disk is full.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.hpp"
#include "os/file_system.hpp"

namespace quire::vector {

// Thread-safe.
class SpareLogs {
 public:
  // The last one is for checkpoints, the one before it for removes.
  static constexpr std::size_t kCount = 2;
  // What a checkpoint's empty log needs.
  static constexpr std::uint64_t kLeastBytes = 4096;
  static constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;

  // Each is of `bytes`, taken into these bounds.
  SpareLogs(os::FileSystem& file_system, std::string directory, std::uint64_t bytes)
      : file_system_(file_system),
        directory_(std::move(directory)),
        bytes_(std::clamp(bytes, kLeastBytes, kMostBytes)) {}

  // Takes over what an earlier process left, if it is as it should be, and removes it if not.
  void adopt() QUIRE_EXCLUDES(mutex_);
  // Makes those that are missing. Errors: no_space, io; those there were are still there.
  [[nodiscard]] Result<void> refill() QUIRE_EXCLUDES(mutex_);
  std::size_t count() const QUIRE_EXCLUDES(mutex_);
  // The path of one, which the caller renames; nothing if there is none.
  [[nodiscard]] std::optional<std::string> take() QUIRE_EXCLUDES(mutex_);

 private:
  std::string path(std::size_t number) const;
  Result<void> make(const std::string& path);

  os::FileSystem& file_system_;
  const std::string directory_;
  const std::uint64_t bytes_;
  mutable base::Mutex mutex_;
  std::size_t count_ QUIRE_GUARDED_BY(mutex_) = 0;  // numbers below it are there
};

}  // namespace quire::vector
