// Repair: makes a damaged vector store open again, and says what that cost.
//
// Use it when opening refuses a store with `corrupt` or `truncated`, or `verify` found damage, and there is no
// snapshot to restore instead. What is whole is kept as it is; nothing is guessed: what a checksum does not
// prove is left out, and the report lists it.
//
//     auto found = quire::repair_store("photos", {.dry_run = true});      // changes nothing
//     for (const quire::Damage& damage : found->damaged) tell(damage);
//     if (found->needed) quire::repair_store("photos").value();
//
// How: docs/decisions/0020-repair-writes-a-new-generation.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/progress_callback.hpp"
#include "quire/vector_store_options.hpp"
#include "quire/vector_store_reports.hpp"

namespace quire {
inline namespace v0 {

struct RepairOptions {
  // Only looks: the report says what a repair would do.
  bool dry_run = false;
  // Of a store whose MANIFEST is gone: nothing else says it. power_loss unless given.
  std::optional<Durability> durability = {};
  // Leaves out the vectors in `doubtful`, too, instead of keeping and listing them.
  bool drop_doubtful = false;
  // As OpenStoreOptions::allow_network_file_system.
  bool allow_network_file_system = false;
  // In vectors, each of which is read. Called on the calling thread.
  ProgressCallback progress = {};
};

// Batches that were durable and are gone, for the log is damaged where the first of them was.
struct LostBatches {
  std::uint64_t first_lsn = 0;
  std::uint64_t last_lsn = 0;  // the last that left a trace
  std::uint64_t bytes = 0;     // of logs that are not used for it
};

struct RepairReport {
  // False if the store is whole: it was left as it is. A torn tail of the log is no damage.
  bool needed = false;
  std::uint64_t rows = 0;  // vectors that the store has then
  // Each damaged place. One with an id is a vector that is left out; the text says so where a place could be
  // set right and cost nothing.
  std::vector<Damage> damaged;
  std::uint64_t lost_vectors = 0;  // of these, vectors that are left out
  // The store is as it was before the first of these batches.
  std::optional<LostBatches> lost_batches;
  // What follows the last whole record of the log and was never durable, as far as anything tells: it is dropped, as
  // opening would do.
  std::uint64_t dropped_bytes = 0;
  std::string dropped_from;
  // Entries of the list of puts and removes that cannot be read. Each put or removed some vector: one that
  // was put is left out.
  std::uint64_t lost_entries = 0;
  // Vectors, ascending, that one of those entries may have replaced or removed: they may be older than
  // the last that was put, and were kept unless drop_doubtful.
  std::vector<std::uint64_t> doubtful;
  // Names in the directory under which the damaged files stay. Remove them when you are satisfied.
  std::vector<std::string> kept;

  bool lost_nothing() const noexcept {
    return lost_vectors == 0 && lost_entries == 0 && !lost_batches;
  }
};

// Repairs the store in `directory`, which nobody may have open for writing; needs space for every vector once
// more. When it returns, the store opens and verifies; if it fails, or the machine does meanwhile, the store is
// either repaired or as damaged as before, and repairing it again is right.
// Errors: not_found (no directory, or nothing of a store in it), busy (a writer has it open), corrupt (it cannot
// be repaired without guessing; the text says why), format_version, no_space, permission, unsupported (a network
// file system; see the options), io.
[[nodiscard]] QUIRE_EXPORT Result<RepairReport> repair_store(const std::filesystem::path& directory,
                                                             const RepairOptions& options = {});

}  // namespace v0
}  // namespace quire
