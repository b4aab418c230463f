// How long work tells how far it is.
#pragma once

#include <cstdint>
#include <functional>

namespace quire {
inline namespace v0 {

// Called now and then with what is done of what; from one thread at a time.
using ProgressCallback = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace v0
}  // namespace quire
