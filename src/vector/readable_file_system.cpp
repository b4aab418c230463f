#include "vector/readable_file_system.hpp"

#include <optional>
#include <utility>

#include "base/try.hpp"
#include "vector/readable_file.hpp"

namespace quire::vector {

namespace {

// What is unreadable beyond that is no news, and would take memory without bounds.
constexpr std::size_t kMostSectors = 1'000'000;

}  // namespace

Result<std::unique_ptr<os::File>> ReadableFileSystem::open(const std::string& path,
                                                           os::OpenMode mode,
                                                           std::uint32_t permissions) {
  QUIRE_CHECK(check_reads(path, mode));
  QUIRE_TRY(auto file, below().open(path, mode, permissions));
  return readable_file(std::move(file), [this](const std::string& where, ByteRange sector) {
    remember(where, sector);
  });
}

void ReadableFileSystem::remember(const std::string& path, ByteRange sector) {
  if (count_ < kMostSectors && sectors_[path].insert(sector.offset).second) ++count_;
}

bool ReadableFileSystem::is_unreadable(const std::string& path, ByteRange range) const {
  const auto found = sectors_.find(path);
  if (found == sectors_.end()) return false;
  const auto sector = found->second.lower_bound(range.offset / kSectorBytes * kSectorBytes);
  return sector != found->second.end() && *sector < range.end();
}

void ReadableFileSystem::add_to(VerifyReport& report) const {
  for (const auto& [path, offsets] : sectors_) {
    ByteRange place;
    const auto close = [&, &file = path] {
      if (place.empty()) return;
      report.damaged.push_back(
          {.file = file, .range = place, .what = "the device cannot read it", .id = std::nullopt});
    };
    for (const std::uint64_t offset : offsets) {
      if (!place.empty() && place.end() == offset) {
        place.length += kSectorBytes;
        continue;
      }
      close();
      place = {offset, kSectorBytes};
    }
    close();
  }
}

}  // namespace quire::vector
