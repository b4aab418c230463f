#include "quire/bytes.hpp"

#include <utility>

namespace quire {
inline namespace v0 {

Bytes Bytes::own(std::vector<std::byte> buffer) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(buffer));
  const std::span<const std::byte> span(*owner);
  return {span, std::move(owner)};
}

Bytes Bytes::copy(std::span<const std::byte> bytes) {
  return own(std::vector<std::byte>(bytes.begin(), bytes.end()));
}

Bytes Bytes::borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) noexcept {
  return {bytes, std::move(owner)};
}

Result<Bytes> Bytes::slice(std::uint64_t offset, std::uint64_t length) const {
  const ByteRange range{offset, length};
  if (!range.fits(span_.size())) {
    return std::unexpected(
        Error(ErrorCode::out_of_range, "slice")
            .with_range(range)
            .with_detail("the slice has " + std::to_string(span_.size()) + " bytes"));
  }
  return Bytes(span_.subspan(offset, length), owner_);
}

}  // namespace v0
}  // namespace quire
