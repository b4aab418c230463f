// What finding costs beside the work itself: no memory is taken and no lock waited for, not even while a writer
// is in the middle of a batch.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "vector/store_test_fixture.hpp"

namespace {

thread_local std::uint64_t allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inlined, for a compiler that sees both halves warns of them.
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { release(memory); }
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  release(memory);
}

namespace quire::vector {
namespace {

class FindCost : public StoreTest {
 protected:
  static constexpr std::uint64_t kIds = 100;
  static constexpr std::uint64_t kAbsent = 1'000'000;

  struct Cost {
    std::uint64_t allocations = 0;
    std::uint64_t wrong = 0;
  };

  // Looks in every way for all ids and one that is absent.
  static Cost cost_of_finding(const ReadView& view) {
    std::array<std::uint64_t, kIds> ids{};
    std::array<std::span<const std::byte>, kIds> rows;
    Cost cost;
    const std::uint64_t before = allocations;
    for (std::uint64_t id = 0; id < kIds; ++id) {
      ids[id] = id;
      cost.wrong += view.find<std::uint8_t>(id) ? 0 : 1;
      cost.wrong += view.find_bytes(id) ? 0 : 1;
      cost.wrong += view.lsn_of(id) ? 0 : 1;
    }
    cost.wrong += view.find<std::uint8_t>(kAbsent) ? 1 : 0;
    cost.wrong += view.find_bytes(kAbsent) ? 1 : 0;
    cost.wrong += view.lsn_of(kAbsent) ? 1 : 0;
    ids.back() = kAbsent;
    const auto found = view.get_many(ids, rows);
    cost.wrong += found && *found == kIds - 1 ? 0 : 1;
    cost.allocations = allocations - before;
    return cost;
  }

  // Whoever calls the sync of a file whose name ends so holds its locks until another thread has found everything.
  void find_during_sync_of(const std::string& ending, const std::function<void()>& act) {
    const ReadView view = store_->view();
    std::future<Cost> finding;
    bool waited = true;
    disk_->set_hook([&](const os::SimulatedCall& call) {
      const bool is_it = std::string_view(call.operation) == "sync" && call.path.ends_with(ending);
      if (is_it && !finding.valid()) {
        finding = std::async(std::launch::async, [&view] { return cost_of_finding(view); });
        waited = finding.wait_for(std::chrono::seconds(10)) != std::future_status::ready;
      }
      return os::SimulatedOutcome{};
    });
    act();
    disk_->set_hook({});
    ASSERT_TRUE(finding.valid()) << "nothing was synced";
    EXPECT_FALSE(waited) << "for a lock";
    const Cost cost = finding.get();
    EXPECT_EQ(cost.wrong, 0U);
    EXPECT_EQ(cost.allocations, 0U);
  }
};

TEST_F(FindCost, IsNoMemory) {
  create();
  ASSERT_TRUE(succeeded(put_many(0, kIds)));
  const std::uint64_t before = allocations;
  const auto counted = std::make_unique<std::uint64_t>(1);
  ASSERT_EQ(allocations - before, *counted);
  const Cost cost = cost_of_finding(store_->view());
  EXPECT_EQ(cost.wrong, 0U);
  EXPECT_EQ(cost.allocations, 0U);
}

TEST_F(FindCost, IsNoLockWhileABatchOrACheckpointIsWritten) {
  create();
  ASSERT_TRUE(succeeded(put_many(0, kIds)));
  find_during_sync_of(".wal", [&] { put(7, 1000); });
  find_during_sync_of(".slots", [&] { ASSERT_TRUE(succeeded(store_->checkpoint())); });
}

}  // namespace
}  // namespace quire::vector
