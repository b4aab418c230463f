#include "quire/mapped_memory.hpp"

#include "os/memory.hpp"

namespace quire {
inline namespace v0 {

std::uint64_t page_size() noexcept { return os::page_size(); }

}  // namespace v0
}  // namespace quire
