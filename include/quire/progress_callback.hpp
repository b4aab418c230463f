// How long work tells how far it is.
#pragma once

#include <cstdint>
#include <functional>

namespace quire {
inline namespace v0 {

// Called now and then with what is done of what; from one thread at a time. It must not call what it tells about: a store that
// is being compacted or verified may be waiting for it.
using ProgressCallback = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace v0
}  // namespace quire
