// Repairs stores whose files hold hostile values. Whatever comes, it is refused or repaired; a store that was
// repaired, or needed none, opens and verifies, and has as many vectors as the report says.
#include "hostile_store.hpp"
#include "vector/repair.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quire::vector;  // NOLINT(google-build-using-namespace): a program of its own
  // The first byte: take MANIFEST away too; drop what is doubtful.
  if (size == 0) return 0;
  const auto disk = hostile_disk({data + 1, size - 1});
  if ((data[0] & 1U) != 0) check(disk->remove("/s/MANIFEST").has_value());
  const auto report = repair(*disk, "/s", {.drop_doubtful = (data[0] & 2U) != 0});
  if (!report) return 0;
  auto store = StoreAccess::open(*disk, "/s", StoreMode::read_write);
  check(store.has_value());
  check(store->verify()->ok());
  check(store->view().size() == report->rows);
  const auto again = repair(*disk, "/s", {.dry_run = true});
  check(!again && again.error().code() == quire::ErrorCode::busy);
  quire::ignore_error(store->close());
  return 0;
}
