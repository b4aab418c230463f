// The contract of byte sources, kept by a cached one: large and small caches before a file.
#include <gtest/gtest.h>

#include "quire/block_cache.hpp"
#include "source/local_backends_fixture.hpp"
#include "source/source_contract.hpp"

namespace quire::source {
namespace {

// What nobody has read yet is noticed as the file notices it; what is in the cache stays as it was.
template <std::uint64_t kCapacity, std::uint32_t kBlock>
struct CachedFilePlace : FilePlace {
  std::shared_ptr<const ByteSource> make(std::string_view bytes) const {
    put(bytes);
    return open_again();
  }
  std::shared_ptr<const ByteSource> open_again() const {
    const auto cache = BlockCache::create({.capacity_bytes = kCapacity, .block_bytes = kBlock});
    return cache.value()->attach(FilePlace::open_again());
  }
};

using Caches = testing::Types<CachedFilePlace<(64U << 20U), (64U << 10U)>,
                              CachedFilePlace<(16U << 10U), 1024>, CachedFilePlace<1024, 512>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Cached, SourceContract, Caches);

}  // namespace
}  // namespace quire::source
