#include <atomic>
#include <cstring>
#include <utility>

#include "quire/local_source.hpp"

namespace quire {
inline namespace v0 {

namespace {

class MemorySource final : public ByteSource {
 public:
  MemorySource(Bytes bytes, std::string name)
      : ByteSource(std::move(name), bytes.size(),
                   {IdentityStrength::strong, std::to_string(next_number())}),
        bytes_(std::move(bytes)) {
    // A view needs an address, also of nothing.
    offer_view(bytes_.data() != nullptr ? bytes_.data() : &kNothing);
  }

 private:
  static constexpr std::byte kNothing{0};

  // Nobody else has this memory: the number of the object names its version.
  static std::uint64_t next_number() {
    static std::atomic<std::uint64_t> count = 0;
    return count.fetch_add(1, std::memory_order_relaxed);
  }

  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    return bytes_.slice(range.offset, range.length);
  }
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& /*options*/) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

  const Bytes bytes_;
};

}  // namespace

std::shared_ptr<const ByteSource> memory_source(Bytes bytes, std::string name) {
  return std::make_shared<const MemorySource>(std::move(bytes), std::move(name));
}

}  // namespace v0
}  // namespace quire
