// Opens stores whose files hold hostile values: every file of the store, LOCK's control page included; opens
// them for reading and for writing, verifies them and reads them all. Whatever comes, the store is opened or
// refused; it never crashes, hangs or allocates without bounds.
#include "hostile_store.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quire::vector;  // NOLINT(google-build-using-namespace): a program of its own
  const auto disk = hostile_disk({data, size});
  for (const StoreMode mode : {StoreMode::read_only, StoreMode::read_write}) {
    auto store = StoreAccess::open(*disk, "/s", mode);
    if (!store) continue;
    if (mode == StoreMode::read_only) quire::ignore_error(store->refresh());  // looks at LOCK

    quire::ignore_error(store->verify());
    const quire::ReadView view = store->view();
    std::vector<std::byte> out(quire::row_bytes(store->element_type(), store->dimension()));
    for (const std::uint64_t id : view.ids()) quire::ignore_error(store->get(id, out));
    quire::ignore_error(store->close());
  }
  return 0;
}
