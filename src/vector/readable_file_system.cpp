#include "vector/readable_file_system.hpp"

#include <algorithm>
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
  if (count_ == kMostSectors) return;
  Sectors& sectors = sectors_[path];
  if (sectors.offsets.insert(sector.offset).second) ++count_;
  sectors.end = std::max(sectors.end, sector.end());
}

bool ReadableFileSystem::is_unreadable(const std::string& path, ByteRange range) const {
  const auto found = sectors_.find(path);
  if (found == sectors_.end()) return false;
  const auto& offsets = found->second.offsets;
  const auto sector = offsets.lower_bound(range.offset / kSectorBytes * kSectorBytes);
  return sector != offsets.end() && *sector < range.end();
}

std::vector<ByteRange> ReadableFileSystem::places(const Sectors& sectors) {
  std::vector<ByteRange> places;
  for (const std::uint64_t offset : sectors.offsets) {
    const std::uint64_t length = std::min(kSectorBytes, sectors.end - offset);
    if (!places.empty() && places.back().end() == offset) {
      places.back().length += length;
    } else {
      places.push_back({offset, length});
    }
  }
  return places;
}

void ReadableFileSystem::add_to(VerifyReport& report) const {
  for (const auto& [path, sectors] : sectors_) {
    for (const ByteRange place : places(sectors)) {
      if (report.damaged.size() >= kMostDamages) return;
      report.damaged.push_back(
          {.file = path, .range = place, .what = "the device cannot read it", .id = std::nullopt});
    }
  }
}

}  // namespace quire::vector
