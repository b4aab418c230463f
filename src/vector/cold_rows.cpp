#include "vector/cold_rows.hpp"

#include <algorithm>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kWindow = std::uint64_t{1} << 20;

}  // namespace

Result<ColdRows> ColdRows::open(os::ColdFileSystem& cold, const std::string& directory,
                                const Manifest& manifest) {
  QUIRE_TRY(auto file, cold.open(os::join_path(directory, rows_name(manifest.generation)),
                                 os::OpenMode::read, 0));
  QUIRE_TRY(const os::FileInfo info, file->info());
  const std::uint64_t stride = manifest.identity.stride();
  const std::uint64_t rows = (std::max(info.size, kHeaderBytes) - kHeaderBytes) / stride;
  return ColdRows(std::move(file), stride, rows);
}

Result<std::uint64_t> ColdRows::checksum(std::uint64_t row) {
  const auto stride = static_cast<std::size_t>(stride_);
  if (row < first_ || row - first_ >= window_.size() / stride) {
    const std::uint64_t ahead = std::max<std::uint64_t>(kWindow / stride_, 1);
    const std::uint64_t count = row < rows_ ? std::min(ahead, rows_ - row) : 1;
    const bool is_careful = row < careful_until_;
    if (is_careful || !fill(row, count)) {
      if (!is_careful) careful_until_ = row + count;
      QUIRE_CHECK(fill(row, 1));
    }
  }
  const auto at = static_cast<std::size_t>(row - first_) * stride;
  return base::checksum(std::span<const std::byte>(window_).subspan(at, stride));
}

Result<void> ColdRows::fill(std::uint64_t first, std::uint64_t count) {
  window_.resize(static_cast<std::size_t>(count * stride_));
  first_ = first;
  auto read = file_->read_exactly(kHeaderBytes + first * stride_, window_);
  if (!read) window_.clear();
  return read;
}

}  // namespace quire::vector
