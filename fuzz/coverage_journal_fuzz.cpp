// Reads coverage journals that hold anything: the input is the records of a journal, each given the
// checksum that makes it valid if a bit of the input says so. Whatever comes, it is read or refused; what
// it lists lies inside the file, and it lists the same when it is read again.
#include <cstdlib>
#include <span>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "ranged/coverage_journal.hpp"

namespace {

using namespace quire;  // NOLINT(google-build-using-namespace): a program of its own
using ranged::CoverageJournal;
using ranged::IntervalSet;

constexpr const char* kPath = "/journal";
constexpr os::FileId kFile{.device = 1, .inode = 2, .birth = 3};
constexpr std::uint64_t kSize = 1000;
constexpr std::size_t kHeader = 4096;
constexpr std::size_t kRecord = 32;

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  os::SimulatedFileSystem disk;
  auto locked = CoverageJournal::lock_for_creation(disk, kPath);
  check(locked.has_value());
  check(CoverageJournal::create(disk, *std::move(locked), {kFile, kSize, ""}).has_value());
  {
    auto file = disk.open(kPath, os::OpenMode::read_write, 0).value();
    std::vector<std::byte> header(kHeader);
    check(file->read_exactly(0, header).has_value());
    const auto salt = base::load_le<std::uint64_t>(header, 40);
    const auto input = std::as_bytes(std::span(data, size));
    std::vector<std::byte> records(input.begin(), input.end());
    for (std::size_t i = 0; (i + 1) * kRecord <= records.size(); ++i) {
      const auto record = std::span(records).subspan(i * kRecord, kRecord);
      const bool valid = (record[31] & std::byte{1}) == std::byte{0};
      if (valid) base::store_le(record, 24, base::checksum(record.first(24), salt + i));
    }
    check(file->write_all(kHeader, records).has_value());
  }
  IntervalSet written;
  {
    const auto opened =
        CoverageJournal::open(disk, kPath, os::OpenMode::read_write, {kFile, kSize, ""}, written);
    if (!opened) return 0;
  }
  for (const ByteRange range : written.ranges())
    check(!range.empty() && range.end() > range.offset);
  IntervalSet again;
  check(CoverageJournal::open(disk, kPath, os::OpenMode::read, {kFile, kSize, ""}, again)
            .has_value());
  check(again.ranges() == written.ranges());
  return 0;
}
