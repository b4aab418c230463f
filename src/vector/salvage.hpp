// Salvage: reads a damaged store, and takes what checksums prove. Changes nothing.
//
// What counts as proof:
//   1. An entry or record that its checksum fits, one wrong byte mended (mend.hpp).
//   2. Of the log, batches without a gap from the checkpoint on. Where a durable batch is missing the log ends,
//      for what followed was written by someone who had seen it.
//   3. A lost entry may have replaced or removed any vector that is older. That none was, the manifest's
//      number of live ids proves if it is larger by one for each lost entry: then each put a new one.
//   4. A lost MANIFEST is found again from the headers, if they agree and are of one generation: the first
//      log begins behind the checkpoint.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "os/file_system.hpp"
#include "quire/repair.hpp"
#include "vector/format.hpp"

namespace quire::vector {

// Where the newest vector of an id is, as far as is known.
struct SalvagedVector {
  std::uint64_t id = 0;
  std::uint64_t row = 0;
  std::uint64_t lsn = 0;
  std::uint64_t row_checksum = 0;
};

struct Salvage {
  Manifest manifest;  // what it says, or must have said
  bool manifest_was_lost = false;
  std::vector<SalvagedVector> vectors;  // by LSN
  // Rows that records carry.
  std::unordered_map<std::uint64_t, std::vector<std::byte>> carried;
  std::unique_ptr<os::File> rows;  // null if there is none
  std::uint64_t last_lsn = 0;      // that anything tells of: the next batch comes after it
  // The number of a last log that was being made when the power went: it holds nothing.
  std::optional<std::uint64_t> unfinished_log;
  RepairReport report;  // all but `rows`, lost vectors and `kept`

  // Copies the vector's row; false if it cannot be read or its checksum is wrong.
  [[nodiscard]] bool read_row(const SalvagedVector& vector, std::span<std::byte> out) const;
};

// REQUIRES: nobody writes the store. Errors: as repair_store.
[[nodiscard]] Result<Salvage> salvage(os::FileSystem& file_system, const std::string& directory,
                                      const RepairOptions& options);

}  // namespace quire::vector
