// ReadableFileSystem: files for verification, whose unreadable parts are damage like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "os/read_only_file_system.hpp"
#include "quire/vector_store_reports.hpp"

namespace quire::vector {

// Opens each file as readable_file does, and remembers the sectors that stand for what the device could not read.
// Single-thread.
class ReadableFileSystem final : public os::ReadOnlyFileSystem {
 public:
  using ReadOnlyFileSystem::ReadOnlyFileSystem;

  // The file's errors that are `io` are only those of other calls than reads.
  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode,
                                         std::uint32_t permissions) override;

  // True if a part of the range could not be read.
  [[nodiscard]] bool is_unreadable(const std::string& path, ByteRange range) const;
  // Adds what could not be read, neighbouring sectors as one place.
  void add_to(VerifyReport& report) const;

 private:
  void remember(const std::string& path, ByteRange sector);

  std::map<std::string, std::set<std::uint64_t>> sectors_;  // their offsets in each file
  std::size_t count_ = 0;
};

}  // namespace quire::vector
