// Reads a store's LOCK that holds anything: the first 64 bytes of the input are its page, the rest its metrics' block; each
// gets the checksum that makes it valid if the input's last byte says so. Whatever comes, it is read or is nothing, and what is
// read is read again.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.hpp"
#include "base/little_endian.hpp"
#include "os/simulated_file_system.hpp"
#include "vector/control_page.hpp"

namespace {

using namespace quire;          // NOLINT(google-build-using-namespace): a program of its own
using namespace quire::vector;  // NOLINT(google-build-using-namespace)

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(data, size - 1));
  const std::uint8_t seals = data[size - 1];
  std::vector<std::byte> content(input.begin(), input.end());
  const std::size_t page_bytes = std::min<std::size_t>(content.size(), kControlPageBytes);
  if ((seals & 1U) != 0 && page_bytes == kControlPageBytes) {
    constexpr std::string_view kMagic = "QUIRECTL";
    std::memcpy(content.data(), kMagic.data(), kMagic.size());
    base::store_le(content, 56, base::checksum(std::span(content).first(56)));
  }
  std::vector<std::byte> block(content.begin() + static_cast<std::ptrdiff_t>(page_bytes),
                               content.end());
  if ((seals & 2U) != 0 && block.size() >= 16) {
    base::store_le(block, 0, static_cast<std::uint32_t>(block.size() - 16));
    base::store_le(block, 4, std::uint32_t{0});
    base::store_le(block, 8, base::checksum(std::span(block).subspan(16)));
  }

  os::SimulatedFileSystem disk;
  const auto lock = disk.open("/LOCK", os::OpenMode::create_new, 0).value();
  check(lock->write_all(0, std::span(content).first(page_bytes)).has_value());
  if (!block.empty()) check(lock->write_all(kMetricsBlockOffset, block).has_value());

  const auto page = read_control_page(*lock);
  const auto metrics = read_metrics_block(*lock);
  check(page.has_value() && metrics.has_value());
  if (*metrics) check((*metrics)->size() < kMetricsTextLimit);
  check(*read_control_page(*lock) == *page);
  check(*read_metrics_block(*lock) == *metrics);
  return 0;
}
