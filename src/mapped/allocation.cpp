#include "mapped/allocation.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace quire::mapped {

namespace {

constexpr std::uint64_t kZeroBlock = std::uint64_t{1} << 20;
constexpr std::uint64_t kPage = 4096;

Result<void> write_zeros(os::File& file, ByteRange range) {
  const std::vector<std::byte> zeros(std::min(kZeroBlock, range.length));
  std::uint64_t done = 0;
  while (done < range.length) {
    const std::uint64_t next = std::min<std::uint64_t>(zeros.size(), range.length - done);
    auto written = file.write_all(range.offset + done, std::span(zeros).first(next));
    if (!written) return written;
    done += next;
  }
  return {};
}

Result<void> add_bytes(os::File& file, ByteRange range, bool sparse) {
  if (sparse) return file.truncate(range.end());
  auto allocated = file.allocate(range);
  if (!allocated && allocated.error().code() == ErrorCode::unsupported) {
    return write_zeros(file, range);
  }
  return allocated;
}

}  // namespace

Result<void> lengthen(os::File& file, std::uint64_t from, std::uint64_t to, bool sparse) {
  if (to <= from) return {};
  auto added = add_bytes(file, {from, to - from}, sparse);
  if (!added) ignore_error(file.truncate(from));
  return added;
}

bool has_all_its_space(os::File& file) {
  const auto space = file.space();
  if (!space || !space->allocation_binds) return false;
  const auto info = file.info();
  return info && file.has_own_space(info->size).value_or(false);
}

Error fault_error(os::File& file, const char* operation, ByteRange range) {
  const auto info = file.info();
  ErrorCode code = ErrorCode::io;
  std::string why = "the device could not give or take a page";
  if (info && info->size < range.end()) {
    code = ErrorCode::truncated;
    why = "the file was cut to " + std::to_string(info->size) + " bytes";
  } else if (info && info->allocated_bytes < info->size) {
    const auto space = file.space();
    if (space && space->free_bytes < kPage) {
      code = ErrorCode::no_space;
      why = "a hole of the file met a full disk";
    }
  }
  return Error(code, operation).with_range(range).with_detail(std::move(why));
}

}  // namespace quire::mapped
