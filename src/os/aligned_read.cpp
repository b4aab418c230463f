#include "os/aligned_read.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/try.hpp"

namespace quire::os {

namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 20;

struct FreeAligned {
  void operator()(std::byte* bytes) const noexcept {
    ::operator delete[](bytes, std::align_val_t{kDirectAlignment});
  }
};

}  // namespace

Result<std::size_t> read_aligned(std::uint64_t offset, std::span<std::byte> out,
                                 const AlignedReader& read) {
  if (out.empty()) return 0;
  const auto before = static_cast<std::size_t>(offset % kDirectAlignment);
  const std::size_t length = std::min(out.size(), kMostAtOnce - before);
  const std::size_t blocks = (before + length + kDirectAlignment - 1) / kDirectAlignment;
  const std::unique_ptr<std::byte[], FreeAligned> room(new (std::align_val_t{kDirectAlignment})
                                                           std::byte[blocks * kDirectAlignment]);
  QUIRE_TRY(const std::size_t got, read(offset - before, {room.get(), blocks * kDirectAlignment}));
  if (got <= before) return 0;
  const std::size_t wanted = std::min(length, got - before);
  std::memcpy(out.data(), room.get() + before, wanted);
  return wanted;
}

Error no_direct_reads(const std::string& path) {
  return Error(ErrorCode::unsupported, "open")
      .with_path(path)
      .with_detail("its file system cannot read past the page cache");
}

}  // namespace quire::os
