// ReadableFileSystem: files for verification, whose unreadable parts are damage like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "os/read_only_file_system.hpp"
#include "quire/vector_store_reports.hpp"

namespace quire::vector {

// A report longer than this helps nobody, and would take memory without bounds.
inline constexpr std::size_t kMostDamages = 10'000;

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
  // Adds what could not be read, neighbouring sectors as one place, until the report has kMostDamages.
  void add_to(VerifyReport& report) const;

 private:
  void remember(const std::string& path, ByteRange sector);

  struct Sectors {
    std::set<std::uint64_t> offsets;
    std::uint64_t end = 0;  // of the last: a file may end inside it
  };
  static std::vector<ByteRange> places(const Sectors& sectors);

  std::map<std::string, Sectors> sectors_;  // of each file
  std::size_t count_ = 0;
};

}  // namespace quire::vector
