#include "snapshot/allocation_probe_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace quire::snapshot {

namespace {
std::atomic<std::size_t> largest_allocation = 0;
}

AllocationProbe::AllocationProbe() { largest_allocation = 0; }

// NOLINTNEXTLINE(readability-convert-member-functions-to-static): it is one probe's answer
std::size_t AllocationProbe::largest() const { return largest_allocation; }

}  // namespace quire::snapshot

void* operator new(std::size_t size) {
  auto& largest = quire::snapshot::largest_allocation;
  std::size_t seen = largest.load();
  while (size > seen && !largest.compare_exchange_weak(seen, size)) {
  }
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
