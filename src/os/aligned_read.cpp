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

// Reads until `into` is full or nothing more comes, however little comes at a time.
Result<std::size_t> read_blocks(std::uint64_t offset, std::span<std::byte> into,
                                const AlignedReader& read) {
  std::size_t got = 0;
  while (got < into.size()) {
    // A block that came in part is read again, for the next read must be aligned too.
    const std::size_t whole = got / kDirectAlignment * kDirectAlignment;
    QUIRE_TRY(const std::size_t more, read(offset + whole, into.subspan(whole)));
    if (whole + more <= got) break;
    got = whole + more;
  }
  return got;
}

}  // namespace

Result<std::size_t> read_aligned(std::uint64_t offset, std::span<std::byte> out,
                                 const AlignedReader& read) {
  if (out.empty()) return 0;
  const auto before = static_cast<std::size_t>(offset % kDirectAlignment);
  const std::size_t length = std::min(out.size(), kMostAtOnce - before);
  const std::size_t blocks = (before + length + kDirectAlignment - 1) / kDirectAlignment;
  const std::unique_ptr<std::byte[], FreeAligned> room(new (std::align_val_t{kDirectAlignment})
                                                           std::byte[blocks * kDirectAlignment]);
  QUIRE_TRY(const std::size_t got,
            read_blocks(offset - before, {room.get(), blocks * kDirectAlignment}, read));
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
