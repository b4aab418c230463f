// What a VectorStore tells about itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quire/byte_range.hpp"
#include "quire/element_type.hpp"
#include "quire/vector_store_options.hpp"

namespace quire {
inline namespace v0 {

// What the store is and how full.
struct StoreInfo {
  std::uint32_t dimension = 0;
  ElementType element_type = ElementType::f32;
  Durability durability = Durability::power_loss;
  std::uint32_t format_version = 0;
  std::uint64_t generation = 0;
  std::array<std::byte, 16> store_id{};  // random; a snapshot of the store has it too
  std::uint64_t rows = 0;                // live ids
  std::uint64_t dead_rows = 0;           // rows that were replaced or removed, and take space
  std::uint64_t lsn = 0;                 // number of the last batch
  std::uint64_t checkpoint_lsn = 0;      // the last batch in the checkpoint
  std::uint64_t log_bytes = 0;           // what an open after a crash would replay
  std::uint64_t bytes_on_disk = 0;       // allocated, all files of the store
  double fragmentation = 0;              // dead rows over all rows; 0 for a store without rows
};

// What opening had to do after a crash.
struct RecoveryReport {
  std::uint64_t replayed_batches = 0;
  // A torn tail of the log that was not acknowledged as durable and was dropped: how much, and where.
  std::uint64_t dropped_bytes = 0;
  std::string dropped_from;
  // Files of unfinished operations that were removed.
  std::vector<std::string> removed_files;
};

// What a compaction did.
struct CompactionReport {
  std::uint64_t rows = 0;             // that the store has now, all of them live
  std::uint64_t generation = 0;       // of its files; 0 if there was nothing to do
  std::uint64_t bytes_reclaimed = 0;  // on disk
};

// One place where a store is damaged.
struct Damage {
  std::string file;
  ByteRange range;
  std::string what;
  std::optional<std::uint64_t> id;  // the vector it belongs to, where there is one
};

struct VerifyReport {
  std::uint64_t rows = 0;  // live rows whose checksums were compared
  std::vector<Damage> damaged;
  bool ok() const noexcept { return damaged.empty(); }
};

}  // namespace v0
}  // namespace quire
