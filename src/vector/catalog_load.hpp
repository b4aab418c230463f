// Makes the catalog of a store that is opened from its slots file, on all cores.
#pragma once

#include "vector/catalog.hpp"
#include "vector/format.hpp"
#include "vector/slot_file.hpp"

namespace quire::vector {

// Applies the entries that count to `catalog`, which is empty. After an error it may hold a part of them.
// Errors: truncated, io; corrupt, with the place of the first entry whose checksum is wrong or that says
// what cannot be, or if the live ids are not as many as the manifest says.
[[nodiscard]] Result<void> load_catalog(const SlotFile& slots, const Manifest& manifest,
                                        Catalog& catalog);

}  // namespace quire::vector
