#include "cli/places.hpp"

#include <utility>

#include "base/try.hpp"
#include "quire/block_cache.hpp"
#include "quire/http_source.hpp"

namespace quire::cli {
namespace {

// A server that gives no ranges may send so much.
constexpr std::uint64_t kMaxWholeBytes = std::uint64_t{64} << 20;
// Of a long read, so that several requests bring it.
constexpr std::uint64_t kRequestBytes = std::uint64_t{4} << 20;

}  // namespace

Outcome<std::shared_ptr<const ByteSource>> open_url(const std::string& url,
                                                    const Settings& settings) {
  QUIRE_TRY(auto source,
            open_http_source(url, {.allow_private_network = settings.allow_private_network,
                                   .max_whole_bytes = kMaxWholeBytes,
                                   .open_at_end = true,
                                   .max_request_bytes = kRequestBytes}));
  QUIRE_TRY(const auto cache, BlockCache::create());
  return cache->attach(std::move(source));
}

Outcome<std::shared_ptr<const ByteSource>> open_url_once(const std::string& url,
                                                         const Settings& settings) {
  QUIRE_TRY(auto source,
            open_http_source(url, {.allow_private_network = settings.allow_private_network,
                                   .max_whole_bytes = kMaxWholeBytes,
                                   .max_request_bytes = kRequestBytes}));
  return source;
}

}  // namespace quire::cli
